using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using EmailApi.Tests.Support;
using Microsoft.EntityFrameworkCore;

namespace EmailApi.Tests.Emails;

public sealed class BatchTests(SharedApp shared) : IClassFixture<SharedApp>
{
    const string Path = "/v1/emails/batch";

    readonly TestApp app = shared.App;

    static JsonObject Mail(string subject, string to = "taro@example.jp") =>
        new() { ["from"] = "orders@shop.example", ["to"] = to, ["subject"] = subject, ["text"] = "t" };

    Task<int> StoredAsync(string subject) => app.QueryAsync(db => db.Emails.CountAsync(e => e.Subject == subject));

    [Fact]
    public async Task Each_mail_gets_a_result_in_its_place_and_is_sent()
    {
        var later = Mail("three");
        later["send_at"] = "2027-06-01T00:00:00Z";

        using var answer = await app.PostAsync(new JsonArray(Mail("one", "a@example.jp"), Mail("two", "b@example.jp"), later), Path);
        var data = (await answer.JsonAsync()).GetProperty("data").EnumerateArray().ToList();

        Assert.Equal(HttpStatusCode.Accepted, answer.StatusCode);
        Assert.Equal([(0, "queued"), (1, "queued"), (2, "scheduled")], data.Select(d => (d.GetProperty("index").GetInt32(), d.GetProperty("status").GetString()!)));
        Assert.All(data, d => Assert.False(d.TryGetProperty("error", out _)));
        foreach (var (item, (subject, to)) in data.Zip([("one", "a@example.jp"), ("two", "b@example.jp")]))
        {
            var mail = Assert.Single(await app.RelayedAsync(item.GetProperty("id").GetString()!));
            Assert.Equal((subject, to), (mail.Read().Subject, Assert.Single(mail.Recipients)));
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("?mode=strict")]
    public async Task Strictly_one_bad_mail_stores_nothing(string query)
    {
        var subject = $"strict {query}";
        var bad = Mail(subject);
        bad["to"] = new JsonArray("taro@example.jp", "nobody");
        bad["colour"] = 1;

        using var answer = await app.PostAsync(new JsonArray(Mail(subject), bad, Mail(subject), new JsonObject(), 5), Path + query);
        var problem = await ProblemDocument.ReadAsync(answer);

        Assert.Equal((422, "validation"), (problem.Status, problem.Code));
        Assert.Equal(
            [("#/1/colour", "unknown_field"), ("#/1/to/1", "invalid_address"), ("#/3/from", "required"), ("#/3/subject", "required"), ("#/3/text", "required"), ("#/3/to", "required"), ("#/4", "wrong_type")],
            problem.Errors.Order());
        Assert.Equal(0, await StoredAsync(subject));
    }

    [Fact]
    public async Task Permissively_the_good_ones_are_stored_and_the_bad_ones_named()
    {
        var bad = Mail("permissive");
        bad["to"] = new JsonArray("taro@example.jp", new JsonObject { ["email"] = 5 });

        using var answer = await app.PostAsync(new JsonArray(Mail("permissive"), bad, Mail("permissive"), null, Mail("permissive", "nobody")), Path + "?mode=permissive");
        var data = (await answer.JsonAsync()).GetProperty("data").EnumerateArray().ToList();

        Assert.Equal(HttpStatusCode.Accepted, answer.StatusCode);
        Assert.Equal([0, 1, 2, 3, 4], data.Select(d => d.GetProperty("index").GetInt32()));
        Assert.Equal([true, false, true, false, false], data.Select(d => d.TryGetProperty("id", out _)));
        Assert.Equal(["#/1/to/1/email", "#/3", "#/4/to"], data.Where(d => d.TryGetProperty("error", out _)).Select(Pointer));
        Assert.All(data.Where(d => d.TryGetProperty("error", out _)), d => Assert.Equal("validation", d.GetProperty("error").GetProperty("code").GetString()));
        Assert.Equal(2, await StoredAsync("permissive"));

        static string Pointer(JsonElement item) => Assert.Single(item.GetProperty("error").GetProperty("errors").EnumerateArray()).GetProperty("pointer").GetString()!;
    }

    [Fact]
    public async Task Permissively_a_batch_of_bad_mails_stores_nothing()
    {
        using var answer = await app.PostAsync(new JsonArray(Mail("all bad", "x"), Mail("all bad", "y")), Path + "?mode=permissive");
        var data = (await answer.JsonAsync()).GetProperty("data").EnumerateArray().ToList();

        Assert.Equal(HttpStatusCode.Accepted, answer.StatusCode);
        Assert.All(data, d => Assert.True(d.TryGetProperty("error", out _)));
        Assert.Equal(0, await StoredAsync("all bad"));
    }

    [Fact]
    public async Task A_thousand_mails_are_stored_together()
    {
        var batch = new JsonArray([.. Enumerable.Range(0, 1000).Select(i =>
        {
            var mail = Mail("thousand", $"r{i}@example.jp");
            mail["send_at"] = "2027-06-01T00:00:00Z";
            return mail;
        })]);

        using var answer = await app.PostAsync(batch, Path);
        var ids = (await answer.JsonAsync()).GetProperty("data").EnumerateArray().Select(d => d.GetProperty("id").GetString()!.ToGuid()).ToList();

        Assert.Equal(HttpStatusCode.Accepted, answer.StatusCode);
        var stored = await app.QueryAsync(db => db.Recipients.Where(r => ids.Contains(r.EmailId)).ToDictionaryAsync(r => r.EmailId, r => r.Address));
        Assert.Equal(Enumerable.Range(0, 1000).Select(i => $"r{i}@example.jp"), ids.Select(id => stored[id]));
        Assert.Single(await app.QueryAsync(db => db.Emails.Where(e => e.Subject == "thousand").Select(e => e.CreatedAt).Distinct().ToListAsync()));
    }

    [Fact]
    public async Task An_idempotency_key_covers_the_whole_batch()
    {
        var batch = new JsonArray(Mail("covered", "a@example.jp"), Mail("covered", "b@example.jp"), Mail("covered", "c@example.jp"));

        var answers = await Task.WhenAll(Enumerable.Range(0, 20).Select(async _ =>
        {
            using var answer = await app.PostAsync(batch, Path, "whole batch");
            return (answer.StatusCode, Body: await answer.Content.ReadAsStringAsync(), IsReplayed: answer.Headers.Contains("Idempotent-Replayed"));
        }));

        Assert.All(answers, a => Assert.Equal(HttpStatusCode.Accepted, a.StatusCode));
        Assert.Single(answers.Select(a => a.Body).Distinct());
        Assert.Equal(19, answers.Count(a => a.IsReplayed));
        Assert.Equal(3, await StoredAsync("covered"));
    }

    [Fact]
    public async Task A_batch_has_at_most_50000_recipients()
    {
        var to = new JsonArray([.. Enumerable.Range(0, 1000).Select(i => JsonValue.Create($"r{i}@example.jp"))]);
        var batch = new JsonArray([.. Enumerable.Range(0, 51).Select(_ => { var mail = Mail("crowd"); mail["to"] = to.DeepClone(); return mail; })]);

        using var answer = await app.PostAsync(batch, Path);
        var problem = await ProblemDocument.ReadAsync(answer);

        Assert.Equal((422, "validation"), (problem.Status, problem.Code));
        Assert.Equal([("#", "too_many")], problem.Errors);
        Assert.Equal(0, await StoredAsync("crowd"));
    }

    [Fact]
    public async Task Nobody_waits_for_the_rows_of_a_large_batch()
    {
        var to = new JsonArray([.. Enumerable.Range(0, 1000).Select(i => JsonValue.Create($"r{i}@example.jp"))]);
        var batch = new JsonArray([.. Enumerable.Range(0, 40).Select(_ => { var mail = Mail("large"); mail["to"] = to.DeepClone(); mail["send_at"] = "2027-06-01T00:00:00Z"; return mail; })]);

        await using var connection = await app.ConnectAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        // Holds up the large one alone: its key is taken.
        await using (var hold = new Npgsql.NpgsqlCommand("""
            insert into idempotency_keys (project_id, key, fingerprint, email_id, response, expires_at)
            select id, 'large', '\x00', gen_random_uuid(), '{}', now() + interval '1 day' from projects where name = 'default'
            """, connection, transaction)) await hold.ExecuteNonQueryAsync();
        var large = app.PostAsync(batch, Path, "large");
        await app.UntilAsync(async db => await db.Database.SqlQuery<int>($"""select count(*)::int as "Value" from pg_locks where not granted""").SingleAsync() > 0);

        using var other = await app.PostAsync(new JsonArray(Mail("small")), Path);
        var wasWaiting = !large.IsCompleted;
        await transaction.RollbackAsync();
        using var stored = await large;

        Assert.True(wasWaiting);
        Assert.Equal((HttpStatusCode.Accepted, HttpStatusCode.Accepted), (other.StatusCode, stored.StatusCode));
        Assert.Equal(40, await StoredAsync("large"));
    }
}
