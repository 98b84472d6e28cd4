using System.Diagnostics;
using System.Net;
using EmailApi.Delivery;
using EmailApi.Tests.Support;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace EmailApi.Tests.Delivery;

/// <summary>The database goes away and comes back: the app says so at once, stays up, and loses nothing.</summary>
public sealed class DatabaseAwayTests : IAsyncLifetime
{
    /// <summary>Far below the 30 s that a driver waits by itself, and far above what a busy machine needs.</summary>
    static readonly TimeSpan AtOnce = TimeSpan.FromSeconds(5);
    static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    const string Unknown = "/v1/emails/em_0190a0a0a0a07a0a8a0a0a0a0a0a0a0a";

    string database = "";
    DatabaseProxy proxy = null!;
    TestApp app = null!;

    static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        database = await TestDatabase.CreateAsync(await TestDatabase.TemplateAsync("migrated", TestApp.MigrateAsync), Cancel);
        proxy = DatabaseProxy.Start(database);
        app = await TestApp.StartAsync($"--ConnectionStrings:EmailApi={proxy.ConnectionString}");
    }

    public async ValueTask DisposeAsync()
    {
        await app.DisposeAsync();
        await proxy.DisposeAsync();
        await TestDatabase.DropAsync(database);
    }

    [Fact]
    public async Task Away_at_the_start_the_app_waits_answers_503_and_opens_by_itself()
    {
        await app.StopAppAsync();
        await proxy.StopAsync();

        await app.StartAppAsync(waitForDatabase: false);
        await AssertAwayAsync();
        proxy.Restart();
        await BackAsync();

        await app.Http.WaitForStatusAsync(await app.SendAsync(), "sent");
    }

    [Fact]
    public async Task Away_while_running_every_door_says_503_at_once_and_works_again_when_it_is_back()
    {
        await app.Http.WaitForStatusAsync(await app.SendAsync(), "sent");

        await proxy.StopAsync();
        await AssertAwayAsync();
        proxy.Restart();
        await BackAsync();

        var id = await app.SendAsync();
        await app.Http.WaitForStatusAsync(id, "sent");
        Assert.Single(app.Relay.CopiesOf(id));
    }

    [Fact]
    public async Task A_database_that_takes_no_connections_for_maintenance_is_away_and_not_an_error()
    {
        await app.Http.WaitForStatusAsync(await app.SendAsync(), "sent");
        var name = new Npgsql.NpgsqlConnectionStringBuilder(database).Database;

        await TestDatabase.RunAsync($"alter database {name} allow_connections false", Cancel);
        await TestDatabase.RunAsync($"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'", Cancel);
        await AssertAwayAsync();
        await TestDatabase.RunAsync($"alter database {name} allow_connections true", Cancel);
        await BackAsync();

        await app.Http.WaitForStatusAsync(await app.SendAsync(), "sent");
    }

    [Fact]
    public async Task Results_wait_for_the_database_and_are_recorded_when_it_is_back()
    {
        var (arrived, goOn) = (new TaskCompletionSource(), new TaskCompletionSource());
        app.Relay.OnDot = _ => { arrived.TrySetResult(); return goOn.Task; };
        var id = await app.SendAsync();
        await arrived.Task.WaitAsync(Limit, Cancel);

        await proxy.StopAsync();
        goOn.SetResult();
        await app.Relay.WaitForAsync(1);
        await UntilAsync(() => app.Services.GetRequiredService<EmailSender>().Sending == 0);
        var waited = app.Services.GetRequiredService<OutcomeRecorder>().Pending;
        proxy.Restart();
        await BackAsync();
        await app.Http.WaitForStatusAsync(id, "sent");

        Assert.Equal(1, waited);
        Assert.Equal(["accepted", "sent"], await app.Http.EventsAsync(id));
        Assert.Single(app.Relay.CopiesOf(id));
        await app.Http.AssertBalancedAsync(accepted: 1);
    }

    [Fact]
    public async Task Outages_under_load_lose_no_answered_mail_and_double_none()
    {
        var answered = new System.Collections.Concurrent.ConcurrentBag<string>();
        var unexpected = new System.Collections.Concurrent.ConcurrentBag<HttpStatusCode>();
        using var stop = new CancellationTokenSource();
        var next = 0;
        var senders = Enumerable.Range(0, 8).Select(_ => Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested)
            {
                var (key, mail) = ($"k{Interlocked.Increment(ref next)}", TestApp.Mail($"r{next}@example.net"));
                for (var isDone = false; !isDone;)
                {
                    using var answer = await app.PostAsync(mail, idempotencyKey: key);
                    isDone = answer.StatusCode is HttpStatusCode.Accepted;
                    if (isDone) answered.Add(System.Text.Json.JsonDocument.Parse(await answer.Content.ReadAsStringAsync()).RootElement.Text("id"));
                    else if (answer.StatusCode is not (HttpStatusCode.ServiceUnavailable or HttpStatusCode.Conflict)) { unexpected.Add(answer.StatusCode); return; }
                    else await Task.Delay(20);
                }
            }
        })).ToList();

        for (var outage = 1; outage <= 4; outage++)
        {
            await UntilAsync(() => answered.Count >= 40 * outage);
            await proxy.StopAsync();
            await Task.Delay(outage * 100, Cancel);
            proxy.Restart();
        }
        await stop.CancelAsync();
        await Task.WhenAll(senders);
        await UntilAsync(() => app.Relay.Mails.Count >= answered.Count);
        await BackAsync();
        await app.RunDueAsync();

        Assert.Empty(unexpected);
        Assert.Equal(answered.Order(), (await app.QueryAsync(db => db.Emails.Select(e => e.Id).ToListAsync())).Select(id => $"em_{id:n}").Order());
        Assert.Equal(answered.Count, app.Relay.Mails.Count);
        Assert.All(answered, id => Assert.Single(app.Relay.CopiesOf(id)));
        await app.Http.AssertBalancedAsync(answered.Count);
    }

    async Task AssertAwayAsync()
    {
        var startedAt = Stopwatch.GetTimestamp();
        using var post = await app.PostAsync(TestApp.Mail());
        using var get = await app.Http.GetAsync(Unknown, Cancel);
        using var ready = await app.Http.GetAsync("/readyz", Cancel);
        var took = Stopwatch.GetElapsedTime(startedAt);
        using var live = await app.Http.GetAsync("/livez", Cancel);

        Assert.Equal((HttpStatusCode.ServiceUnavailable, HttpStatusCode.ServiceUnavailable, HttpStatusCode.ServiceUnavailable), (post.StatusCode, get.StatusCode, ready.StatusCode));
        Assert.Equal("application/problem+json", post.Content.Headers.ContentType?.MediaType);
        Assert.NotNull(post.Headers.RetryAfter);
        Assert.True(took < AtOnce, $"It took {took} to say so.");
        Assert.Equal(HttpStatusCode.OK, live.StatusCode);
    }

    /// <summary>Waits as a client does, by asking again.</summary>
    Task BackAsync() => Eventually.IsAsync(async () =>
        (await app.Http.GetAsync("/readyz", Cancel)).IsSuccessStatusCode && (await app.Http.GetAsync(Unknown, Cancel)).StatusCode is HttpStatusCode.NotFound, Limit);

    static Task UntilAsync(Func<bool> isSo) => Eventually.IsAsync(isSo, Limit);
}
