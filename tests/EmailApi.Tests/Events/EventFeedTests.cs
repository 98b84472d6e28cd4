using System.Text.Json;
using System.Text.Json.Nodes;
using EmailApi.Emails;
using EmailApi.Tests.Support;
using Microsoft.EntityFrameworkCore;
using Npgsql;

namespace EmailApi.Tests.Events;

public sealed class EventFeedTests
{
    static string Id(JsonElement json) => json.GetProperty("id").GetString()!;

    /// <summary>Reads on from a cursor until a page is empty.</summary>
    static async Task<string?> ReadOnAsync(TestApp app, string? cursor, List<JsonElement> seen, string more = "", int limit = 7)
    {
        while (true)
        {
            var page = await app.GetAsync($"/v1/events?limit={limit}&after={cursor}{more}");
            cursor = page.GetProperty("next_cursor").GetString();
            var data = page.GetProperty("data").EnumerateArray().ToList();
            Assert.InRange(data.Count, 0, limit);
            if (data.Count == 0) return cursor;
            seen.AddRange(data);
        }
    }

    /// <summary>Reads until it has seen so many: what was committed shows once no older transaction is open, of any database of the server.</summary>
    static async Task<string?> ReadUntilAsync(TestApp app, int count, string? cursor, List<JsonElement> seen, string more = "", int limit = 7)
    {
        using var late = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        while (seen.Count < count)
        {
            cursor = await ReadOnAsync(app, cursor, seen, more, limit);
            await Task.Delay(10, late.Token);
        }

        return cursor;
    }

    static Task<List<string>> StoredAsync(TestApp app) => app.QueryAsync(async db =>
        (await db.Events.OrderBy(e => e.Transaction).ThenBy(e => e.Ordinal).ToListAsync()).ConvertAll(e => EmailId.OfEvent(e.EmailId, e.N, e.Sequence)));

    [Fact]
    public async Task A_type_that_there_is_not_is_400()
    {
        await using var app = await TestApp.StartAsync();

        using var answer = await app.Http.GetAsync("/v1/events?types=email.sent,sent");
        var problem = await ProblemDocument.ReadAsync(answer);

        Assert.Equal((400, "bad_request"), (problem.Status, problem.Code));
        Assert.StartsWith("There is no event type sent;", problem.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_reader_can_wait_for_what_is_new()
    {
        await using var app = await TestApp.StartAsync();
        await app.Http.WaitForStatusAsync(await app.SendAsync(), "sent");
        var cursor = await ReadUntilAsync(app, 2, null, []);

        var waiting = app.GetAsync($"/v1/events?after={cursor}&wait=20");
        await Task.Delay(300);
        var id = await app.SendAsync();
        var page = await waiting;
        var none = await app.GetAsync($"/v1/events?after={page.GetProperty("next_cursor").GetString()}&types=email.complained&wait=1");
        using var tooLong = await app.Http.GetAsync("/v1/events?wait=31");

        Assert.Equal(id, page.GetProperty("data")[0].Text("email_id"));
        Assert.Empty(none.GetProperty("data").EnumerateArray());
        Assert.NotNull(none.GetProperty("next_cursor").GetString());
        Assert.Equal(System.Net.HttpStatusCode.BadRequest, tooLong.StatusCode);
    }

    [Fact]
    public async Task A_reader_beside_eight_writers_sees_every_event_once_and_in_order()
    {
        await using var app = await TestApp.StartAsync();
        var writers = Task.WhenAll(Enumerable.Range(0, 8).Select(async _ =>
        {
            for (var i = 0; i < 15; i++) await app.SendAsync(more: new() { ["cc"] = "hanako@example.jp" });
        }));

        var seen = new List<JsonElement>();
        string? cursor = null;
        while (!writers.IsCompleted) cursor = await ReadOnAsync(app, cursor, seen);
        await writers;
        await app.RunDueAsync();
        await app.UntilAsync(async db => await db.Events.CountAsync() == 8 * 15 * 2 * 2);
        await ReadUntilAsync(app, 8 * 15 * 2 * 2, cursor, seen);

        Assert.Equal(await StoredAsync(app), seen.Select(Id));
        Assert.All(seen.GroupBy(e => (e.GetProperty("email_id").GetString(), e.GetProperty("recipient").GetString())), recipient =>
            Assert.Equal([(1, "email.accepted"), (2, "email.sent")], recipient.Select(e => (e.GetProperty("sequence").GetInt32(), e.GetProperty("type").GetString()!))));
    }

    [Fact]
    public async Task What_an_open_transaction_wrote_is_not_skipped_when_it_commits_last()
    {
        await using var app = await TestApp.StartAsync();
        var first = await app.SendAsync();
        await app.WaitForAsync(first, RecipientState.Sent);
        var seen = new List<JsonElement>();
        var cursor = await ReadUntilAsync(app, 2, null, seen);

        await using var connection = await app.ConnectAsync();
        await using var open = await connection.BeginTransactionAsync();
        await using (var insert = new NpgsqlCommand("insert into events (email_id, n, sequence, project_id, type) select id, 1, 99, project_id, 'email.opened' from emails", connection, open))
            Assert.Equal(1, await insert.ExecuteNonQueryAsync());
        var second = await app.SendAsync();
        await app.WaitForAsync(second, RecipientState.Sent);
        var before = seen.Count;
        cursor = await ReadOnAsync(app, cursor, seen);
        var whileOpen = seen.Count - before;
        await open.CommitAsync();
        await ReadUntilAsync(app, 5, cursor, seen);

        Assert.Equal(0, whileOpen);
        Assert.Equal(await StoredAsync(app), seen.Select(Id));
        Assert.Contains(seen, e => e.GetProperty("type").GetString() == "email.opened");
    }

    [Fact]
    public async Task An_event_tells_what_its_mail_carries_and_what_the_relay_said()
    {
        await using var app = await TestApp.StartAsync();
        app.Relay.Answer("unknown@example.net", "550 5.1.1 No such user");
        var id = await app.SendAsync(to: "unknown@example.net", more: new() { ["tags"] = new JsonObject { ["order"] = "4711" }, ["metadata"] = new JsonObject { ["n"] = 1 } });
        await app.WaitForAsync(id, RecipientState.Bounced);

        var seen = new List<JsonElement>();
        await ReadUntilAsync(app, 2, null, seen);
        var bounced = Assert.Single(seen, e => e.GetProperty("type").GetString() == "email.bounced");

        Assert.Equal(
            (id, "unknown@example.net", 2, "transactional", "test"),
            (bounced.GetProperty("email_id").GetString(), bounced.GetProperty("recipient").GetString(), bounced.GetProperty("sequence").GetInt32(), bounced.GetProperty("stream").GetString(), bounced.GetProperty("relay").GetString()));
        Assert.Equal("""{"order":"4711"}""", bounced.GetProperty("tags").GetRawText().Replace(" ", "", StringComparison.Ordinal));
        Assert.Equal("""{"n":1}""", bounced.GetProperty("metadata").GetRawText());
        Assert.Equal((550, "5.1.1"), (bounced.GetProperty("reply").GetProperty("code").GetInt32(), bounced.GetProperty("reply").GetProperty("enhanced").GetString()));
        Assert.Equal($"ev_{id[3..]}_1_2", Id(bounced));
    }

    [Fact]
    public async Task Types_filter_the_feed_and_the_cursor_stays_at_the_end()
    {
        await using var app = await TestApp.StartAsync();
        app.Relay.Answer("unknown@example.net", "550 5.1.1 No such user");
        foreach (var to in new[] { "taro@example.jp", "unknown@example.net", "hanako@example.jp" }) await app.SendAsync(to);
        await app.RunDueAsync();

        var sent = new List<JsonElement>();
        await ReadUntilAsync(app, 2, null, sent, "&types=email.sent", limit: 1);
        var cursor = await ReadUntilAsync(app, 6, null, []);
        var ends = new List<JsonElement>();
        await ReadUntilAsync(app, 3, null, ends, "&types=email.bounced,%20email.sent");
        var none = await app.GetAsync("/v1/events?types=email.opened");
        var end = await app.GetAsync($"/v1/events?types=email.sent&after={cursor}");

        Assert.Equal(["email.sent", "email.sent"], sent.Select(e => e.GetProperty("type").GetString()));
        Assert.Equal(["email.bounced", "email.sent", "email.sent"], ends.Select(e => e.GetProperty("type").GetString()).Order());
        Assert.Empty(none.GetProperty("data").EnumerateArray());
        Assert.Equal((cursor, cursor), (none.GetProperty("next_cursor").GetString(), end.GetProperty("next_cursor").GetString()));   // behind what it passed over
    }

    [Fact]
    public async Task A_few_among_many_others_are_found_at_once()
    {
        await using var app = await TestApp.StartAsync();
        await app.WaitForAsync(await app.SendAsync(), RecipientState.Sent);
        await app.ExecuteAsync("""
            insert into events (email_id, n, sequence, project_id, type)
            select id, 1, 100 + i, project_id, case when i in (1, 6000, 11999, 12000) then 'email.clicked' else 'email.opened' end from emails, generate_series(1, 12000) i order by i
            """);
        await ReadUntilAsync(app, 4, null, [], "&types=email.clicked");

        var seen = new List<JsonElement>();
        await ReadOnAsync(app, null, seen, "&types=email.clicked", limit: 1);   // each page has one

        Assert.Equal([101, 6100, 12099, 12100], seen.Select(e => e.GetProperty("sequence").GetInt32()));
    }
}
