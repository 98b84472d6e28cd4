using EmailApi.Delivery;
using EmailApi.Tests.Support;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace EmailApi.Tests.Delivery;

/// <summary>Several relays are used in their order: the next takes the mail of one that is down, until it is back.</summary>
public sealed class StandInTests
{
    static Task<TestApp> StartAsync(FakeRelay second) => TestApp.StartAsync(
        "--EmailApi:Relays:1:Name=second", "--EmailApi:Relays:1:Host=127.0.0.1", $"--EmailApi:Relays:1:Port={second.Port}", "--EmailApi:Relays:1:Security=None");

    [Fact]
    public async Task A_node_that_died_is_recorded_with_the_relay_that_it_was_sending_through()
    {
        await using var app = await TestApp.StartAsync("--EmailApi:Role=api");   // claims are made by hand here
        var queue = app.Services.GetRequiredService<DeliveryQueue>();
        var (own, other) = (await app.SendAsync(), await app.SendAsync());
        await queue.ClaimAsync("test", 1, TestContext.Current.CancellationToken);
        await queue.ClaimAsync("test", 1, TestContext.Current.CancellationToken, standIn: "second");
        await app.ExecuteAsync("update queue set lease_until = now() - interval '1 second'");

        await app.Services.GetRequiredService<SweepQueue>().SettleDeadAsync(TestContext.Current.CancellationToken);

        Assert.Equal("test", (await app.Http.ListAsync($"/v1/emails/{own}/attempts"))[0].Text("relay"));
        Assert.Equal("second", (await app.Http.ListAsync($"/v1/emails/{other}/attempts"))[0].Text("relay"));
        await queue.ClaimAsync("test", 2, TestContext.Current.CancellationToken);
        Assert.Empty(await app.QueryAsync(db => db.Queue.Where(q => q.StandIn != null).ToListAsync()));   // a later claim for its own relay says so
    }

    [Fact]
    public async Task All_mail_leaves_through_the_first_while_it_is_up()
    {
        await using var second = FakeRelay.Start();
        await using var app = await StartAsync(second);

        for (var i = 0; i < 5; i++) await app.Http.WaitForStatusAsync(await app.SendAsync(), "sent");

        Assert.Equal((5, 0), (app.Relay.Mails.Count, second.Mails.Count));
    }

    [Fact]
    public async Task The_second_takes_all_mail_within_seconds_when_the_first_is_down_and_gives_back_what_comes_later()
    {
        await using var second = FakeRelay.Start();
        await using var app = await StartAsync(second);
        app.Relay.AnswerAt(RelayStep.Banner, "554 5.3.2 closed");

        var ids = await Task.WhenAll(Enumerable.Range(0, 30).Select(i => app.SendAsync($"r{i}@example.net")));
        foreach (var id in ids) await app.Http.WaitForStatusAsync(id, "sent");   // waits 20 s: the first retry without a stand-in comes after 51 s at least
        var sentBySecond = second.Mails.Count;
        app.Relay.AnswerAsUsual();
        await UntilAsync(async () =>
        {
            await app.Http.WaitForStatusAsync(await app.SendAsync(), "sent");
            return app.Relay.Mails.Count > 0;
        });
        var late = await app.SendAsync("late@example.net");
        await app.Http.WaitForStatusAsync(late, "sent");

        Assert.Equal(30, sentBySecond);
        Assert.Single(app.Relay.CopiesOf(late));
        Assert.Empty(second.CopiesOf(late));
        Assert.All(ids, id => Assert.Single(second.CopiesOf(id)));
    }

    [Fact]
    public async Task With_all_down_mail_waits_and_leaves_once_one_is_back()
    {
        await using var second = FakeRelay.Start();
        await using var app = await StartAsync(second);
        app.Relay.AnswerAt(RelayStep.Banner, "554 5.3.2 closed");
        second.AnswerAt(RelayStep.Banner, "554 5.3.2 closed");
        var ids = await Task.WhenAll(Enumerable.Range(0, 20).Select(i => app.SendAsync($"r{i}@example.net")));
        await UntilAsync(() => Task.FromResult(second.Connections.Count >= 5));

        second.AnswerAsUsual();
        await UntilAsync(async () =>
        {
            await app.ExecuteAsync("update queue set due_at = now() where due_at < 'infinity' and lease_until is null");
            return second.Mails.Count >= 20;
        });

        foreach (var id in ids) await app.Http.WaitForStatusAsync(id, "sent");
        Assert.All(ids, id => Assert.Single(second.CopiesOf(id)));
    }

    static Task UntilAsync(Func<Task<bool>> isSo) => Eventually.IsAsync(isSo, TimeSpan.FromSeconds(40));
}
