using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using EmailApi.Tests.Support;
using Microsoft.EntityFrameworkCore;
using Npgsql;

namespace EmailApi.Tests.Emails;

public sealed class IdempotencyTests(SharedApp shared) : IClassFixture<SharedApp>
{
    readonly TestApp app = shared.App;

    static JsonObject Mail(string subject) => new()
    {
        ["from"] = "orders@shop.example",
        ["to"] = "taro@example.jp",
        ["subject"] = subject,
        ["text"] = "t",
        ["send_at"] = "2027-06-01T00:00:00Z",
    };

    static async Task<(HttpStatusCode Status, string Body, bool IsReplayed, string? Location)> AnswerAsync(Task<HttpResponseMessage> request)
    {
        using var answer = await request;
        var isReplayed = answer.Headers.TryGetValues("Idempotent-Replayed", out var values) && values.Single() == "true";
        return (answer.StatusCode, await answer.Content.ReadAsStringAsync(), isReplayed, answer.Headers.Location?.OriginalString);
    }

    static string Id(string body) => JsonDocument.Parse(body).RootElement.GetProperty("id").GetString()!;

    Task<int> StoredAsync(string subject) => app.QueryAsync(db => db.Emails.CountAsync(e => e.Subject == subject));

    [Fact]
    public async Task A_hundred_equal_requests_at_once_are_one_mail()
    {
        var answers = await Task.WhenAll(Enumerable.Range(0, 100).Select(_ => AnswerAsync(app.PostAsync(Mail("hundred"), idempotencyKey: "hundred"))));

        Assert.All(answers, a => Assert.Equal(HttpStatusCode.Accepted, a.Status));
        Assert.Single(answers.Select(a => a.Body).Distinct());
        Assert.Equal($"/v1/emails/{Id(answers[0].Body)}", Assert.Single(answers.Select(a => a.Location).Distinct()));
        Assert.Equal(99, answers.Count(a => a.IsReplayed));
        Assert.Equal(1, await StoredAsync("hundred"));
    }

    [Fact]
    public async Task Over_two_nodes_they_are_one_mail_too()
    {
        await using var other = await app.StartNodeAsync();
        TestApp[] nodes = [app, other];

        var answers = await Task.WhenAll(Enumerable.Range(0, 100).Select(i => AnswerAsync(nodes[i % 2].PostAsync(Mail($"nodes {i / 10}"), idempotencyKey: $"nodes {i / 10}"))));

        Assert.All(answers, a => Assert.Equal(HttpStatusCode.Accepted, a.Status));
        Assert.Equal(10, answers.Select(a => a.Body).Distinct().Count());
        Assert.Equal(90, answers.Count(a => a.IsReplayed));
        Assert.Equal(10, await app.QueryAsync(db => db.Emails.CountAsync(e => e.Subject!.StartsWith("nodes "))));
    }

    [Fact]
    public async Task Another_body_under_the_key_is_refused()
    {
        var first = await AnswerAsync(app.PostAsync(Mail("body"), idempotencyKey: "body"));

        using var other = await app.PostAsync(Mail("another body"), idempotencyKey: "body");
        var problem = await ProblemDocument.ReadAsync(other);
        var again = await AnswerAsync(app.PostAsync(Mail("body"), idempotencyKey: "body"));

        Assert.Equal((422, "idempotency_mismatch"), (problem.Status, problem.Code));
        Assert.Equal(0, await StoredAsync("another body"));
        Assert.Equal((first.Body, true), (again.Body, again.IsReplayed));
    }

    [Fact]
    public async Task Another_path_under_the_key_is_refused()
    {
        var batch = new JsonArray(Mail("path"));
        using var first = await app.PostAsync(batch, "/v1/emails/batch", "path");

        using var other = await app.PostAsync(batch, "/v1/emails/batch?mode=permissive", "path");
        var problem = await ProblemDocument.ReadAsync(other);

        Assert.Equal(HttpStatusCode.Accepted, first.StatusCode);
        Assert.Equal((422, "idempotency_mismatch"), (problem.Status, problem.Code));
        Assert.Equal(1, await StoredAsync("path"));
    }

    [Fact]
    public async Task Without_a_key_equal_requests_are_different_mails()
    {
        await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => AnswerAsync(app.PostAsync(Mail("no key")))));

        Assert.Equal(10, await StoredAsync("no key"));
    }

    [Fact]
    public async Task Different_keys_make_different_mails_of_one_body()
    {
        var answers = await Task.WhenAll(Enumerable.Range(0, 20).Select(i => AnswerAsync(app.PostAsync(Mail("keys"), idempotencyKey: $"keys {i}"))));

        Assert.Equal(20, answers.Select(a => a.Body).Distinct().Count());
        Assert.DoesNotContain(answers, a => a.IsReplayed);
        Assert.Equal(20, await StoredAsync("keys"));
    }

    [Fact]
    public async Task A_key_whose_time_is_over_is_taken_over()
    {
        var first = await AnswerAsync(app.PostAsync(Mail("over"), idempotencyKey: "over"));
        await app.ExecuteAsync("update idempotency_keys set expires_at = now() - interval '1 s' where key = 'over'");

        var second = await AnswerAsync(app.PostAsync(Mail("over, with another body"), idempotencyKey: "over"));
        var third = await AnswerAsync(app.PostAsync(Mail("over, with another body"), idempotencyKey: "over"));

        Assert.NotEqual(Id(first.Body), Id(second.Body));
        Assert.False(second.IsReplayed);
        Assert.Equal((second.Body, true), (third.Body, third.IsReplayed));
    }

    [Fact]
    public async Task A_key_is_kept_for_a_day()
    {
        await AnswerAsync(app.PostAsync(Mail("day"), idempotencyKey: "day"));

        Assert.Equal(TimeSpan.FromDays(1), await app.QueryAsync(db =>
            db.Database.SqlQuery<TimeSpan>($"""select expires_at - created_at as "Value" from idempotency_keys where key = 'day'""").SingleAsync()));
    }

    [Fact]
    public async Task A_key_belongs_to_its_project()
    {
        using var other = app.WithKey(await app.AddKeyAsync("other-keys", "send"));
        var mine = await AnswerAsync(app.PostAsync(Mail("project"), idempotencyKey: "project"));

        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/emails") { Headers = { { "Idempotency-Key", "project" } } };
        request.Content = new StringContent(Mail("project").ToJsonString(), new System.Net.Http.Headers.MediaTypeHeaderValue("application/json"));
        var theirs = await AnswerAsync(other.SendAsync(request));

        Assert.Equal((HttpStatusCode.Accepted, false), (theirs.Status, theirs.IsReplayed));
        Assert.NotEqual(Id(mine.Body), Id(theirs.Body));
        Assert.Equal(2, await StoredAsync("project"));
    }

    [Fact]
    public async Task A_refused_request_does_not_use_up_its_key()
    {
        var wrong = Mail("fixed");
        wrong["to"] = "nobody";
        var refused = await AnswerAsync(app.PostAsync(wrong, idempotencyKey: "fixed"));

        var taken = await AnswerAsync(app.PostAsync(Mail("fixed"), idempotencyKey: "fixed"));

        Assert.Equal(HttpStatusCode.UnprocessableEntity, refused.Status);
        Assert.Equal((HttpStatusCode.Accepted, false), (taken.Status, taken.IsReplayed));
    }

    [Fact]
    public async Task A_key_may_stand_in_quotes()
    {
        var bare = await AnswerAsync(app.PostAsync(Mail("quotes"), idempotencyKey: "quotes"));

        var quoted = await AnswerAsync(app.PostAsync(Mail("quotes"), idempotencyKey: "\"quotes\""));

        Assert.Equal((bare.Body, true), (quoted.Body, quoted.IsReplayed));
    }

    [Fact]
    public async Task A_repeat_of_a_request_that_is_valid_no_longer_gets_the_first_answer()
    {
        var mail = Mail("valid once");
        mail["stream"] = "short-lived";
        await app.ExecuteAsync("insert into streams (project_id, name, priority, life, in_doubt) select id, 'short-lived', 100, interval '1 day', 'retry' from projects where name = 'default'");
        var first = await AnswerAsync(app.PostAsync(mail, idempotencyKey: "valid once"));
        await app.ExecuteAsync("delete from streams where name = 'short-lived'");
        await using var fresh = await app.StartNodeAsync();   // one that does not remember the stream

        var again = await AnswerAsync(fresh.PostAsync(mail, idempotencyKey: "valid once"));

        Assert.Equal((HttpStatusCode.Accepted, first.Body, true), (again.Status, again.Body, again.IsReplayed));
    }

    async Task<(NpgsqlConnection, NpgsqlTransaction)> HoldAsync(string key)
    {
        var connection = await app.ConnectAsync();
        var transaction = await connection.BeginTransactionAsync();
        await using var insert = new NpgsqlCommand("""
            insert into idempotency_keys (project_id, key, fingerprint, email_id, response, expires_at)
            select id, $1, '\x00', gen_random_uuid(), '{}', now() + interval '1 day' from projects where name = 'default'
            """, connection, transaction)
        { Parameters = { new() { Value = key } } };
        await insert.ExecuteNonQueryAsync();
        return (connection, transaction);
    }

    [Fact]
    public async Task A_repeat_waits_for_the_first_and_is_then_told_to_come_again()
    {
        var (connection, transaction) = await HoldAsync("held");
        await using (connection)
        await using (transaction)
        {
            var repeat = app.PostAsync(Mail("held"), idempotencyKey: "held");
            var others = await AnswerAsync(app.PostAsync(Mail("not held"), idempotencyKey: "not held"));
            using var answer = await repeat;
            var problem = await ProblemDocument.ReadAsync(answer);

            Assert.Equal(HttpStatusCode.Accepted, others.Status);
            Assert.Equal((409, "idempotency_in_progress"), (problem.Status, problem.Code));
            Assert.Equal(TimeSpan.FromSeconds(1), answer.Headers.RetryAfter?.Delta);
            Assert.Equal(0, await StoredAsync("held"));
            await transaction.RollbackAsync();
        }

        var again = await AnswerAsync(app.PostAsync(Mail("held"), idempotencyKey: "held"));
        Assert.Equal((HttpStatusCode.Accepted, false), (again.Status, again.IsReplayed));
    }

    [Fact]
    public async Task A_repeat_that_waits_sees_what_the_first_commits()
    {
        var (connection, transaction) = await HoldAsync("committed");
        await using (connection)
        await using (transaction)
        {
            var repeat = app.PostAsync(Mail("committed"), idempotencyKey: "committed");
            await app.UntilAsync(async db => await db.Database.SqlQuery<int>($"""select count(*)::int as "Value" from pg_locks where not granted""").SingleAsync() > 0);
            await transaction.CommitAsync();
            using var answer = await repeat;
            var problem = await ProblemDocument.ReadAsync(answer);

            Assert.Equal((422, "idempotency_mismatch"), (problem.Status, problem.Code));
        }
    }

    [Fact]
    public async Task Many_that_wait_for_uncommitted_keys_leave_the_connections_to_others()
    {
        var connection = await app.ConnectAsync();
        await using (connection)
        await using (var transaction = await connection.BeginTransactionAsync())
        {
            await using var insert = new NpgsqlCommand("""
                insert into idempotency_keys (project_id, key, fingerprint, email_id, response, expires_at)
                select p.id, 'many ' || i, '\x00', gen_random_uuid(), '{}', now() + interval '1 day' from projects p, generate_series(0, 19) i where name = 'default'
                """, connection, transaction);
            await insert.ExecuteNonQueryAsync();
            var repeats = Enumerable.Range(0, 60).Select(i => AnswerAsync(app.PostAsync(Mail("many"), idempotencyKey: $"many {i % 20}"))).ToList();
            var others = new List<(HttpStatusCode Status, TimeSpan Took)>();
            for (var i = 0; i < 10; i++)
            {
                var started = TimeProvider.System.GetTimestamp();
                others.Add(((await AnswerAsync(app.PostAsync(Mail("among many"), idempotencyKey: $"among many {i}"))).Status, TimeProvider.System.GetElapsedTime(started)));
                await Task.Delay(200);
            }

            Assert.All(await Task.WhenAll(repeats), a => Assert.Equal(HttpStatusCode.Conflict, a.Status));
            Assert.All(others, o => Assert.Equal(HttpStatusCode.Accepted, o.Status));
            Assert.All(others, o => Assert.True(o.Took < TimeSpan.FromSeconds(2.5), $"{o.Took}"));
            await transaction.RollbackAsync();
        }
    }
}
