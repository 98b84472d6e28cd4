using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using EmailApi.Tests.Support;
using Microsoft.EntityFrameworkCore;

namespace EmailApi.Tests.Bounces;

/// <summary>What comes back becomes the truth about the recipient that it is about, and about nobody else.</summary>
public sealed class BounceTests(BounceApp bounce) : IClassFixture<BounceApp>
{
    TestApp App => bounce.App;

    [Fact]
    public async Task Every_recipient_has_a_return_path_of_its_own()
    {
        var id = await App.SendAsync(more: new() { ["to"] = new JsonArray("a@example.jp", "b@example.jp") });
        var relayed = await App.RelayedAsync(id);

        Assert.Equal(2, relayed.Select(m => m.ReversePath).Distinct().Count());
        Assert.All(relayed, m => Assert.EndsWith("@bounce.example", m.ReversePath, StringComparison.Ordinal));
        Assert.All(relayed, m => Assert.Single(m.Recipients));
    }

    [Fact]
    public async Task A_bounce_to_it_ends_the_recipient_bounced_and_says_why()
    {
        var (id, returnPath) = await bounce.SentAsync();

        var (_, reply) = await bounce.SmtpAsync(Reports.Dsn("taro@example.jp", to: returnPath), "", returnPath);

        Assert.Equal("250", reply![..3]);
        Assert.Equal("bounced", await App.Http.StatusAsync(id));
        Assert.Equal(["accepted", "sent", "bounced"], await App.Http.EventsAsync(id));
        var told = (await App.GetAsync($"/v1/emails/{id}/events")).GetProperty("data")[2];
        Assert.Equal(("permanent", "unknown_user"), (told.GetProperty("bounce").Text("type"), told.GetProperty("bounce").Text("reason")));
        Assert.Equal((550, "5.1.1"), (told.GetProperty("reply").GetProperty("code").GetInt32(), told.GetProperty("reply").Text("enhanced")));
        var recipient = await App.Http.RecipientAsync(id);
        Assert.Equal(("unknown_user", "5.1.1"), (recipient.Text("reason"), recipient.GetProperty("last_reply").Text("enhanced")));
        Assert.True((await App.GetAsync("/v1/ledger")).GetProperty("balanced").GetBoolean());
    }

    [Theory]
    [InlineData("5.1.1", "550 5.1.1 No such user", "suppressed")]
    [InlineData("5.2.2", "552 5.2.2 Mailbox full", "queued")]
    [InlineData("5.7.1", "550 5.7.1 Spam", "queued")]
    public async Task Only_what_says_that_the_address_is_no_good_suppresses_it(string status, string diagnostic, string next)
    {
        var to = $"gone-{status}@example.jp";
        var (_, returnPath) = await bounce.SentAsync(to);

        await bounce.SmtpAsync(Reports.Dsn(to, status, diagnostic: diagnostic), "", returnPath);
        using var answer = await App.PostAsync(TestApp.Mail(to));

        Assert.Equal(next, (await answer.JsonAsync()).GetProperty("recipients")[0].Text("status"));
    }

    [Fact]
    public async Task A_complaint_suppresses_the_stream_that_it_is_about()
    {
        var (_, returnPath) = await bounce.SentAsync("cross@example.jp", new() { ["stream"] = "news" });

        await bounce.SmtpAsync(Reports.Complaint(returnPath), "", "fbl@bounce.example");
        using var same = await App.PostAsync(With("news"));
        using var other = await App.PostAsync(With("transactional"));

        Assert.Equal("suppressed", (await same.JsonAsync()).Text("status"));
        Assert.Equal("queued", (await other.JsonAsync()).Text("status"));

        static JsonObject With(string stream)
        {
            var mail = TestApp.Mail("cross@example.jp");
            mail["stream"] = stream;
            return mail;
        }
    }

    [Fact]
    public async Task Without_a_valid_tag_nothing_is_suppressed()
    {
        var (id, _) = await bounce.SentAsync("untagged@example.jp");

        await bounce.PostAsync(Reports.Dsn("untagged@example.jp", messageId: (await App.GetAsync($"/v1/emails/{id}")).Text("message_id")));

        Assert.Equal("bounced", await App.Http.StatusAsync(id));
        Assert.Equal(0, await App.QueryAsync(db => db.Set<EmailApi.Suppressions.Suppression>().CountAsync(s => s.Address == "untagged@example.jp")));
    }

    [Fact]
    public async Task The_same_bounce_again_changes_nothing()
    {
        var (id, returnPath) = await bounce.SentAsync();

        for (var i = 0; i < 3; i++) await bounce.SmtpAsync(Reports.Dsn("taro@example.jp"), "", returnPath);

        Assert.Equal(["accepted", "sent", "bounced"], await App.Http.EventsAsync(id));
    }

    [Fact]
    public async Task A_forwarders_address_in_the_report_does_not_matter()
    {
        var (id, returnPath) = await bounce.SentAsync();

        await bounce.SmtpAsync(Reports.Dsn("someone.else@forwarded.example"), "", returnPath);

        Assert.Equal("bounced", await App.Http.StatusAsync(id));
    }

    [Fact]
    public async Task A_report_of_success_makes_it_delivered()
    {
        var (id, returnPath) = await bounce.SentAsync();

        await bounce.SmtpAsync(Reports.Dsn("taro@example.jp", "2.0.0", "delivered", "250 2.0.0 Ok"), "", returnPath);

        Assert.Equal("delivered", await App.Http.StatusAsync(id));
    }

    [Theory]
    [InlineData("delayed", "4.4.1", "sent")]
    [InlineData("relayed", "2.0.0", "sent")]
    [InlineData("failed", "4.2.2", "bounced")]
    [InlineData("failed", "5.2.2", "bounced")]
    public async Task What_is_not_the_last_word_changes_nothing_and_what_failed_for_now_is_a_bounce(string action, string status, string state)
    {
        var (id, returnPath) = await bounce.SentAsync();

        await bounce.SmtpAsync(Reports.Dsn("taro@example.jp", status, action, $"{status[0] switch { '2' => 250, '4' => 452, _ => 552 }} {status} So it says"), "", returnPath);

        Assert.Equal(state, await App.Http.StatusAsync(id));
    }

    [Fact]
    public async Task A_notice_of_absence_is_no_bounce()
    {
        var (id, returnPath) = await bounce.SentAsync();

        var (_, reply) = await bounce.SmtpAsync(Reports.AutoReply(returnPath), "taro@example.jp", returnPath);

        Assert.Equal("250", reply![..3]);
        Assert.Equal("sent", await App.Http.StatusAsync(id));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("taro@example.jp")]
    public async Task A_complaint_is_believed_by_the_return_path_in_it(string? recipient)
    {
        var (id, returnPath) = await bounce.SentAsync();

        await bounce.SmtpAsync(Reports.Complaint(returnPath, recipient), "fbl@mailbox.example", "fbl@bounce.example");

        Assert.Equal(["accepted", "sent", "complained"], await App.Http.EventsAsync(id));
    }

    [Fact]
    public async Task A_relay_can_call_back_with_the_raw_message()
    {
        var (id, returnPath) = await bounce.SentAsync();

        var answer = await bounce.PostAsync(Reports.Dsn("taro@example.jp", to: returnPath));

        Assert.Equal("bounce", answer.Text("kind"));
        Assert.Equal((id, "taro@example.jp"), (answer.GetProperty("matched").Text("email_id"), answer.GetProperty("matched").Text("recipient")));
        var said = Assert.Single(answer.GetProperty("recipients").EnumerateArray());
        Assert.Equal(("taro@example.jp", "permanent", "5.1.1", 550, "unknown_user"), (said.Text("email"), said.Text("type"), said.Text("status"), said.GetProperty("reply_code").GetInt32(), said.Text("reason")));
        Assert.Equal("bounced", await App.Http.StatusAsync(id));
    }

    [Fact]
    public async Task A_dry_run_reads_and_changes_nothing()
    {
        var (id, returnPath) = await bounce.SentAsync();

        var answer = await bounce.PostAsync(Reports.Dsn("taro@example.jp", to: returnPath), "?dry_run=true");

        Assert.Equal(id, answer.GetProperty("matched").Text("email_id"));
        Assert.Equal("sent", await App.Http.StatusAsync(id));
    }

    [Fact]
    public async Task Without_a_tag_the_Message_ID_and_the_address_find_it()
    {
        var (id, _) = await bounce.SentAsync(more: new() { ["to"] = new JsonArray("a@example.jp", "B@example.jp") });
        var messageId = (await App.GetAsync($"/v1/emails/{id}")).Text("message_id");

        var answer = await bounce.PostAsync(Reports.Dsn("b@EXAMPLE.jp", messageId: messageId));
        var stranger = await bounce.PostAsync(Reports.Dsn("c@example.jp", messageId: messageId));

        Assert.Equal("B@example.jp", answer.GetProperty("matched").Text("recipient"));
        Assert.Equal(JsonValueKind.Null, stranger.GetProperty("matched").ValueKind);
        Assert.Equal(["bounced", "sent"], (await App.StatesAsync(id)).Select(s => s.ToString().ToLowerInvariant()).Order());
    }

    [Fact]
    public async Task A_bounce_of_a_mail_that_was_erased_does_not_bring_its_recipient_back()
    {
        var (id, returnPath) = await bounce.SentAsync("erased-one@example.jp");
        using var erased = await App.Http.DeleteAsync($"/v1/emails/{id}");

        await bounce.SmtpAsync(Reports.Dsn("erased-one@example.jp", diagnostic: "550 5.1.1 <erased-one@example.jp> unknown"), "", returnPath);

        Assert.Equal("bounced", await App.Http.StatusAsync(id));
        Assert.Empty(await App.TablesWithAsync("erased-one@example.jp"));
    }

    [Fact]
    public async Task Another_projects_mail_is_not_found()
    {
        var (id, returnPath) = await bounce.SentAsync();
        using var other = App.WithKey(await App.AddKeyAsync("other", "manage", "read"));

        var answer = await bounce.PostAsync(Reports.Dsn("taro@example.jp", to: returnPath), client: other);

        Assert.Equal(JsonValueKind.Null, answer.GetProperty("matched").ValueKind);
        Assert.Equal("sent", await App.Http.StatusAsync(id));
    }

    [Fact]
    public async Task It_needs_the_scope_the_media_type_and_a_body()
    {
        using var sender = App.WithKey(await App.AddKeyAsync("default", "send"));

        using var forbidden = await bounce.PostRawAsync(Reports.Dsn("taro@example.jp"), client: sender);
        using var empty = await bounce.PostRawAsync("");
        using var json = await App.Http.PostTextAsync("/v1/bounces", "{}");
        using var unknown = await bounce.PostRawAsync("x", "?dryrun=true");

        Assert.Equal(HttpStatusCode.Forbidden, forbidden.StatusCode);
        Assert.Equal(HttpStatusCode.BadRequest, empty.StatusCode);
        Assert.Equal(HttpStatusCode.UnsupportedMediaType, json.StatusCode);
        Assert.Equal(HttpStatusCode.BadRequest, unknown.StatusCode);
    }

    [Fact]
    public async Task Whatever_comes_is_answered()
    {
        foreach (var junk in new[] { "\r\n", "\0\0\0", "Content-Type: multipart/report", new string('x', 100_000), "From: a\r\n\r\n" })
            Assert.Equal(JsonValueKind.Null, (await bounce.PostAsync(junk)).GetProperty("matched").ValueKind);
    }

    [Fact]
    public async Task A_relay_that_knows_of_reports_is_asked_for_them()
    {
        var (_, returnPath) = await bounce.SentAsync("dsn+x@example.jp");

        var mail = App.Relay.Commands.Last(c => c.Line.StartsWith($"MAIL FROM:<{returnPath}>", StringComparison.Ordinal)).Line;
        var rcpt = App.Relay.Commands.Last(c => c.Line.StartsWith("RCPT TO:<dsn+x@example.jp>", StringComparison.Ordinal)).Line;
        Assert.Contains($"ENVID={returnPath.Split('@')[0]}", mail, StringComparison.Ordinal);
        Assert.Contains("RET=HDRS", mail, StringComparison.Ordinal);
        Assert.Contains("NOTIFY=SUCCESS,FAILURE", rcpt, StringComparison.Ordinal);
        Assert.Contains("ORCPT=rfc822;dsn+2Bx@example.jp", rcpt, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_report_of_a_mail_that_is_still_handed_over_is_to_come_again()
    {
        var (arrived, goOn) = (new TaskCompletionSource<RelayedMail>(), new TaskCompletionSource());
        App.Relay.OnDot = mail => { arrived.TrySetResult(mail); return goOn.Task; };
        var id = await App.SendAsync("early@example.jp");
        var returnPath = (await arrived.Task.WaitAsync(TimeSpan.FromSeconds(20))).ReversePath;

        var (_, early) = await bounce.SmtpAsync(Reports.Dsn("early@example.jp"), "", returnPath);
        App.Relay.OnDot = null;
        goOn.SetResult();
        await App.Http.WaitForStatusAsync(id, "sent");
        var (_, later) = await bounce.SmtpAsync(Reports.Dsn("early@example.jp"), "", returnPath);

        Assert.Equal(("451", "250"), (early![..3], later![..3]));
        Assert.Equal("bounced", await App.Http.StatusAsync(id));
    }
}
