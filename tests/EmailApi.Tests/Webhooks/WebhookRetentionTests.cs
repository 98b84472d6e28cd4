using EmailApi.Data;
using EmailApi.Operations;
using EmailApi.Tests.Operations;
using EmailApi.Tests.Support;
using EmailApi.Webhooks;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace EmailApi.Tests.Webhooks;

/// <summary>Calls go after 30 days, or with the mail that they tell of.</summary>
public sealed class WebhookRetentionTests : IAsyncLifetime
{
    TestApp app = null!;

    public async ValueTask InitializeAsync() => app = await TestApp.StartAsync();

    public ValueTask DisposeAsync() => app.DisposeAsync();

    static CancellationToken Cancel => TestContext.Current.CancellationToken;

    Task<int> AddCallAsync(string email) => app.QueryAsync(db => db.Database.ExecuteSqlAsync($"""
        insert into webhook_calls (id, webhook_id, project_id, email_id, event_id, type, attempt, at, duration_ms, url, timestamp, request, outcome)
        values ({Guid.CreateVersion7()}, {Guid.NewGuid()}, 1, {email.ToGuid()}, 'ev', 'email.sent', 1, now() - interval '60 days', 1, 'https://hooks.example', 1, 'body', 'succeeded')
        """, Cancel));

    async Task HousekeepAsync()
    {
        await using var scope = app.Services.CreateAsyncScope();
        await scope.ServiceProvider.GetRequiredService<HousekeepingJob>().RunAsync(Cancel);
    }

    [Fact]
    public async Task Weeks_of_calls_that_are_over_for_30_days_are_dropped_and_no_other()
    {
        await app.AddAsync(OldMail.Ago(60));   // makes the weeks of that time
        var partitions = app.Services.GetRequiredService<Partitions>();
        var before = await partitions.WeeksAsync(Cancel, WebhookCall.Table);

        await app.RunRetentionAsync(Cancel);
        var after = await partitions.WeeksAsync(Cancel, WebhookCall.Table);

        Assert.Contains(before, w => w.EndsAt < OldMail.Ago(30));
        Assert.DoesNotContain(after, w => w.EndsAt < OldMail.Ago(30));
        Assert.Equal(before.Where(w => w.EndsAt > OldMail.Ago(30)), after);
        Assert.Equal(Partitions.WeeksAhead, await partitions.WeeksReadyAsync(Cancel));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Calls_go_with_their_mail(bool onlyThisMail)
    {
        await app.ExecuteAsync("update streams set keep_metadata = interval '7 days', keep_events = interval '7 days', keep_content = interval '7 days'");
        await app.ExecuteAsync("insert into streams (project_id, name, priority, life, in_doubt) values (1, 'kept', 100, interval '48 hours', 'retry')");
        var gone = (await app.AddAsync(OldMail.Ago(60)))[0];
        var kept = (await app.AddAsync(OldMail.Ago(onlyThisMail ? 60 : 1), "kept"))[0];
        await AddCallAsync(gone);
        await AddCallAsync(kept);

        await app.RunRetentionAsync(Cancel);

        Assert.Equal([kept.ToGuid()], await app.QueryAsync(db => db.WebhookCalls.Select(c => c.EmailId!.Value).ToListAsync(Cancel)));
    }

    [Fact]
    public async Task What_waits_for_a_webhook_that_was_removed_or_was_given_up_long_ago_is_cleared_away()
    {
        var (webhook, now) = (Guid.CreateVersion7(), DateTimeOffset.UtcNow);
        await app.QueryAsync(async db =>
        {
            db.Webhooks.Add(new() { Id = webhook, ProjectId = 1, Url = "https://hooks.example", Events = ["*"], Secret = [1], DisabledAt = now, DisabledReason = WebhookOff.ByHand });
            db.WebhookQueue.AddRange(Call(webhook, 1, null), Call(webhook, 2, now.AddDays(-29)), Call(webhook, 3, now.AddDays(-31)), Call(Guid.NewGuid(), 4, null), Call(Guid.NewGuid(), 5, null));
            return await db.SaveChangesAsync(Cancel);
        });

        await HousekeepAsync();

        Assert.Equal([1, 2], await app.QueryAsync(db => db.WebhookQueue.Select(q => q.Sequence).Order().ToListAsync(Cancel)));

        static QueuedCall Call(Guid webhook, int sequence, DateTimeOffset? failedAt) =>
            new() { WebhookId = webhook, EmailId = Guid.NewGuid(), N = 1, Sequence = sequence, ProjectId = 1, DueAt = DateTimeOffset.UtcNow.AddDays(1), FailedAt = failedAt };
    }
}
