using EmailApi.Pauses;
using EmailApi.Tests.Support;
using Microsoft.EntityFrameworkCore;
using Npgsql;

namespace EmailApi.Tests.Delivery;

/// <summary>Connections are kept open, bounded, and left alone when the relay cannot be reached.</summary>
public sealed class ConnectionTests
{
    [Theory]
    [InlineData("close")]
    [InlineData("reset")]
    [InlineData("421 4.4.2 idle for too long")]
    [InlineData("554 5.4.2 tired")]   // not a refusal of the next mail's sender
    public async Task A_kept_connection_that_the_relay_closed_is_no_failure_and_makes_no_double(string ending)
    {
        await using var app = await TestApp.StartAsync();
        app.Relay.AnswerAt(RelayStep.Idle, ending);

        var ids = new List<string>();
        for (var i = 0; i < 3; i++)
        {
            ids.Add(await app.SendAsync());
            await app.Http.WaitForStatusAsync(ids[^1], "sent");
        }

        foreach (var id in ids)
        {
            Assert.Equal(["sent dot 250 2.0.0 Taken"], await app.Http.AttemptsAsync(id));
            Assert.Single(app.Relay.CopiesOf(id));
        }
    }

    [Fact]
    public async Task Mails_share_connections_and_never_more_than_allowed()
    {
        await using var app = await TestApp.StartAsync("--EmailApi:Relays:0:MaxConnections=3");
        app.Relay.AnswerAt(RelayStep.Dot, "delay:5");

        var ids = await Task.WhenAll(Enumerable.Range(0, 60).Select(i => app.SendAsync($"r{i}@example.net")));
        await app.Relay.WaitForAsync(60);
        foreach (var id in ids) await app.Http.WaitForStatusAsync(id, "sent");

        Assert.InRange(app.Relay.Commands.Select(c => c.ConnectionNumber).Distinct().Count(), 1, 3);   // at the start there was a look at it, without a word
        Assert.Equal(60, app.Relay.Mails.Count);
    }

    [Fact]
    public async Task A_relay_that_is_away_is_probed_a_little_and_gets_the_mail_when_it_is_back()
    {
        await using var app = await TestApp.StartAsync();
        app.Relay.AnswerAt(RelayStep.Banner, "554 5.3.2 closed");

        var ids = await Task.WhenAll(Enumerable.Range(0, 60).Select(i => app.SendAsync($"r{i}@example.net")));
        await WaitForConnectionsAsync(app.Relay, 13);   // a look at the start, ten at once, then a probe after 1 s and one after 2 s more
        app.Relay.AnswerAsUsual();
        var untried = 60 - app.Relay.Connections.Count + 1;   // the look at the start was none
        await app.Relay.WaitForAsync(untried, TimeSpan.FromSeconds(20));   // with the next probe, 4 s later
        await app.RunDueAsync();

        foreach (var id in ids) await app.Http.WaitForStatusAsync(id, "sent");
        Assert.Equal(60, app.Relay.Mails.Count);
        Assert.True(untried > 30, $"{60 - untried} connections were tried while the relay refused all.");
        await app.Http.AssertBalancedAsync(accepted: 60);
    }

    [Fact]
    public async Task A_relay_that_was_stopped_and_started_again_gets_each_mail_once()
    {
        await using var app = await TestApp.StartAsync();
        await app.Http.WaitForStatusAsync(await app.SendAsync(), "sent");

        await app.Relay.StopAsync();
        var id = await app.SendAsync();
        await app.Http.WaitForStatusAsync(id, "deferred");
        app.Relay.Restart();
        await app.RunDueAsync();
        await app.Http.WaitForStatusAsync(id, "sent");

        Assert.Single(app.Relay.CopiesOf(id));
        Assert.Equal(["deferred connect no reply", "sent dot 250 2.0.0 Taken"], await app.Http.AttemptsAsync(id));
    }

    [Fact]
    public async Task No_more_mails_a_second_than_the_relay_may_get()
    {
        await using var app = await TestApp.StartAsync("--EmailApi:Relays:0:RatePerSecond=10");

        await Task.WhenAll(Enumerable.Range(0, 30).Select(i => app.SendAsync($"r{i}@example.net")));
        var mails = await app.Relay.WaitForAsync(30);

        // One second's worth at once, then 10 a second; what a slow machine adds only lengthens it.
        var (first, last) = (app.Relay.Commands[0].At, mails.Max(m => m.At));
        Assert.True(last - first >= TimeSpan.FromSeconds(1.8), $"30 mails at 10 a second took only {last - first}.");
    }

    [Fact]
    public async Task A_stop_ends_the_claims_and_finishes_the_dialogue()
    {
        await using var app = await TestApp.StartAsync("--EmailApi:Relays:0:MaxConnections=1");
        var inDialogue = new TaskCompletionSource();
        var goOn = new TaskCompletionSource();
        app.Relay.OnDot = async _ => { inDialogue.TrySetResult(); await goOn.Task; };
        var first = await app.SendAsync("first@example.net");
        await inDialogue.Task.WaitAsync(TimeSpan.FromSeconds(10), TestContext.Current.CancellationToken);
        var second = await app.SendAsync("second@example.net");

        var stopping = app.StopAppAsync();
        await Task.Delay(300, TestContext.Current.CancellationToken);
        Assert.False(stopping.IsCompleted);
        goOn.SetResult();
        await stopping.WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken);
        var atStop = app.Relay.Mails.Count;
        await app.StartAppAsync();
        await app.Http.WaitForStatusAsync(second, "sent");

        Assert.Equal(1, atStop);
        Assert.Equal(["accepted", "sent"], await app.Http.EventsAsync(first));
        Assert.Equal(["accepted", "sent"], await app.Http.EventsAsync(second));
        Assert.Equal(2, app.Relay.Mails.Count);
    }

    [Fact]
    public async Task A_claim_that_is_under_way_at_the_stop_is_sent_and_recorded()
    {
        await using var app = await TestApp.StartAsync();
        var id = await app.SendAsync(more: new() { ["send_at"] = DateTimeOffset.UtcNow.AddHours(1).ToString("O", System.Globalization.CultureInfo.InvariantCulture) });
        await using var holder = await app.ConnectAsync();
        await using (var hold = new NpgsqlCommand($"begin; {PauseSql.LockAlone}", holder)) await hold.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
        await app.ExecuteAsync("update queue set due_at = now()");
        await Eventually.IsAsync(() => app.QueryAsync(db => db.Database.SqlQuery<bool>($"select exists(select from pg_locks where locktype = 'advisory' and not granted) as \"Value\"").SingleAsync()), TimeSpan.FromSeconds(20));

        var stopping = app.StopAppAsync();
        await Task.Delay(3000, TestContext.Current.CancellationToken);   // a stop that does not wait for the claim is past it by now
        await using (var release = new NpgsqlCommand("rollback", holder)) await release.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
        await stopping.WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);
        await app.StartAppAsync();
        await app.Http.WaitForStatusAsync(id, "sent");

        Assert.Equal(["accepted", "scheduled", "sent"], await app.Http.EventsAsync(id));
        Assert.Single(app.Relay.CopiesOf(id));
    }

    static Task WaitForConnectionsAsync(FakeRelay relay, int count) => Eventually.IsAsync(() => relay.Connections.Count >= count, TimeSpan.FromSeconds(20));
}
