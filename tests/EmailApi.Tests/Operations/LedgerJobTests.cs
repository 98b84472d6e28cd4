using EmailApi.Operations;
using EmailApi.Tests.Support;
using Microsoft.Extensions.DependencyInjection;

namespace EmailApi.Tests.Operations;

public sealed class LedgerJobTests
{
    static async Task LookAsync(TestApp app)
    {
        await using var scope = app.Services.CreateAsyncScope();
        await scope.ServiceProvider.GetRequiredService<LedgerJob>().RunAsync(CancellationToken.None);
    }

    static double Mismatches(TestApp app)
    {
        using var mismatches = new Measured(app, "emailapi.ledger.mismatches");
        return Assert.Single(mismatches.Now()).Value;
    }

    [Fact]
    public async Task Mail_that_is_open_and_in_no_queue_is_found_and_told_once()
    {
        await using var app = await TestApp.StartWithoutRelayAsync();   // it waits
        var lost = await app.SendAsync();
        await app.SendAsync();
        await app.ExecuteAsync($"delete from queue where email_id = '{Guid.Parse(lost[3..])}'");

        await LookAsync(app);
        await LookAsync(app);

        var events = (await app.GetAsync($"/v1/emails/{lost}/events")).GetProperty("data").EnumerateArray().ToList();
        Assert.Equal(["email.accepted", "ledger.mismatch"], events.Select(e => e.GetProperty("type").GetString()));
        Assert.Equal("open but not in the queue", events[1].GetProperty("reason").GetString());
        Assert.Equal(1, await app.QueryAsync(db => Task.FromResult(db.Events.Count(e => e.Type == "ledger.mismatch"))));
        Assert.Equal(1, Mismatches(app));
        Assert.False((await app.GetAsync("/v1/ledger")).GetProperty("balanced").GetBoolean());
    }

    [Fact]
    public async Task Mail_that_is_final_and_still_in_the_queue_is_found()
    {
        await using var app = await TestApp.StartWithoutRelayAsync();
        var id = await app.SendAsync();
        await app.ExecuteAsync("update recipients set state = 'sent', final_at = now()");

        await LookAsync(app);

        Assert.Equal("ledger.mismatch", (await app.GetAsync($"/v1/emails/{id}/events")).GetProperty("data")[1].GetProperty("type").GetString());
    }

    [Fact]
    public async Task Sent_and_waiting_mail_is_no_mismatch()
    {
        await using var app = await TestApp.StartAsync();
        await app.Http.WaitForStatusAsync(await app.SendAsync(), "sent");
        await app.SendAsync(more: new() { ["send_at"] = DateTimeOffset.UtcNow.AddHours(1).ToString("o") });

        await LookAsync(app);

        Assert.Equal(0, await app.QueryAsync(db => Task.FromResult(db.Events.Count(e => e.Type == "ledger.mismatch"))));
        Assert.Equal(0, Mismatches(app));
    }

    [Fact]
    public async Task The_age_of_the_oldest_due_mail_is_a_metric()
    {
        await using var app = await TestApp.StartWithoutRelayAsync();
        await app.SendAsync();
        await app.ExecuteAsync("update queue set due_at = now() - interval '90 seconds'");
        await app.StopAppAsync();
        await app.StartAppAsync();   // it looks at its start, and every 15 s

        using var ages = new Measured(app, "emailapi.queue.oldest_due.age");
        await Eventually.IsAsync(() => ages.Now().Count > 0, TimeSpan.FromSeconds(20));

        var (age, tags) = Assert.Single(ages.Now());
        Assert.Contains("lane=unrouted", tags, StringComparison.Ordinal);
        Assert.True(age >= 90, $"{age} s");
    }
}
