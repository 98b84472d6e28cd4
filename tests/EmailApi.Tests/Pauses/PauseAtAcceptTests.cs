using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using EmailApi.Emails;
using EmailApi.Tests.Support;
using Microsoft.EntityFrameworkCore;
using Npgsql;

namespace EmailApi.Tests.Pauses;

/// <summary>New mail that a pause matches is held from the start, and no moment lies between it and a resume.</summary>
public sealed class PauseAtAcceptTests : IAsyncLifetime
{
    const string OfInvoices = """{"stream": "invoice", "reason": "wrong amounts"}""";

    TestApp app = null!;

    static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        app = await TestApp.StartAsync();
        (await app.PostAsync(new JsonObject { ["name"] = "invoice" }, "/v1/streams")).Dispose();
    }

    public ValueTask DisposeAsync() => app.DisposeAsync();

    static JsonObject Invoice(string to = "taro@example.jp")
    {
        var mail = TestApp.Mail(to);
        mail["stream"] = "invoice";
        return mail;
    }

    static async Task OkAsync(HttpClient http, string path, string body)
    {
        using var answer = await http.PostTextAsync(path, body);
        Assert.True(answer.StatusCode is HttpStatusCode.OK, $"{path}: {await answer.Content.ReadAsStringAsync(Cancel)}");
    }

    async Task<JsonElement> AcceptedAsync(JsonNode body, string path = "/v1/emails", string? idempotencyKey = null)
    {
        using var answer = await app.PostAsync(body, path, idempotencyKey);
        Assert.Equal(HttpStatusCode.Accepted, answer.StatusCode);
        return await answer.JsonAsync();
    }

    [Fact]
    public async Task The_answer_the_rows_and_the_event_say_held_at_once()
    {
        await OkAsync(app.Http, "/v1/pause", OfInvoices);

        var stopped = await AcceptedAsync(Invoice());
        var keyed = await AcceptedAsync(Invoice(), idempotencyKey: "invoice-1");
        var batch = await AcceptedAsync(new JsonArray(Invoice(), TestApp.Mail("other@example.jp"), new JsonObject { ["from"] = "nobody" }), "/v1/emails/batch?mode=permissive");
        var later = Invoice();
        later["send_at"] = DateTimeOffset.UtcNow.AddHours(1).ToString("o");
        var scheduled = await AcceptedAsync(later);

        Assert.Equal(("held", "held"), (stopped.Text("status"), stopped.GetProperty("recipients")[0].Text("status")));
        Assert.Equal("held", keyed.Text("status"));
        Assert.Equal(["held", "queued"], batch.GetProperty("data").EnumerateArray().Take(2).Select(item => item.Text("status")));
        Assert.Equal("scheduled", scheduled.Text("status"));
        Assert.Equal([RecipientState.Held], await app.StatesAsync(stopped.Text("id")));
        Assert.Equal("paused", (await app.Http.RecipientAsync(stopped.Text("id"))).Text("reason"));
        var held = (await app.Http.ListAsync($"/v1/emails/{stopped.Text("id")}/events"))[^1];
        Assert.Equal(("email.held", "paused", "wrong amounts"), (held.Text("type"), held.Text("reason"), held.Text("note")));

        await OkAsync(app.Http, "/v1/resume", OfInvoices);
        foreach (var id in new[] { stopped, keyed, batch.GetProperty("data")[0] }.Select(mail => mail.Text("id")))
        {
            await app.WaitForAsync(id, RecipientState.Sent);
            Assert.Equal(["accepted", "held", "released", "sent"], await app.Http.EventsAsync(id));
            Assert.Single(app.Relay.CopiesOf(id));
        }

        var repeated = await AcceptedAsync(Invoice(), idempotencyKey: "invoice-1");
        Assert.Equal(keyed.GetRawText(), repeated.GetRawText());   // a repeat gets the first answer, whatever came since
    }

    [Fact]
    public async Task Life_stands_still_from_the_start_and_a_limit_of_the_mails_own_passes()
    {
        await OkAsync(app.Http, "/v1/pause", OfInvoices);
        var limited = Invoice();
        limited["expires_at"] = DateTimeOffset.UtcNow.AddHours(5).ToString("o");

        var ids = new[] { (await AcceptedAsync(Invoice())).Text("id").ToGuid(), (await AcceptedAsync(limited)).Text("id").ToGuid() };

        var rows = await app.QueryAsync(db => db.Queue.Where(q => ids.Contains(q.EmailId)).OrderBy(q => q.EmailId).ToListAsync(Cancel));
        Assert.All(rows, q => Assert.Equal(DateTimeOffset.MaxValue, q.DueAt));
        Assert.Equal(DateTimeOffset.MaxValue, rows[0].ExpiresAt);
        Assert.InRange((rows[1].ExpiresAt - DateTimeOffset.UtcNow).TotalHours, 4.9, 5.1);
    }

    [Fact]
    public async Task Mail_of_a_test_key_is_stopped_with_the_capture_relay_and_no_other()
    {
        using var made = await app.PostAsync(new JsonObject { ["name"] = "trial", ["mode"] = "test", ["scopes"] = new JsonArray("send") }, "/v1/keys");
        using var test = app.WithKey((await made.JsonAsync()).Text("key"));
        await OkAsync(app.Http, "/v1/pause", """{"relay": "capture"}""");

        using var captured = await test.PostTextAsync("/v1/emails", TestApp.Mail().ToJsonString());
        var live = await AcceptedAsync(TestApp.Mail());

        Assert.Equal("held", (await captured.JsonAsync()).Text("status"));
        Assert.Equal("queued", live.Text("status"));
    }

    [Fact]
    public async Task A_resume_waits_for_mail_that_is_just_being_held_and_releases_it()
    {
        await OkAsync(app.Http, "/v1/pause", OfInvoices);
        await using var other = await app.ConnectAsync();
        await using var holding = await other.BeginTransactionAsync(Cancel);
        await using (var hold = new NpgsqlCommand("lock table usage in exclusive mode", other)) await hold.ExecuteNonQueryAsync(Cancel);   // the last statement of an accept
        var accepting = AcceptedAsync(Invoice());
        await app.UntilAsync(db => db.Database.SqlQuery<bool>($"select exists(select from pg_stat_activity where wait_event_type = 'Lock' and query ilike '%insert into usage%' and datname = current_database()) as \"Value\"").SingleAsync(Cancel));

        var resuming = OkAsync(app.Http, "/v1/resume", OfInvoices);
        await app.UntilAsync(db => db.Database.SqlQuery<bool>($"select exists(select from pg_locks where locktype = 'advisory' and not granted and database = (select oid from pg_database where datname = current_database())) as \"Value\"").SingleAsync(Cancel));
        await holding.RollbackAsync(Cancel);
        var accepted = await accepting;
        await resuming;

        Assert.Equal("held", accepted.Text("status"));
        await app.WaitForAsync(accepted.Text("id"), RecipientState.Sent);
        Assert.Equal(["accepted", "held", "released", "sent"], await app.Http.EventsAsync(accepted.Text("id")));
    }

    [Fact]
    public async Task While_it_is_paused_and_resumed_again_and_again_nothing_leaves_under_a_pause_and_nothing_stays_held()
    {
        const int rounds = 12;
        await using var other = await app.StartNodeAsync();
        var nodes = new[] { app.Http, other.Http };
        var gate = new Lock();
        var (window, underPause, ids) = (0, new List<string>(), new List<string>());   // an odd window: paused, and answered so
        var wrong = new List<string>();
        using var over = CancellationTokenSource.CreateLinkedTokenSource(Cancel);

        async Task SendAsync(int sender)
        {
            for (var i = 0; !over.IsCancellationRequested; i++)
            {
                var before = Volatile.Read(ref window);
                using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/emails") { Content = new StringContent(Invoice($"r{sender}-{i}@example.jp").ToJsonString(), new System.Net.Http.Headers.MediaTypeHeaderValue("application/json")) };
                if (i % 2 == 0) request.Headers.Add("Idempotency-Key", $"{sender}-{i}");
                using var answer = await nodes[sender % 2].SendAsync(request, Cancel);
                var accepted = await answer.JsonAsync();
                lock (gate)
                {
                    ids.Add(accepted.Text("id"));
                    if (before != window || window % 2 == 0) continue;
                    underPause.Add(accepted.Text("id"));
                    if (sender % 2 == 0 && accepted.Text("status") != "held") wrong.Add(accepted.GetRawText());   // the node that paused knows it at once
                }
            }
        }

        var sending = Enumerable.Range(0, 4).Select(SendAsync).ToList();
        for (var round = 0; round < rounds; round++)
        {
            await OkAsync(app.Http, "/v1/pause", OfInvoices);
            lock (gate) window++;
            await Eventually.IsAsync(() => { lock (gate) return Task.FromResult(underPause.Count >= 20); }, TimeSpan.FromSeconds(20));
            lock (gate)
            {
                window++;
                var left = app.Relay.Mails.Select(m => m.MessageId![1..33]).ToHashSet();
                wrong.AddRange(underPause.Where(id => left.Contains(id[3..])));
                underPause.Clear();
            }

            await OkAsync(nodes[round % 2], "/v1/resume", OfInvoices);
        }

        await over.CancelAsync();
        await Task.WhenAll(sending);
        await app.Relay.WaitForAsync(ids.Count, TimeSpan.FromSeconds(60));
        await app.UntilAsync(async db => !await db.Queue.AnyAsync(Cancel));

        Assert.Empty(wrong);
        Assert.Equal(ids.Count, app.Relay.Mails.Count);
        Assert.Equal(ids.Count, app.Relay.Mails.Select(m => m.MessageId).Distinct().Count());
        await app.Http.AssertBalancedAsync(accepted: ids.Count);
    }
}
