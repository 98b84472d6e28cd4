using System.Text.Json.Nodes;
using EmailApi.Delivery;
using EmailApi.Tests.Support;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace EmailApi.Tests.Delivery;

/// <summary>Which recipients a claim takes, and that runs need neither Hangfire's tables nor to be on the node that accepted.</summary>
public sealed class ClaimTests
{
    static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_more_urgent_stream_goes_first_and_the_rest_waits()
    {
        await using var app = await TestApp.StartAsync("--EmailApi:Role=api");   // nobody else claims
        await app.ExecuteAsync("""
            insert into streams (project_id, name, priority, life, in_doubt)
            select p.id, s.name, s.priority, interval '48 hours', 'retry' from projects p, (values ('bulk', 200), ('urgent', 10)) s(name, priority)
            """);
        foreach (var stream in new[] { "bulk", "transactional", "urgent" })
            for (var i = 0; i < 3; i++) await app.SendAsync($"{stream}{i}@example.net", new() { ["stream"] = stream });

        var claims = new List<string[]>();
        for (var i = 0; i < 3; i++) claims.Add(await ClaimAsync(app, 5));

        Assert.Equal(["urgent", "transactional", "bulk"], claims.Select(claim => Assert.Single(claim.Select(a => a[..^"0@example.net".Length]).Distinct())));
        Assert.All(claims, claim => Assert.Equal(3, claim.Length));
    }

    [Fact]
    public async Task Projects_have_equal_shares_however_long_anybodys_backlog_is()
    {
        await using var app = await TestApp.StartAsync("--EmailApi:Role=api");
        using (var answer = await app.PostAsync(new JsonArray([.. Enumerable.Range(0, 100).Select(i => TestApp.Mail($"long{i}@example.net"))]), "/v1/emails/batch")) answer.EnsureSuccessStatusCode();
        for (var i = 0; i < 6; i++) await app.SendAsync($"short{i}@example.net");
        await app.ExecuteAsync("""
            insert into projects (name) values ('other');
            update queue q set project_id = p.id from projects p, recipients r where p.name = 'other' and r.email_id = q.email_id and r.address like 'short%'
            """);

        var first = await ClaimAsync(app, 10);
        var second = await ClaimAsync(app, 10);

        Assert.Equal(5, first.Count(a => a.StartsWith("short", StringComparison.Ordinal)));
        Assert.Equal(10, first.Length);
        Assert.Equal(1, second.Count(a => a.StartsWith("short", StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData("old", "new")]
    [InlineData("new", "old")]
    public async Task New_mail_and_retries_have_equal_shares_however_long_either_has_waited(string many, string few)
    {
        await using var app = await TestApp.StartAsync("--EmailApi:Role=api");
        using (var answer = await app.PostAsync(new JsonArray([.. Enumerable.Range(0, 100).Select(i => TestApp.Mail($"{many}{i}@example.net"))]), "/v1/emails/batch")) answer.EnsureSuccessStatusCode();
        for (var i = 0; i < 6; i++) await app.SendAsync($"{few}{i}@example.net");
        await app.ExecuteAsync($"""
            update queue q set is_retry = r.address like 'old%', due_at = case when r.address like '{many}%' then now() - interval '1 hour' else q.due_at end
            from recipients r where r.email_id = q.email_id
            """);

        var first = await ClaimAsync(app, 10);
        var second = await ClaimAsync(app, 10);
        var third = await ClaimAsync(app, 10);

        Assert.Equal((5, 10), (first.Count(a => a.StartsWith(few, StringComparison.Ordinal)), first.Length));
        Assert.Equal(1, second.Count(a => a.StartsWith(few, StringComparison.Ordinal)));
        Assert.Equal(10, third.Length);   // alone it has all connections
    }

    [Fact]
    public async Task What_was_put_off_is_a_retry()
    {
        await using var app = await TestApp.StartAsync();
        app.Relay.AnswerAt(RelayStep.Mail, "450 4.7.1 later");

        var id = await app.SendAsync();
        await app.Http.WaitForStatusAsync(id, "deferred");

        Assert.True(await app.QueryAsync(db => db.Queue.Select(q => q.IsRetry).SingleAsync(Cancel)));
    }

    [Fact]
    public async Task What_is_claimed_is_not_claimed_again_nor_what_is_not_due_held_or_expired()
    {
        await using var app = await TestApp.StartAsync("--EmailApi:Role=api");
        foreach (var name in new[] { "due", "later", "held", "late" }) await app.SendAsync($"{name}@example.net");
        await app.ExecuteAsync("""
            update queue q set due_at = case r.address when 'later@example.net' then now() + interval '1 hour' when 'held@example.net' then 'infinity' else q.due_at end,
                expires_at = case r.address when 'late@example.net' then now() else q.expires_at end
            from recipients r where r.email_id = q.email_id
            """);

        var claims = await Task.WhenAll(Enumerable.Range(0, 5).Select(_ => ClaimAsync(app, 10)));

        Assert.Equal(["due@example.net"], claims.SelectMany(c => c));
    }

    [Fact]
    public async Task Losing_Hangfires_schema_while_running_stops_no_mail()
    {
        await using var app = await TestApp.StartAsync();
        await app.Http.WaitForStatusAsync(await app.SendAsync(), "sent");

        await app.ExecuteAsync("drop schema hangfire cascade");
        for (var i = 0; i < 5; i++) await app.Http.WaitForStatusAsync(await app.SendAsync(), "sent");

        await app.StopAppAsync();
        Assert.Equal(6, app.Relay.Mails.Count);
    }

    [Fact]
    public async Task A_start_without_Hangfires_schema_delivers_all_the_same()
    {
        await using var app = await TestApp.StartAsync("--EmailApi:Migrate=false");
        await app.ExecuteAsync("drop schema hangfire cascade");
        await app.StopAppAsync();

        await app.StartAppAsync();
        var id = await app.SendAsync();

        await app.Http.WaitForStatusAsync(id, "sent");
    }

    [Fact]
    public async Task A_worker_is_told_of_what_an_api_node_accepts_and_delivers_it()
    {
        await using var api = await TestApp.StartAsync("--EmailApi:Role=api");
        await using var worker = await api.StartNodeAsync("--EmailApi:Role=worker");
        await using var connection = new NpgsqlConnection(api.ConnectionString);
        await connection.OpenAsync(Cancel);
        await using (var listen = new NpgsqlCommand("listen emailapi_queue", connection)) await listen.ExecuteNonQueryAsync(Cancel);

        var id = await api.SendAsync();

        Assert.True(await connection.WaitAsync(TimeSpan.FromSeconds(10), Cancel));
        await api.Http.WaitForStatusAsync(id, "sent");
        Assert.Equal(System.Net.HttpStatusCode.NotFound, (await worker.Http.GetAsync($"/v1/emails/{id}", Cancel)).StatusCode);
        Assert.Equal(System.Net.HttpStatusCode.OK, (await worker.Http.GetAsync("/readyz", Cancel)).StatusCode);
    }

    static async Task<string[]> ClaimAsync(TestApp app, int free) =>
        [.. (await app.Services.GetRequiredService<DeliveryQueue>().ClaimAsync("test", free, Cancel)).SelectMany(e => e.Recipients.Select(r => r.Address))];
}
