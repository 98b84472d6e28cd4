using System.Net;
using System.Text.Json.Nodes;
using EmailApi.Emails;
using EmailApi.Tests.Support;
using Microsoft.EntityFrameworkCore;

namespace EmailApi.Tests.Suppressions;

/// <summary>What becomes of mail to suppressed addresses: never sent, never silently skipped.</summary>
public sealed class SuppressedMailTests(SharedApp shared) : IClassFixture<SharedApp>, IAsyncLifetime
{
    TestApp app = null!;

    public async ValueTask InitializeAsync() => app = await shared.BeginAsync();

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    static JsonObject Mail(string to, Action<JsonObject>? more = null)
    {
        var mail = TestApp.Mail(to);
        more?.Invoke(mail);
        return mail;
    }

    async Task AssertBalancedAsync() => Assert.True((await app.GetAsync("/v1/ledger")).GetProperty("balanced").GetBoolean());

    async Task<string> StatusAsync(string to, Action<JsonObject>? more = null) => (await app.AcceptAsync(Mail(to, more))).Text("status");

    [Fact]
    public async Task A_suppressed_recipient_is_told_with_its_reason_and_the_others_get_the_mail()
    {
        await app.SuppressAsync("gone@example.jp", "unknown_user");

        var accepted = await app.AcceptAsync(Mail("taro@example.jp", m => m["cc"] = "gone@example.jp"));
        var id = accepted.Text("id");
        await app.WaitForAsync(id, RecipientState.Sent, RecipientState.Suppressed);

        Assert.Equal("queued", accepted.Text("status"));
        Assert.Equal(("suppressed", "unknown_user"), (accepted.GetProperty("recipients")[1].Text("status"), accepted.GetProperty("recipients")[1].Text("reason")));
        var shown = await app.Http.MailAsync(id);
        Assert.Equal("partial", shown.Text("status"));
        var recipient = shown.GetProperty("recipients")[1];
        Assert.Equal(("suppressed", "unknown_user", 0), (recipient.Text("status"), recipient.Text("reason"), recipient.GetProperty("attempts").GetInt32()));
        var told = (await app.Http.ListAsync($"/v1/emails/{id}/events")).Where(e => e.Text("recipient") == "gone@example.jp").ToList();
        Assert.Equal(["email.accepted", "email.suppressed"], told.Select(e => e.Text("type")));
        var suppression = (await app.Http.ListAsync("/v1/suppressions"))[0];
        Assert.Equal(("unknown_user", "manual"), (told[1].Text("reason"), told[1].Text("source")));
        Assert.Equal(suppression.GetProperty("created_at").GetDateTimeOffset(), told[1].GetProperty("since").GetDateTimeOffset(), TimeSpan.FromMilliseconds(1));
        Assert.Equal(["taro@example.jp"], app.Relay.CopiesOf(id).SelectMany(m => m.Recipients));
        await AssertBalancedAsync();
    }

    [Fact]
    public async Task Sensitive_content_for_nobody_is_gone_from_the_start()
    {
        await app.SuppressAsync("gone@example.jp");

        var id = (await app.AcceptAsync(Mail("gone@example.jp", m => m["sensitive"] = true))).Text("id");

        using var content = await app.Http.GetAsync($"/v1/emails/{id}/content", TestContext.Current.CancellationToken);
        Assert.Equal((HttpStatusCode.Conflict, "content_gone"), (content.StatusCode, (await content.JsonAsync()).Text("code")));
    }

    [Fact]
    public async Task A_mail_to_nobody_else_is_suppressed_as_a_whole_and_replayed_so()
    {
        await app.SuppressAsync("gone@example.jp");

        using var first = await app.PostAsync(Mail("gone@example.jp"), idempotencyKey: "suppressed");
        using var again = await app.PostAsync(Mail("gone@example.jp"), idempotencyKey: "suppressed");
        var batch = await app.AcceptAsync(new JsonArray(Mail("gone@example.jp"), Mail("taro@example.jp")), "/v1/emails/batch");
        var scheduled = await StatusAsync("gone@example.jp", m => m["send_at"] = DateTimeOffset.UtcNow.AddHours(1).ToString("o"));

        Assert.Equal("suppressed", (await first.JsonAsync()).Text("status"));
        Assert.Equal(await first.Content.ReadAsStringAsync(), await again.Content.ReadAsStringAsync());
        Assert.Equal(["suppressed", "queued"], batch.GetProperty("data").EnumerateArray().Select(i => i.Text("status")));
        Assert.Equal("suppressed", scheduled);
        Assert.Equal(0, await app.QueryAsync(db => db.Queue.CountAsync(q => db.Recipients.Any(r => r.EmailId == q.EmailId && r.N == q.N && r.Address == "gone@example.jp"))));
    }

    [Theory]
    [InlineData("Taro@Example.JP", "taro@example.jp", "suppressed")]
    [InlineData("taro@example.jp", "TARO@example.jp", "suppressed")]
    [InlineData("\"taro\"@example.jp", "taro@example.jp", "suppressed")]
    [InlineData("taro@example.jp", "\"ta\\ro\"@example.jp", "suppressed")]
    [InlineData("\"a b\"@example.jp", "\"A B\"@example.jp", "suppressed")]
    [InlineData("taro@例え.jp", "taro@xn--r8jz45g.jp", "suppressed")]
    [InlineData("taro@xn--r8jz45g.jp", "taro@例え.jp", "suppressed")]
    [InlineData("ÄÖ@example.jp", "äö@example.jp", "suppressed")]
    [InlineData("taro@example.jp", "taro+shop@example.jp", "queued")]
    [InlineData("taro+shop@example.jp", "taro+SHOP@example.jp", "suppressed")]
    [InlineData("ta.ro@example.jp", "taro@example.jp", "queued")]
    [InlineData("taro@example.jp", "taro@mail.example.jp", "queued")]
    public async Task Spellings_of_one_address_are_the_same_at_accept_and_at_claim(string suppressed, string to, string status)
    {
        var waiting = (await app.AcceptAsync(Mail(to, m => m["send_at"] = DateTimeOffset.UtcNow.AddHours(1).ToString("o")))).Text("id");
        await app.SuppressAsync(suppressed);

        Assert.Equal(status, await StatusAsync(to));
        if (status != "suppressed") return;
        await app.RunDueAsync();
        await app.WaitForAsync(waiting, RecipientState.Suppressed);
        Assert.Equal(["accepted", "scheduled", "suppressed"], await app.Http.EventsAsync(waiting));
    }

    [Fact]
    public async Task One_that_is_suppressed_between_accept_and_claim_is_not_sent_and_its_connection_is_free_again()
    {
        var held = await Task.WhenAll(Enumerable.Range(0, 25).Select(i => app.AcceptAsync(Mail($"late{i}@example.jp", m => m["send_at"] = DateTimeOffset.UtcNow.AddHours(1).ToString("o")))));
        var together = (await app.AcceptAsync(Mail("taro@example.jp", m =>
        {
            m["cc"] = "late0@example.jp";
            m["send_at"] = DateTimeOffset.UtcNow.AddHours(1).ToString("o");
        }))).Text("id");
        for (var i = 0; i < 25; i++) await app.SuppressAsync($"late{i}@example.jp", "complaint");

        await app.RunDueAsync();
        foreach (var mail in held) await app.WaitForAsync(mail.Text("id"), RecipientState.Suppressed);
        await app.WaitForAsync(together, RecipientState.Sent, RecipientState.Suppressed);

        Assert.Equal(["taro@example.jp"], app.Relay.CopiesOf(together).SelectMany(m => m.Recipients));
        Assert.DoesNotContain(app.Relay.Mails.SelectMany(m => m.Recipients), r => r.StartsWith("late", StringComparison.Ordinal));
        var told = (await app.Http.ListAsync($"/v1/emails/{held[0].Text("id")}/events"))[^1];
        Assert.Equal(("email.suppressed", "complaint", "manual"), (told.Text("type"), told.Text("reason"), told.Text("source")));
        Assert.Equal("complaint", (await app.Http.RecipientAsync(held[0].Text("id"))).Text("reason"));
        Assert.Empty(await app.Http.AttemptsAsync(held[0].Text("id")));
        await AssertBalancedAsync();
        await app.WaitForAsync(await app.SendAsync(), RecipientState.Sent);   // no connection was lost with them
    }

    [Fact]
    public async Task Only_the_scope_overrides_and_the_mail_then_passes_the_claim_too()
    {
        await app.SuppressAsync("gone@example.jp");
        var key = await app.AddKeyAsync("default", "send");
        using var bound = app.WithKey(key);
        var mail = Mail("gone@example.jp", m => m["override_suppression"] = true);

        using var refused = await bound.PostTextAsync("/v1/emails", mail.ToJsonString());
        using var batch = await bound.PostTextAsync("/v1/emails/batch", new JsonArray(Mail("taro@example.jp"), mail.DeepClone()).ToJsonString());
        var sent = await app.SendAsync("gone@example.jp", new() { ["override_suppression"] = true });
        await app.WaitForAsync(sent, RecipientState.Sent);

        var problem = await ProblemDocument.ReadAsync(refused);
        Assert.Equal((403, "#/override_suppression"), (problem.Status, Assert.Single(problem.Errors).Pointer));
        Assert.Contains("override_suppression", problem.Detail, StringComparison.Ordinal);
        Assert.Equal((403, "#/1/override_suppression"), ((int)batch.StatusCode, Assert.Single((await ProblemDocument.ReadAsync(batch)).Errors).Pointer));
        Assert.Equal("suppressed", await StatusAsync("gone@example.jp", m => m["override_suppression"] = false));
    }

    [Fact]
    public async Task A_retry_works_once_the_suppression_is_gone_or_overridden()
    {
        await app.SuppressAsync("gone@example.jp");
        var (lifted, overridden) = (await app.SendAsync("gone@example.jp"), await app.SendAsync("gone@example.jp"));
        using var plain = app.WithKey(await app.AddKeyAsync("default", "send"));

        using var early = await app.Http.PostAsync($"/v1/emails/{lifted}/retry", null);
        using var forbidden = await plain.PostAsync($"/v1/emails/{overridden}/retry?override_suppression=true", null);
        using var wrong = await app.Http.PostAsync($"/v1/emails/{overridden}/retry?override_suppression=1", null);
        using var passed = await app.Http.PostAsync($"/v1/emails/{overridden}/retry?override_suppression=true", null);
        await app.WaitForAsync(overridden, RecipientState.Sent);
        (await app.Http.DeleteAsync(Suppressing.Path("gone@example.jp"))).Dispose();
        using var retried = await app.Http.PostAsync($"/v1/emails/{lifted}/retry", null);
        await app.WaitForAsync(lifted, RecipientState.Sent);

        Assert.Equal((409, true), ((int)early.StatusCode, (await ProblemDocument.ReadAsync(early)).Detail.Contains("suppressed", StringComparison.Ordinal)));
        Assert.Equal((403, 400, 200, 200), ((int)forbidden.StatusCode, (int)wrong.StatusCode, (int)passed.StatusCode, (int)retried.StatusCode));
        Assert.Equal(["accepted", "suppressed", "retried", "sent"], await app.Http.EventsAsync(lifted));
        await AssertBalancedAsync();
    }

    [Theory]
    [InlineData("550 5.1.1 no such user", "unknown_user")]
    [InlineData("553 5.1.3 not an address", "unknown_user")]
    [InlineData("550 5.1.2 no such host", "unknown_host")]
    [InlineData("556 5.1.10 null MX", "unknown_host")]
    [InlineData("551 5.1.6 has moved", "moved")]
    [InlineData("550 5.2.1 disabled", "mailbox_disabled")]
    [InlineData("550 5.2.2 full", null)]
    [InlineData("550 5.7.1 you are on a list", null)]
    [InlineData("550 no enhanced code", null)]
    [InlineData("450 4.1.1 not now", null)]
    public async Task A_refusal_at_RCPT_suppresses_only_where_it_leaves_no_doubt(string reply, string? reason)
    {
        app.Relay.Answer("gone@example.jp", reply, times: 1);

        var id = await app.SendAsync("Gone@example.jp");
        await app.WaitForAsync(id, reply[0] == '4' ? RecipientState.Deferred : RecipientState.Bounced);
        var found = await app.Http.ListAsync("/v1/suppressions");

        if (reason is null)
        {
            Assert.Empty(found);
            return;
        }

        var made = Assert.Single(found);
        Assert.Equal(("gone@example.jp", reason, "bounce", id, ""), (made.Text("email"), made.Text("reason"), made.Text("source"), made.Text("email_id"), made.Text("stream")));
        Assert.Equal("suppressed", await UntilSuppressedAsync());
        using var retry = await app.Http.PostAsync($"/v1/emails/{id}/retry", null);
        Assert.Equal(HttpStatusCode.Conflict, retry.StatusCode);

        async Task<string> UntilSuppressedAsync()
        {
            var again = (await app.AcceptAsync(Mail("gone@example.jp"))).Text("id");   // at accept, or in the first second at claim
            await app.WaitForAsync(again, RecipientState.Suppressed);
            return await app.Http.StatusAsync(again);
        }
    }

    [Fact]
    public async Task A_refusal_at_MAIL_or_after_the_dot_suppresses_nobody()
    {
        app.Relay.AnswerAt(RelayStep.Dot, "550 5.1.1 no such user", 1);

        await app.WaitForAsync(await app.SendAsync(), RecipientState.Bounced);

        Assert.Empty(await app.Http.ListAsync("/v1/suppressions"));
    }

    [Fact]
    public async Task A_stream_of_its_own_and_another_project_are_not_concerned()
    {
        await app.SuppressAsync("taro@example.jp", stream: "news");
        using var stranger = app.WithKey(await app.AddKeyAsync("other", "send", "read", "manage"));

        using var foreign = await stranger.PostTextAsync("/v1/emails", TestApp.Mail().ToJsonString());
        using var unseen = await stranger.GetAsync(Suppressing.Path("taro@example.jp"));
        using var untouched = await stranger.DeleteAsync($"{Suppressing.Path("taro@example.jp")}?stream=news");

        Assert.Equal("suppressed", await StatusAsync("taro@example.jp", m => m["stream"] = "news"));
        Assert.Equal("queued", await StatusAsync("taro@example.jp"));
        Assert.Equal("queued", (await foreign.JsonAsync()).Text("status"));
        Assert.Equal((404, 404), ((int)unseen.StatusCode, (int)untouched.StatusCode));
        Assert.Empty(await stranger.ListAsync("/v1/suppressions"));
        Assert.Equal("email,", (await stranger.GetStringAsync("/v1/suppressions/export"))[..6]);
    }

    [Fact]
    public async Task What_one_node_suppresses_no_other_sends()
    {
        await using var node = await app.StartNodeAsync();
        await app.WaitForAsync(await app.SendAsync(), RecipientState.Sent);

        for (var i = 0; i < 10; i++)
        {
            await node.SuppressAsync($"other{i}@example.jp");
            await app.WaitForAsync(await app.SendAsync($"other{i}@example.jp"), RecipientState.Suppressed);
        }

        Assert.DoesNotContain(app.Relay.Mails.SelectMany(m => m.Recipients), r => r.StartsWith("other", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Mail_of_test_keys_suppresses_nobody_and_is_suppressed_like_any()
    {
        await app.SuppressAsync("gone@example.jp");
        using var made = await app.PostAsync(new JsonObject { ["name"] = "test", ["mode"] = "test", ["scopes"] = new JsonArray("send", "manage", "read") }, "/v1/keys");
        using var test = app.WithKey((await made.JsonAsync()).Text("key"));

        using var sent = await test.PostTextAsync("/v1/emails", TestApp.Mail("gone@example.jp").ToJsonString());
        using var refused = await test.PostTextAsync("/v1/suppressions", """{"email": "taro@example.jp"}""");

        Assert.Equal("suppressed", (await sent.JsonAsync()).Text("status"));
        Assert.Equal(HttpStatusCode.Forbidden, refused.StatusCode);
    }
}
