using System.Globalization;
using System.Text.Json.Nodes;
using EmailApi.Emails;
using EmailApi.Tests.Support;
using Microsoft.EntityFrameworkCore;

namespace EmailApi.Tests.Delivery;

public sealed class DeliveryTests
{
    [Fact]
    public async Task An_accepted_mail_reaches_the_relay_and_is_sent()
    {
        await using var app = await TestApp.StartAsync();

        var id = await app.SendAsync(to: "taro@example.jp");
        var mail = Assert.Single(await app.Relay.WaitForAsync(1));
        await app.WaitForAsync(id, RecipientState.Sent);

        Assert.Equal("orders@shop.example", mail.ReversePath);
        Assert.Equal(["taro@example.jp"], mail.Recipients);
        Assert.Equal(["accepted", "sent"], await app.Http.EventsAsync(id));
        Assert.Equal(["sent dot 250 2.0.0 Taken"], await app.Http.AttemptsAsync(id));
        await app.Http.AssertBalancedAsync(accepted: 1);
    }

    [Fact]
    public async Task Retries_follow_the_schedule_with_the_same_message_until_it_is_sent()
    {
        await using var app = await TestApp.StartAsync();
        app.Relay.AnswerAt(RelayStep.Dot, "451 4.3.0 later", times: 5);
        var texts = new List<string>();
        app.Relay.OnDot = mail => { lock (texts) texts.Add(mail.Text); return Task.CompletedTask; };
        double[] minutes = [1, 5, 15, 30, 60];

        var id = await app.SendAsync(more: new() { ["html"] = "<p>It works.</p>" });
        for (var attempt = 1; attempt <= minutes.Length; attempt++)
        {
            await app.Http.WaitForStatusAsync(id, "deferred");
            var (due, now) = (await app.QueryAsync(db => db.Queue.Select(q => q.DueAt).SingleAsync()), DateTimeOffset.UtcNow);
            var endedAt = (await app.Http.ListAsync($"/v1/emails/{id}/attempts"))[attempt - 1].GetProperty("ended_at").GetDateTimeOffset();
            var wait = (due - endedAt) / TimeSpan.FromMinutes(minutes[attempt - 1]);
            Assert.InRange(wait, 0.85, 1.15 + (now - endedAt) / TimeSpan.FromMinutes(minutes[attempt - 1]));   // due is counted from the record, a little after the end
            Assert.Equal(attempt, (await app.Http.RecipientAsync(id)).GetProperty("attempts").GetInt32());
            await app.RunDueAsync();
        }

        await app.Http.WaitForStatusAsync(id, "sent");
        string[] expected = ["accepted", .. Enumerable.Repeat("deferred", 5), "sent"];
        Assert.Equal(expected, await app.Http.EventsAsync(id));
        Assert.Equal(6, texts.Count);
        Assert.Single(texts.Distinct());
    }

    [Fact]
    public async Task A_mail_whose_next_try_would_come_after_its_end_expires_at_once()
    {
        await using var app = await TestApp.StartAsync();
        await app.ExecuteAsync("insert into streams (project_id, name, priority, life, in_doubt) select id, 'otp', 10, interval '30 seconds', 'retry' from projects");
        app.Relay.AnswerAt(RelayStep.Rcpt, "451 4.3.2 try later");

        var own = await app.SendAsync(more: new() { ["expires_at"] = DateTimeOffset.UtcNow.AddSeconds(40).ToString("O", CultureInfo.InvariantCulture) });
        var byStream = await app.SendAsync(more: new() { ["stream"] = "otp" });
        await app.Http.WaitForStatusAsync(own, "expired");
        await app.Http.WaitForStatusAsync(byStream, "expired");

        Assert.Equal(["accepted", "expired"], await app.Http.EventsAsync(own));
        Assert.Equal(["deferred rcpt 451 4.3.2 try later"], await app.Http.AttemptsAsync(byStream));
        await app.Http.AssertBalancedAsync(accepted: 2);
    }

    [Fact]
    public async Task A_mail_whose_time_runs_out_while_it_waits_expires_and_is_not_sent()
    {
        await using var app = await TestApp.StartAsync();
        app.Relay.AnswerAt(RelayStep.Rcpt, "451 4.3.2 try later", times: 1);
        var id = await app.SendAsync();
        await app.Http.WaitForStatusAsync(id, "deferred");

        await app.ExecuteAsync("update queue set expires_at = now(), due_at = now() + interval '1 hour'");
        await app.Http.WaitForStatusAsync(id, "expired");

        Assert.Equal(["accepted", "deferred", "expired"], await app.Http.EventsAsync(id));
        Assert.Empty(app.Relay.Mails);
    }

    [Fact]
    public async Task A_mail_for_later_leaves_when_its_time_has_come()
    {
        await using var app = await TestApp.StartAsync();

        var id = await app.SendAsync(more: new() { ["send_at"] = DateTimeOffset.UtcNow.AddHours(3).ToString("O", CultureInfo.InvariantCulture) });
        var before = await app.Http.StatusAsync(id);
        await app.RunDueAsync();
        await app.Http.WaitForStatusAsync(id, "sent");

        Assert.Equal("scheduled", before);
        Assert.Equal(["accepted", "scheduled", "sent"], await app.Http.EventsAsync(id));
    }

    [Fact]
    public async Task An_address_that_needs_SMTPUTF8_fails_at_a_relay_without_it_and_leaves_by_one_with_it()
    {
        await using var app = await TestApp.StartAsync();
        app.Relay.SmtpUtf8 = false;

        var refused = await app.SendAsync(to: "用戶@example.jp");
        await app.Http.WaitForStatusAsync(refused, "failed");
        var plain = await app.SendAsync(to: "taro@例え.jp");   // only the domain: that has an ASCII form
        await app.Http.WaitForStatusAsync(plain, "sent");
        await app.Relay.StopAsync();
        app.Relay.SmtpUtf8 = true;
        app.Relay.Restart();
        var taken = await app.SendAsync(to: "用戶@example.jp");
        await app.Http.WaitForStatusAsync(taken, "sent");

        var recipient = await app.Http.RecipientAsync(refused);
        Assert.Equal("5.6.7", recipient.GetProperty("last_reply").Text("enhanced"));
        Assert.Equal("smtputf8_not_offered", recipient.Text("reason"));
        Assert.Empty(app.Relay.CopiesOf(refused));
        Assert.Equal(["taro@xn--r8jz45g.jp"], Assert.Single(app.Relay.CopiesOf(plain)).Recipients);
        var mail = Assert.Single(app.Relay.CopiesOf(taken));
        Assert.Equal(["用戶@example.jp"], mail.Recipients);
        Assert.Contains("SMTPUTF8", mail.MailParameters);
    }

    [Fact]
    public async Task Lines_that_begin_with_dots_and_lines_without_end_arrive_as_written()
    {
        await using var app = await TestApp.StartAsync();
        var text = ".\n..\n.hidden\n\n" + new string('x', 5000) + "\n.\nlast";

        var id = await app.SendAsync(more: new() { ["text"] = text, ["html"] = $"<pre>{text}</pre>" });
        var raw = Assert.Single(await app.Relay.WaitForAsync(1));

        var message = await MimeKit.MimeMessage.LoadAsync(new MemoryStream(raw.Data), TestContext.Current.CancellationToken);
        Assert.Equal(text, message.TextBody!.ReplaceLineEndings("\n").TrimEnd('\n'));
        Assert.Equal($"<pre>{text}</pre>", message.HtmlBody!.ReplaceLineEndings("\n").TrimEnd('\n'));
        Assert.All(raw.Text.Split("\r\n"), line => Assert.InRange(line.Length, 0, 998));
        Assert.DoesNotContain("\n", raw.Text.Replace("\r\n", "", StringComparison.Ordinal));
        await app.Http.WaitForStatusAsync(id, "sent");
    }

    [Fact]
    public async Task A_mail_to_a_thousand_recipients_reaches_each_once()
    {
        await using var app = await TestApp.StartAsync();
        var to = Enumerable.Range(0, 1000).Select(i => $"r{i}@example.net").ToArray();

        var id = await app.SendAsync(more: new() { ["to"] = new JsonArray([.. to.Select(a => JsonValue.Create(a))]) });
        await app.Http.WaitForStatusAsync(id, "sent");

        Assert.Equal(to.Order(), app.Relay.Mails.SelectMany(m => m.Recipients).Order());
        Assert.Single(app.Relay.Mails.Select(m => m.Text).Distinct());
        await app.Http.AssertBalancedAsync(accepted: 1000);
    }

    [Fact]
    public async Task Separate_envelopes_show_each_recipient_only_itself()
    {
        await using var app = await TestApp.StartAsync();

        var id = await app.SendAsync(more: new() { ["to"] = new JsonArray("a@example.net", "b@example.net"), ["envelope"] = "separate" });
        await app.Http.WaitForStatusAsync(id, "sent");

        Assert.Equal(2, app.Relay.Mails.Count);
        Assert.All(app.Relay.Mails, mail => Assert.Contains($"To: {Assert.Single(mail.Recipients)}", mail.Text));
        Assert.DoesNotContain(app.Relay.Mails, mail => mail.Text.Contains("a@example.net", StringComparison.Ordinal) && mail.Text.Contains("b@example.net", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_scheduled_mail_is_dated_by_its_send_at()
    {
        await using var app = await TestApp.StartAsync();
        var sendAt = DateTimeOffset.UtcNow.AddDays(3);

        await app.SendAsync(more: new() { ["send_at"] = sendAt.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture) });
        await app.RunDueAsync();
        var mail = Assert.Single(await app.Relay.WaitForAsync(1));

        Assert.Contains($"Date: {sendAt.ToString("ddd, dd MMM yyyy HH:mm:ss", CultureInfo.InvariantCulture)} +0000", mail.Text, StringComparison.Ordinal);
    }
}
