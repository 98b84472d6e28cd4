using System.Net;
using System.Text.Json.Nodes;
using EmailApi.Emails;
using EmailApi.Tests.Support;
using Microsoft.EntityFrameworkCore;
using Npgsql;

namespace EmailApi.Tests.Operations;

/// <summary>What streams keep no longer goes, and nothing else.</summary>
public sealed class RetentionTests : IAsyncLifetime
{
    TestApp app = null!;

    static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => app = await TestApp.StartAsync();

    public ValueTask DisposeAsync() => app.DisposeAsync();

    async Task KeepAsync(string? content, string? metadata, string? events, string stream = "transactional") => await app.QueryAsync(db => db.Database.ExecuteSqlAsync($"""
        insert into streams (project_id, name, priority, life, in_doubt) values (1, {stream}, 100, interval '48 hours', 'retry') on conflict do nothing;
        update streams set keep_content = {content}::interval, keep_metadata = {metadata}::interval, keep_events = {events}::interval where project_id = 1 and name = {stream}
        """, Cancel));

    async Task<HttpStatusCode> StatusAsync(string id)
    {
        using var answer = await app.Http.GetAsync($"/v1/emails/{id}", Cancel);
        return answer.StatusCode;
    }

    Task<string[]> WeeksAsync() => app.QueryAsync(db => db.Database.SqlQuery<string>($"""
        select c.relname::text as "Value" from pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent in ('emails'::regclass, 'recipients'::regclass, 'events'::regclass, 'attempts'::regclass, 'contents'::regclass, 'blob_uses'::regclass)
        """).ToArrayAsync(Cancel));

    /// <summary>Rows of mail of which another table has no row.</summary>
    Task<int> HalvesAsync() => app.QueryAsync(db => db.Database.SqlQuery<int>($"""
        select count(*)::int as "Value" from (select id from emails union select email_id from recipients union select email_id from events) m
        where not exists (select from emails e where e.id = m.id) or not exists (select from recipients r where r.email_id = m.id) or not exists (select from events v where v.email_id = m.id)
        """).SingleAsync(Cancel));

    async Task AssertBalancedAsync(int accepted)
    {
        var ledger = await app.GetAsync("/v1/ledger?from=2000-01-01T00:00:00Z");
        Assert.True(ledger.GetProperty("balanced").GetBoolean(), ledger.GetRawText());
        Assert.Equal(accepted, ledger.GetProperty("accepted").GetInt32());
    }

    [Fact]
    public async Task A_new_stream_keeps_content_30_days_and_the_rest_90()
    {
        await app.PostAsync(new JsonObject { ["name"] = "invoice" }, "/v1/streams");

        foreach (var stream in new[] { "invoice", "transactional" })
            Assert.Equal("""{"content":"P30D","metadata":"P90D","events":"P90D"}""", (await app.GetAsync($"/v1/streams/{stream}")).GetProperty("retention").GetRawText());
    }

    [Fact]
    public async Task Content_goes_after_its_time_and_the_mail_stays()
    {
        await KeepAsync("30 days", null, null);
        var old = (await app.AddAsync(OldMail.Ago(31)))[0];
        var young = (await app.AddAsync(OldMail.Ago(29)))[0];
        var open = (await app.AddAsync(OldMail.Ago(40), isOpen: true))[0];

        await app.RunRetentionAsync(Cancel);

        foreach (var part in new[] { "content", "raw" })
        {
            using var gone = await app.Http.GetAsync($"/v1/emails/{old}/{part}", Cancel);
            Assert.Equal((409, "content_gone"), await ProblemAsync(gone));
            foreach (var kept in new[] { young, open }) Assert.Equal(HttpStatusCode.OK, (await app.Http.GetAsync($"/v1/emails/{kept}/{part}", Cancel)).StatusCode);
        }

        using var retry = await app.Http.PostAsync($"/v1/emails/{old}/retry", null, Cancel);
        Assert.Equal((409, "content_gone"), await ProblemAsync(retry));
        Assert.Equal("bounced", (await app.GetAsync($"/v1/emails/{old}")).GetProperty("status").GetString());
        Assert.Equal(2, (await app.GetAsync($"/v1/emails/{old}/events")).GetProperty("data").GetArrayLength());
        Assert.Equal(2, await app.QueryAsync(db => db.Set<BlobUse>().CountAsync(Cancel)));
        await AssertBalancedAsync(3);
    }

    static async Task<(int, string)> ProblemAsync(HttpResponseMessage answer)
    {
        var problem = await ProblemDocument.ReadAsync(answer);
        return (problem.Status, problem.Code);
    }

    [Fact]
    public async Task Its_time_counts_from_the_end_of_the_last_recipient()
    {
        await KeepAsync("30 days", "60 days", null);
        var id = (await app.AddAsync(OldMail.Ago(100)))[0];
        await app.ExecuteAsync("""
            insert into recipients (email_id, n, project_id, address, kind, state, attempts, sequence, final_at)
            select email_id, 2, project_id, 'hanako@example.jp', kind, 'bounced', 1, 2, now() - interval '29 days' from recipients;
            insert into events (email_id, n, sequence, project_id, type) select email_id, 2, 1, project_id, 'email.accepted' from recipients where n = 2
            """);

        await app.RunRetentionAsync(Cancel);

        Assert.Equal("t", (await app.GetAsync($"/v1/emails/{id}/content")).GetProperty("text").GetString());
        await AssertBalancedAsync(2);
    }

    [Fact]
    public async Task A_week_of_which_no_stream_keeps_anything_is_dropped()
    {
        await KeepAsync("30 days", "60 days", "60 days");
        await KeepAsync("1 day", "7 days", "1 day", "otp");
        var old = await app.AddAsync(OldMail.Ago(80), count: 3);
        var oldOtp = await app.AddAsync(OldMail.Ago(81), "otp");
        var young = await app.AddAsync(OldMail.Ago(50));
        var weeks = await WeeksAsync();

        await app.RunRetentionAsync(Cancel);

        foreach (var id in old.Concat(oldOtp)) Assert.Equal(HttpStatusCode.NotFound, await StatusAsync(id));
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(young[0]));
        var left = await WeeksAsync();
        Assert.All(left.GroupBy(w => w[^8..]), week => Assert.Equal(6, week.Count()));   // in all tables or in none
        Assert.True(left.Length < weeks.Length);
        await AssertBalancedAsync(1);
        await app.WaitForAsync(await app.SendAsync(), RecipientState.Sent);
    }

    [Fact]
    public async Task A_week_with_an_open_recipient_stays_and_only_that_mail_in_it()
    {
        await KeepAsync(null, "60 days", null);
        var open = await app.AddAsync(OldMail.Ago(80), isOpen: true);
        var done = await app.AddAsync(OldMail.Ago(80).AddSeconds(1), count: 2);

        await app.RunRetentionAsync(Cancel);

        Assert.Equal("scheduled", (await app.GetAsync($"/v1/emails/{open[0]}")).GetProperty("status").GetString());
        foreach (var id in done) Assert.Equal(HttpStatusCode.NotFound, await StatusAsync(id));
        Assert.Equal(0, await HalvesAsync());
        await AssertBalancedAsync(1);
    }

    [Fact]
    public async Task A_recipient_that_is_open_without_a_row_in_the_queue_stays_too()
    {
        await KeepAsync(null, "60 days", null);
        var open = await app.AddAsync(OldMail.Ago(80), isOpen: true);
        await app.ExecuteAsync("delete from queue");

        await app.RunRetentionAsync(Cancel);

        Assert.Equal(HttpStatusCode.OK, await StatusAsync(open[0]));
    }

    [Fact]
    public async Task A_stream_that_keeps_less_than_another_is_kept_to_the_hour()
    {
        await KeepAsync(null, null, null);
        await KeepAsync(null, "2 days", null, "otp");
        var at = OldMail.Ago(3);
        var stays = await app.AddAsync(at);
        var goes = await app.AddAsync(at, "otp", count: 1100);
        var young = await app.AddAsync(OldMail.Ago(1), "otp");

        await app.RunRetentionAsync(Cancel);

        Assert.Equal([HttpStatusCode.OK, HttpStatusCode.NotFound, HttpStatusCode.OK], [await StatusAsync(stays[0]), await StatusAsync(goes[1099]), await StatusAsync(young[0])]);
        Assert.Equal(0, await HalvesAsync());
        await AssertBalancedAsync(2);
    }

    [Fact]
    public async Task Mail_of_a_removed_stream_is_kept_as_transactional_is()
    {
        await KeepAsync(null, "10 days", null);
        var id = (await app.AddAsync(OldMail.Ago(11), "gone"))[0];

        await app.RunRetentionAsync(Cancel);

        Assert.Equal(HttpStatusCode.NotFound, await StatusAsync(id));
    }

    [Fact]
    public async Task Events_and_attempts_go_after_their_time_and_feed_and_ledger_go_on()
    {
        await KeepAsync(null, null, "10 days");
        var id = (await app.AddAsync(OldMail.Ago(11)))[0];
        await app.UntilAsync(async _ => (await app.GetAsync("/v1/events")).GetProperty("data").GetArrayLength() == 2);
        var cursor = (await app.GetAsync("/v1/events?limit=1")).GetProperty("next_cursor").GetString();
        var last = (await app.GetAsync($"/v1/events?after={cursor}")).GetProperty("next_cursor").GetString();

        await app.RunRetentionAsync(Cancel);
        var young = await app.SendAsync();
        await app.WaitForAsync(young, RecipientState.Sent);

        Assert.Equal(["email.accepted"], (await app.GetAsync($"/v1/emails/{id}/events")).GetProperty("data").EnumerateArray().Select(e => e.GetProperty("type").GetString()!));
        Assert.Empty((await app.GetAsync($"/v1/emails/{id}/attempts")).GetProperty("data").EnumerateArray());
        foreach (var from in new[] { cursor, last })
        {
            await app.UntilAsync(async _ => (await EventsAfterAsync(from)).Length == 2);
            Assert.All(await EventsAfterAsync(from), e => Assert.Equal(young, e));   // a reader who stood among what is gone goes on with what came after
        }

        await AssertBalancedAsync(2);
    }

    async Task<string[]> EventsAfterAsync(string? cursor) =>
        [.. (await app.GetAsync($"/v1/events?after={cursor}")).GetProperty("data").EnumerateArray().Select(e => e.GetProperty("email_id").GetString()!)];

    [Fact]
    public async Task Killed_in_the_middle_it_leaves_every_mail_whole_or_gone()
    {
        await KeepAsync(null, null, null);
        await KeepAsync(null, "2 days", null, "otp");
        await app.AddAsync(OldMail.Ago(3));
        var ids = await app.AddAsync(OldMail.Ago(3), "otp", count: 1300);
        await using var connection = await app.ConnectAsync();
        await using (var holder = await connection.BeginTransactionAsync(Cancel))
        {
            await using (var hold = new NpgsqlCommand("select from recipients where email_id = $1 for update", connection, holder) { Parameters = { new() { Value = ids[1200].ToGuid() } } }) await hold.ExecuteNonQueryAsync(Cancel);
            var job = app.RunRetentionAsync(Cancel);
            await app.UntilAsync(db => db.Database.SqlQuery<bool>($"""
                select coalesce(bool_or(pg_terminate_backend(pid)), false) as "Value" from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and query like '%with locked%'
                """).SingleAsync(Cancel));
            await Assert.ThrowsAnyAsync<NpgsqlException>(() => job);
        }

        Assert.Equal(301, await app.QueryAsync(db => db.Emails.CountAsync(Cancel)));
        Assert.Equal(0, await HalvesAsync());
        await AssertBalancedAsync(301);

        await app.RunRetentionAsync(Cancel);
        Assert.Equal(1, await app.QueryAsync(db => db.Emails.CountAsync(Cancel)));
    }

    [Fact]
    public async Task Two_nodes_at_once_do_it_once()
    {
        await KeepAsync("1 day", "60 days", "10 days");
        await KeepAsync(null, "2 days", null, "otp");
        await using var node = await app.StartNodeAsync();
        await app.AddAsync(OldMail.Ago(20), count: 700);
        await app.AddAsync(OldMail.Ago(20), "otp", count: 1300);
        await app.AddAsync(OldMail.Ago(80), count: 700);

        await Task.WhenAll(app.RunRetentionAsync(Cancel), node.RunRetentionAsync(Cancel), app.RunRetentionAsync(Cancel), node.RunRetentionAsync(Cancel));

        Assert.Equal(700, await app.QueryAsync(db => db.Emails.CountAsync(Cancel)));
        Assert.Equal(0, await app.QueryAsync(db => db.Contents.CountAsync(Cancel)));
        Assert.Equal(0, await HalvesAsync());
        await AssertBalancedAsync(700);
    }

    [Fact]
    public async Task Accepts_go_on_while_weeks_are_dropped_and_a_reader_makes_the_drop_wait_instead()
    {
        await KeepAsync(null, "30 days", null);
        await app.AddAsync(OldMail.Ago(80), count: 10);
        await using var connection = await app.ConnectAsync();
        await using var reading = await connection.BeginTransactionAsync(Cancel);
        await using (var read = new NpgsqlCommand("select count(*) from emails", connection, reading)) await read.ExecuteScalarAsync(Cancel);

        var job = app.RunRetentionAsync(Cancel);
        var slowest = TimeSpan.Zero;
        for (var i = 0; i < 30; i++)
        {
            var startedAt = TimeProvider.System.GetTimestamp();
            await app.SendAsync();
            if (TimeProvider.System.GetElapsedTime(startedAt) is var took && took > slowest) slowest = took;
        }

        await reading.CommitAsync(Cancel);
        await job;

        Assert.True(slowest < TimeSpan.FromSeconds(3), $"An accept took {slowest}.");
    }

    [Fact]
    public async Task Idempotency_keys_and_captured_mail_stay()
    {
        await KeepAsync("1 day", "2 days", "1 day");
        var id = (await app.AddAsync(OldMail.Ago(3)))[0].ToGuid();
        await app.QueryAsync(db => db.Database.ExecuteSqlAsync($"""
            insert into idempotency_keys (project_id, key, fingerprint, email_id, response, expires_at) values (1, 'k', '', {id}, '', now() + interval '1 hour');
            insert into captured (id, project_id, email_id, reverse_path, recipients, subject, raw) values ({id}, 1, {id}, '', array['x'], 's', '')
            """, Cancel));

        await app.RunRetentionAsync(Cancel);

        Assert.Equal((0, 1, 1), await app.QueryAsync(async db => (await db.Emails.CountAsync(Cancel), await db.IdempotencyKeys.CountAsync(Cancel), await db.Captured.CountAsync(Cancel))));
    }
}
