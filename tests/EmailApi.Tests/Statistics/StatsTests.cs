using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using EmailApi.Emails;
using EmailApi.Statistics;
using EmailApi.Tests.Support;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace EmailApi.Tests.Statistics;

public sealed class StatsTests : IAsyncLifetime
{
    TestApp app = null!;

    static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => app = await TestApp.StartAsync();

    public ValueTask DisposeAsync() => app.DisposeAsync();

    async Task<JsonElement> StatsAsync(string query = "")
    {
        await CountedAsync();
        return await app.GetAsync($"/v1/stats{query}");
    }

    /// <summary>A transaction in any database of the cluster keeps back what was written since, and other tests make databases.</summary>
    Task CountedAsync() => Eventually.IsAsync(async () =>
    {
        await app.Services.GetRequiredService<RollUp>().CountAllAsync(Cancel);
        return await app.QueryAsync(db => db.Database.SqlQuery<bool>($"""
            select not exists (select from events e left join stat_cursors c on c.project_id = e.project_id
                where (e.transaction, e.ordinal) > (coalesce(c.transaction, '0'), coalesce(c.ordinal, 0))) as "Value"
            """).SingleAsync(Cancel));
    }, TimeSpan.FromSeconds(60));

    static long Count(JsonElement numbers, string measure) => numbers.GetProperty("counts").GetProperty(measure).GetInt64();

    static JsonElement Point(JsonElement stats, string value) => stats.GetProperty("data").EnumerateArray().Single(p => p.Text("value") == value);

    async Task SendSomeAsync()
    {
        app.Relay.Answer("no@gone.example", "550 5.7.1 refused");
        app.Relay.Answer("busy@example.net", "451 4.3.2 later");
        var sent = new[]
        {
            await app.SendAsync("taro@Example.JP", new() { ["tags"] = new JsonObject { ["campaign"] = "spring" } }),
            await app.SendAsync("hanako@example.jp", new() { ["tags"] = new JsonObject { ["campaign"] = "autumn", ["lang"] = "ja" } }),
        };
        var refused = await app.SendAsync("no@gone.example");
        var late = await app.SendAsync("busy@example.net");
        foreach (var id in sent) await app.WaitForAsync(id, RecipientState.Sent);
        await app.WaitForAsync(refused, RecipientState.Bounced);
        await app.WaitForAsync(late, RecipientState.Deferred);
    }

    [Fact]
    public async Task What_has_happened_is_in_the_answer_at_once_by_everything_that_can_be_asked()
    {
        await SendSomeAsync();

        var (all, streams, domains, tags, relays) = (await StatsAsync(), await StatsAsync("?by=stream"), await StatsAsync("?by=domain"), await StatsAsync("?by=tag"), await StatsAsync("?by=relay"));

        Assert.Equal([4, 2, 1, 1, 0], new[] { "accepted", "sent", "bounced", "deferred", "opened" }.Select(m => Count(all.GetProperty("total"), m)));
        Assert.Equal("day", all.Text("interval"));
        Assert.Equal(4, Count(Point(streams, "transactional"), "accepted"));
        Assert.Equal([2, 1, 1], new[] { "example.jp", "gone.example", "example.net" }.Select(d => Count(Point(domains, d), "accepted")));
        Assert.Equal([1, 1, 1], new[] { "campaign:spring", "campaign:autumn", "lang:ja" }.Select(t => Count(Point(tags, t), "sent")));
        Assert.Equal([2, 1, 1], new[] { "sent", "bounced", "deferred" }.Select(m => Count(Point(relays, "test"), m)));
        Assert.Equal(0.25, all.GetProperty("total").GetProperty("rates").GetProperty("deferral").GetDouble());   // of four tries
        Assert.Equal(0.3333, all.GetProperty("total").GetProperty("rates").GetProperty("bounce").GetDouble());   // of three that a relay decided on
        Assert.InRange(all.GetProperty("total").GetProperty("time_to_relay").GetProperty("p99").GetDouble(), 1, 60_000);
    }

    [Fact]
    public async Task The_total_has_the_values_that_are_not_shown_and_a_relay_that_only_refused_is_shown()
    {
        app.Relay.Answer("no@gone.example", "550 5.7.1 refused");
        await app.WaitForAsync(await app.SendAsync("no@gone.example"), RecipientState.Bounced);
        var relays = await StatsAsync("?by=relay");
        await app.WaitForAsync(await app.SendAsync("taro@example.jp"), RecipientState.Sent);
        await app.WaitForAsync(await app.SendAsync("jiro@example.jp"), RecipientState.Sent);

        var domains = await StatsAsync("?by=domain&limit=1&interval=hour&time_zone=Asia/Kolkata");

        Assert.Equal((1, 0), (Count(Point(relays, "test"), "bounced"), Count(Point(relays, "test"), "sent")));
        Assert.Equal(2, domains.GetProperty("data").EnumerateArray().Sum(p => Count(p, "accepted")));
        Assert.All(domains.GetProperty("data").EnumerateArray(), p => Assert.Equal(("example.jp", 0), (p.Text("value"), p.GetProperty("at").GetDateTimeOffset().UtcDateTime.Minute)));
        Assert.True(domains.GetProperty("truncated").GetBoolean());
        Assert.Equal((3, 1), (Count(domains.GetProperty("total"), "accepted"), Count(domains.GetProperty("total"), "bounced")));
        Assert.Equal(0, (await StatsAsync("?by=domain&value=")).GetProperty("data").GetArrayLength());   // all together are no value
    }

    [Fact]
    public async Task Counting_again_and_on_two_nodes_at_once_counts_nothing_twice()
    {
        await using var other = await app.StartNodeAsync();
        await SendSomeAsync();

        await Task.WhenAll(Enumerable.Range(0, 20).Select(i => (i % 2 == 0 ? app : other).GetAsync("/v1/stats")));
        await CountedAsync();
        var stored = await app.QueryAsync(db => db.Stats.Where(s => s.By == "time" && s.Span == "day" && s.Measure != "time_to_relay").SumAsync(s => s.Count));

        Assert.Equal(await app.QueryAsync(db => db.Events.CountAsync()), stored);   // none of them is of two measures
        Assert.Equal(4, Count((await StatsAsync()).GetProperty("total"), "accepted"));
    }

    [Fact]
    public async Task A_late_bounce_counts_when_it_came_and_against_what_was_sent()
    {
        var id = await app.SendAsync();
        await app.WaitForAsync(id, RecipientState.Sent);
        await app.ExecuteAsync("update emails set created_at = created_at - interval '3 days'");
        await StatsAsync();

        await app.ExecuteAsync("insert into events (email_id, n, sequence, project_id, type) select email_id, n, 3, project_id, 'email.bounced' from recipients");
        var stats = await StatsAsync("?interval=hour");

        var total = stats.GetProperty("total");
        Assert.Equal((1, 1, 1), (Count(total, "sent"), Count(total, "bounced"), Count(total, "bounced_late")));
        Assert.Equal(1, total.GetProperty("rates").GetProperty("bounce").GetDouble());
    }

    [Fact]
    public async Task Opens_are_told_apart_by_who_or_what_did_it()
    {
        var id = await app.SendAsync();
        await app.WaitForAsync(id, RecipientState.Sent);
        await app.ExecuteAsync("""
            insert into events (email_id, n, sequence, project_id, type, data)
            select r.email_id, r.n, o.sequence, r.project_id, 'email.opened', jsonb_build_object('first', o.first, 'class', o.class)
            from recipients r cross join (values (3, true, 'proxy'), (4, false, 'human'), (5, false, 'human')) o(sequence, first, class)
            """);

        var total = (await StatsAsync()).GetProperty("total");

        Assert.Equal([3, 1, 2, 1], new[] { "opened", "opened_first", "opened_human", "opened_human_first" }.Select(m => Count(total, m)));
        Assert.Equal((1d, 1d), (total.GetProperty("rates").GetProperty("open").GetDouble(), total.GetProperty("rates").GetProperty("human_open").GetDouble()));
    }

    [Fact]
    public async Task A_tag_that_is_different_in_each_mail_makes_no_row_for_each()
    {
        var mails = Enumerable.Range(0, RollUp.MaxTags + 20).Select(i =>
        {
            var mail = TestApp.Mail();
            mail["tags"] = new JsonObject { ["order"] = i.ToString(System.Globalization.CultureInfo.InvariantCulture) };
            return mail;
        });
        using (await app.PostAsync(new JsonArray([.. mails]), "/v1/emails/batch")) { }

        var stats = await StatsAsync("?by=tag&limit=1000&interval=day");

        Assert.Equal(RollUp.MaxTags + 1, stats.GetProperty("data").GetArrayLength());
        Assert.Equal(20, Count(Point(stats, RollUp.OtherTags), "accepted"));
        Assert.Equal(RollUp.MaxTags + 20, Count(stats.GetProperty("total"), "accepted"));
    }

    [Fact]
    public async Task A_recipient_with_very_many_events_holds_nothing_up()
    {
        await app.WaitForAsync(await app.SendAsync(), RecipientState.Sent);
        await app.ExecuteAsync("""
            insert into events (email_id, n, sequence, project_id, type, data)
            select id, 1, 100 + i, project_id, 'email.opened', jsonb_build_object('first', false, 'class', 'proxy') from emails, generate_series(1, 30000) i order by i
            """);

        // Within its time a look goes through all of the earlier ones for none.
        await Eventually.IsAsync(async () => Count((await app.GetAsync("/v1/stats")).GetProperty("total"), "opened") == 30_000, TimeSpan.FromSeconds(40));

        Assert.Equal(0, Count((await app.GetAsync("/v1/stats")).GetProperty("total"), "opened_human_first"));
    }

    [Fact]
    public async Task A_tag_that_holds_an_address_is_counted_with_the_others()
    {
        await app.SendAsync(more: new() { ["tags"] = new JsonObject { ["customer"] = "taro@example.jp", ["order"] = "4711" } });

        var stats = await StatsAsync("?by=tag");

        Assert.Equal(1, Count(Point(stats, RollUp.OtherTags), "accepted"));
        Assert.Equal(1, Count(Point(stats, "order:4711"), "accepted"));
        Assert.Equal(0, await app.QueryAsync(db => db.Set<Stat>().CountAsync(s => EF.Functions.Like(s.Value, "%@%"))));
    }

    [Fact]
    public async Task Another_projects_and_test_keys_mail_is_not_counted()
    {
        await app.SendAsync();
        using var tenant = app.WithKey(await app.AddKeyAsync("tenant", "send", "read"));
        using (await tenant.PostTextAsync("/v1/emails", Json.Mail())) { }
        using var made = await app.PostAsync(new JsonObject { ["name"] = "t", ["scopes"] = new JsonArray("send"), ["mode"] = "test" }, "/v1/keys");
        using var tester = app.WithKey((await made.JsonAsync()).Text("key"));
        using var tested = await tester.PostTextAsync("/v1/emails", Json.Mail());

        await CountedAsync();
        var seen = await tenant.GetStringAsync("/v1/stats", Cancel);

        Assert.Equal(HttpStatusCode.Accepted, tested.StatusCode);
        Assert.Equal(1, Count((await StatsAsync()).GetProperty("total"), "accepted"));
        Assert.Equal(1, Count(JsonDocument.Parse(seen).RootElement.GetProperty("total"), "accepted"));
    }

    [Fact]
    public async Task The_oldest_waiting_mails_age_is_told()
    {
        await using var waiting = await TestApp.StartAsync("--EmailApi:Role=api");
        await waiting.SendAsync();
        await waiting.ExecuteAsync("update queue set due_at = now() - interval '90 seconds'");

        var age = (await waiting.GetAsync("/v1/stats")).GetProperty("oldest_waiting_seconds").GetDouble();

        Assert.InRange(age, 90, 150);
        Assert.Equal(JsonValueKind.Null, (await StatsAsync()).GetProperty("oldest_waiting_seconds").ValueKind);
    }

    [Theory]
    [InlineData("from=2026-12-02T00:00:00Z&to=2026-12-01T00:00:00Z", "from must lie before to")]
    [InlineData("from=yesterday", "RFC 3339")]
    [InlineData("interval=week", "interval is hour, day or month")]
    [InlineData("by=colour", "by is time, stream, domain, tag or relay")]
    [InlineData("time_zone=Tokio", "such as Asia/Tokyo")]
    [InlineData("limit=0", "1 to 1,000")]
    [InlineData("value=x", "give by=stream")]
    [InlineData("interval=hour&from=2020-01-01T00:00:00Z&to=2026-01-01T00:00:00Z", "2,400 points")]
    [InlineData("group=stream", "There is no parameter group here")]
    public async Task A_wrong_question_is_400_and_says_what_is_right(string query, string sentence)
    {
        using var answer = await app.Http.GetAsync($"/v1/stats?{query}", Cancel);

        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Contains(sentence, await answer.Content.ReadAsStringAsync(Cancel), StringComparison.Ordinal);
    }
}
