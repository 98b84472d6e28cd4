using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using EmailApi.Emails;
using EmailApi.Tests.Support;

namespace EmailApi.Tests.Emails;

public sealed class GetEmailTests(SharedApp shared) : IClassFixture<SharedApp>
{
    readonly TestApp app = shared.App;

    static string? Text(JsonElement json, string name) => json.GetProperty(name).GetString();

    static List<JsonElement> Data(JsonElement page) => [.. page.GetProperty("data").EnumerateArray()];

    [Fact]
    public async Task It_shows_every_recipient_with_what_the_relay_said()
    {
        app.Relay.Answer("unknown@example.net", "550 5.1.1 No such user");
        app.Relay.Answer("busy@example.org", "451 4.3.2 Try later");
        var id = await app.SendAsync(more: new()
        {
            ["to"] = new JsonArray("taro@example.jp", "unknown@example.net"),
            ["cc"] = "busy@example.org",
        });
        await app.WaitForAsync(id, RecipientState.Sent, RecipientState.Bounced, RecipientState.Deferred);

        var email = await app.GetAsync($"/v1/emails/{id}");
        var recipients = email.GetProperty("recipients").EnumerateArray().ToList();

        Assert.Equal((id, "deferred", "Shop <orders@shop.example>", "Hello", "transactional"),
            (Text(email, "id"), Text(email, "status"), Text(email, "from"), Text(email, "subject"), Text(email, "stream")));
        Assert.Equal($"<{id[3..]}@shop.example>", Text(email, "message_id"));
        Assert.Equal(JsonValueKind.Null, email.GetProperty("send_at").ValueKind);
        Assert.Empty(email.GetProperty("findings").EnumerateArray());
        Assert.Equal(
            [("taro@example.jp", "to", "sent"), ("unknown@example.net", "to", "bounced"), ("busy@example.org", "cc", "deferred")],
            recipients.Select(r => (Text(r, "email")!, Text(r, "kind")!, Text(r, "status")!)));
        Assert.Equal([$"rcpt_{id[3..]}_1", $"rcpt_{id[3..]}_2", $"rcpt_{id[3..]}_3"], recipients.Select(r => Text(r, "id")));
        Assert.All(recipients, r => Assert.Equal((1, "test"), (r.GetProperty("attempts").GetInt32(), Text(r, "relay"))));
        Assert.Equal(
            [(250, "2.0.0"), (550, "5.1.1"), (451, "4.3.2")],
            recipients.Select(r => r.GetProperty("last_reply")).Select(r => (r.GetProperty("code").GetInt32(), Text(r, "enhanced")!)));
        Assert.Equal([JsonValueKind.Null, JsonValueKind.Null, JsonValueKind.String], recipients.Select(r => r.GetProperty("due_at").ValueKind));
    }

    [Fact]
    public async Task The_timeline_and_the_attempts_tell_what_happened_page_by_page()
    {
        app.Relay.Answer("slow@example.org", "451 4.3.2 Try later", times: 2);
        var id = await app.SendAsync(to: "slow@example.org", more: new() { ["cc"] = "taro@example.jp" });
        await app.WaitForAsync(id, RecipientState.Sent, RecipientState.Deferred);
        await app.RunDueAsync();
        await app.RunDueAsync();
        await app.WaitForAsync(id, RecipientState.Sent);

        var events = await PagesAsync($"/v1/emails/{id}/events", limit: 2);
        var attempts = await PagesAsync($"/v1/emails/{id}/attempts", limit: 1);

        Assert.Equal(
            [(1, "email.accepted"), (2, "email.deferred"), (3, "email.deferred"), (4, "email.sent")],
            events.Where(e => Text(e, "recipient") == "slow@example.org").Select(e => (e.GetProperty("sequence").GetInt32(), Text(e, "type")!)));
        Assert.Equal(["email.accepted", "email.sent"], events.Where(e => Text(e, "recipient") == "taro@example.jp").Select(e => Text(e, "type")));
        Assert.Equal(events.Count, events.Select(e => Text(e, "id")).Distinct().Count());
        Assert.All(events, e => Assert.Equal(id, Text(e, "email_id")));
        Assert.Equal(events.Select(e => e.GetProperty("at").GetDateTimeOffset()).Order(), events.Select(e => e.GetProperty("at").GetDateTimeOffset()));
        Assert.Equal(
            [("slow@example.org", "deferred", 451), ("slow@example.org", "deferred", 451), ("slow@example.org", "sent", 250), ("taro@example.jp", "sent", 250)],
            attempts.Select(a => (Text(a, "recipient")!, Text(a, "outcome")!, a.GetProperty("reply").GetProperty("code").GetInt32())));
        Assert.All(attempts, a => Assert.True(a.GetProperty("started_at").GetDateTimeOffset() <= a.GetProperty("ended_at").GetDateTimeOffset()));
        Assert.All(attempts, a => Assert.Equal("test", Text(a, "relay")));
    }

    async Task<List<JsonElement>> PagesAsync(string path, int limit)
    {
        var all = new List<JsonElement>();
        string? cursor = null;
        do
        {
            var page = await app.GetAsync($"{path}?limit={limit}&after={cursor}");
            Assert.InRange(Data(page).Count, 1, limit);
            all.AddRange(Data(page));
            cursor = Text(page, "next_cursor");
        }
        while (cursor is not null);
        return all;
    }

    [Fact]
    public async Task The_content_comes_back_as_asked_and_the_raw_message_as_it_left()
    {
        byte[] file = [0, 1, 2, 255];
        var id = await app.SendAsync(more: new()
        {
            ["to"] = new JsonArray(new JsonObject { ["email"] = "taro@例え.jp", ["name"] = "山田" }),
            ["cc"] = "hanako@example.jp",
            ["bcc"] = "boss@example.jp",
            ["reply_to"] = "help@shop.example",
            ["html"] = "<p>Hi</p>",
            ["headers"] = new JsonObject { ["X-Order"] = "4711" },
            ["attachments"] = new JsonArray(new JsonObject { ["filename"] = "a.bin", ["content"] = Convert.ToBase64String(file), ["content_id"] = "a" }),
        });
        var relayed = Assert.Single(await app.RelayedAsync(id));

        var content = await app.GetAsync($"/v1/emails/{id}/content");
        using var raw = await app.Http.GetAsync($"/v1/emails/{id}/raw");

        Assert.Equal(("Shop", "orders@shop.example"), (Text(content.GetProperty("from"), "name"), Text(content.GetProperty("from"), "email")));
        Assert.Equal(("山田", "taro@例え.jp"), (Text(content.GetProperty("to")[0], "name"), Text(content.GetProperty("to")[0], "email")));
        Assert.Equal("hanako@example.jp", Text(content.GetProperty("cc")[0], "email"));
        Assert.Equal("help@shop.example", Text(content.GetProperty("reply_to")[0], "email"));
        Assert.Equal(("Hello", "<p>Hi</p>", "It works."), (Text(content, "subject"), Text(content, "html"), Text(content, "text")));
        Assert.Equal("4711", Text(content.GetProperty("headers"), "X-Order"));
        var attachment = content.GetProperty("attachments")[0];
        Assert.Equal(("a.bin", "application/octet-stream", "a", 4), (Text(attachment, "filename"), Text(attachment, "content_type"), Text(attachment, "content_id"), attachment.GetProperty("size_bytes").GetInt32()));
        Assert.Equal(file, attachment.GetProperty("content").GetBytesFromBase64());
        Assert.DoesNotContain("boss", content.GetRawText(), StringComparison.Ordinal);
        Assert.Equal("message/rfc822", raw.Content.Headers.ContentType?.MediaType);
        Assert.Equal($"{id}.eml", raw.Content.Headers.ContentDisposition?.FileName);
        Assert.Equal("nosniff", Assert.Single(raw.Headers.GetValues("X-Content-Type-Options")));
        Assert.Equal(relayed.Data, await raw.Content.ReadAsByteArrayAsync());
    }

    [Fact]
    public async Task Another_projects_mail_is_not_there()
    {
        using var other = app.WithKey(await app.AddKeyAsync("other-reader", "send", "read", "manage"));
        var id = await app.SendAsync();
        await app.WaitForAsync(id, RecipientState.Sent);

        foreach (var path in new[] { "", "/events", "/attempts", "/content", "/raw" })
        {
            using var answer = await other.GetAsync($"/v1/emails/{id}{path}");
            Assert.Equal((404, "not_found"), await StatusAsync(answer));
        }

        using var events = await other.GetAsync("/v1/events?limit=100");
        Assert.Empty(Data(await events.JsonAsync()));
        using var ledger = await other.GetAsync("/v1/ledger");
        Assert.Equal(0, (await ledger.JsonAsync()).GetProperty("accepted").GetInt32());
    }

    static async Task<(int, string)> StatusAsync(HttpResponseMessage answer)
    {
        var problem = await ProblemDocument.ReadAsync(answer);
        return (problem.Status, problem.Code);
    }

    [Theory]
    [InlineData("em_")]
    [InlineData("em_xyz")]
    [InlineData("em_00000000000000000000000000000000")]
    [InlineData("em_0199B1A2000070008000000000000000")]
    [InlineData("em_0199b1a2-0000-7000-8000-000000000000")]
    [InlineData("0199b1a2000070008000000000000000")]
    [InlineData("rcpt_0199b1a2000070008000000000000000")]
    [InlineData("em_0199b1a2000070008000000000000000'--")]
    public async Task A_malformed_or_unknown_id_is_404(string id)
    {
        foreach (var path in new[] { "", "/events", "/attempts", "/content", "/raw" })
        {
            using var answer = await app.Http.GetAsync($"/v1/emails/{id}{path}");
            Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);
            await ProblemDocument.ReadAsync(answer);
        }
    }
}
