using System.Text.Json.Nodes;
using EmailApi.Delivery;
using EmailApi.Emails;
using EmailApi.Tests.Support;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace EmailApi.Tests.Delivery;

/// <summary>Whose a recipient is: claims, leases, and what becomes of those a dead node left behind.</summary>
public sealed class LeaseTests(SharedApp shared) : IClassFixture<SharedApp>
{
    static readonly TimeSpan Limit = TimeSpan.FromSeconds(20);

    static CancellationToken Cancel => TestContext.Current.CancellationToken;

    TestApp App => shared.App;

    [Fact]
    public async Task Two_nodes_send_each_mail_once()
    {
        await using var app = await TestApp.StartAsync();
        await using var other = await app.StartNodeAsync();
        app.Relay.AnswerAt(RelayStep.Dot, "delay:2");

        var batches = await Task.WhenAll(Enumerable.Range(0, 6).Select(async b =>
        {
            var mails = new JsonArray([.. Enumerable.Range(0, 50).Select(i => TestApp.Mail($"r{b}-{i}@example.net"))]);
            using var answer = await (b % 2 == 0 ? app : other).PostAsync(mails, "/v1/emails/batch");
            return answer.StatusCode;
        }));
        await app.Relay.WaitForAsync(300, TimeSpan.FromSeconds(40));
        await app.RunDueAsync();

        Assert.All(batches, status => Assert.Equal(System.Net.HttpStatusCode.Accepted, status));
        Assert.Equal(300, app.Relay.Mails.Select(m => m.MessageId).Distinct().Count());
        Assert.Equal(300, app.Relay.Mails.Count);
        Assert.Equal(300, await app.QueryAsync(db => db.Attempts.CountAsync(a => a.Outcome == RecipientState.Sent)));
        await app.Http.AssertBalancedAsync(accepted: 300);
    }

    [Fact]
    public async Task A_worker_that_lost_its_lease_to_another_cannot_record()
    {
        await shared.BeginAsync();
        var (id, answer) = await InDialogueAsync();

        await UpdateQueueAsync(id, "lease_token = gen_random_uuid()");   // as another node's claim leaves it
        answer("250 2.0.0 Taken");
        await NothingUnderWayAsync();

        Assert.Equal(["accepted"], await shared.Http.EventsAsync(id));
        Assert.Equal("sending", await shared.Http.StatusAsync(id));
        await UpdateQueueAsync(id, "lease_until = null");
        await shared.Http.WaitForStatusAsync(id, "sent");
    }

    [Theory]
    [InlineData("250 2.0.0 Taken", "sent")]
    [InlineData("451 4.3.0 later", "held")]
    [InlineData("554 5.6.0 never", "held")]
    public async Task A_reply_that_comes_after_the_lease_died_counts_when_it_is_a_yes(string reply, string state)
    {
        await shared.BeginAsync();
        var (id, answer) = await InDialogueAsync("hold");

        await DieAsync(id, "held");
        answer(reply);
        await NothingUnderWayAsync();

        string[] expected = state == "sent" ? ["accepted", "in_doubt", "held", "sent"] : ["accepted", "in_doubt", "held"];
        Assert.Equal(expected, await shared.Http.EventsAsync(id));
        Assert.Equal(state, await shared.Http.StatusAsync(id));
    }

    [Theory]
    [InlineData("transactional", "sent")]
    [InlineData("hold", "held")]
    [InlineData("stop", "failed")]
    public async Task A_dead_nodes_mail_is_in_doubt_and_the_streams_rule_decides(string stream, string state)
    {
        await shared.BeginAsync();
        var id = await LaterAsync(stream);

        await UpdateQueueAsync(id, "lease_until = now() + interval '1 hour', lease_token = gen_random_uuid(), claims = 1");
        var before = await shared.Http.StatusAsync(id);
        await UpdateQueueAsync(id, "lease_until = now() - interval '1 second'");
        await App.Services.GetRequiredService<SweepQueue>().SettleDeadAsync(Cancel);
        await shared.Http.WaitForStatusAsync(id, state);

        Assert.Equal("sending", before);
        string[] expected = state == "sent" ? ["accepted", "scheduled", "in_doubt", "sent"] : ["accepted", "scheduled", "in_doubt", state];
        Assert.Equal(expected, await shared.Http.EventsAsync(id));
    }

    [Fact]
    public async Task A_dead_nodes_mail_does_not_wait_behind_the_backlog()
    {
        await using var app = await TestApp.StartAsync("--EmailApi:Relays:0:MaxConnections=1", "--EmailApi:Role=api");
        var first = await app.SendAsync();
        await app.ExecuteAsync("update queue set lease_until = now() - interval '1 second', lease_token = gen_random_uuid(), claims = 1");
        var later = await app.SendAsync();

        await app.Services.GetRequiredService<SweepQueue>().SettleDeadAsync(Cancel);
        var claimed = await app.Services.GetRequiredService<DeliveryQueue>().ClaimAsync("test", 1, Cancel);

        Assert.Equal("in_doubt", (await app.Http.EventsAsync(first))[^1]);
        Assert.Equal([first.ToGuid()], claimed.Select(c => c.Id).ToArray());
        Assert.Equal("queued", await app.Http.StatusAsync(later));
    }

    [Fact]
    public async Task Mails_whose_node_died_twice_go_apart_so_that_one_does_not_take_the_others_along()
    {
        await using var app = await TestApp.StartAsync("--EmailApi:Role=api");
        for (var i = 0; i < 5; i++) await app.SendAsync();
        await app.ExecuteAsync("update queue set lease_until = now() - interval '1 second', lease_token = gen_random_uuid(), claims = 2");

        await app.Services.GetRequiredService<SweepQueue>().SettleDeadAsync(Cancel);
        var dueAt = await app.QueryAsync(db => db.Queue.Select(q => q.DueAt).ToListAsync());

        Assert.Equal(5, dueAt.Distinct().Count());
        Assert.All(dueAt, at => Assert.InRange(at, DateTimeOffset.UtcNow.AddMinutes(-1), DateTimeOffset.UtcNow.AddMinutes(1)));
    }

    [Fact]
    public async Task A_mail_whose_node_died_three_times_is_poison()
    {
        await shared.BeginAsync();
        var id = await LaterAsync();

        await UpdateQueueAsync(id, "lease_until = now() - interval '1 second', lease_token = gen_random_uuid(), claims = 3");
        await App.Services.GetRequiredService<SweepQueue>().SettleDeadAsync(Cancel);

        Assert.Equal("failed", await shared.Http.StatusAsync(id));
        Assert.Equal("poison", (await shared.Http.RecipientAsync(id)).Text("reason"));
    }

    /// <summary>Deaths alone go on to the third, which tells a mail that kills its node.</summary>
    [Theory]
    [InlineData(1, 0, "in_doubt")]
    [InlineData(2, 1, "in_doubt")]
    [InlineData(1, 1, "held")]
    [InlineData(2, 2, "held")]
    public async Task A_mail_that_was_in_doubt_before_its_node_died_is_held(int claims, int doubts, string state)
    {
        await using var app = await TestApp.StartAsync("--EmailApi:Role=api");
        var id = await app.SendAsync();
        await app.ExecuteAsync($"update queue set lease_until = now() - interval '1 second', lease_token = gen_random_uuid(), claims = {claims}, doubts = {doubts}");

        await app.Services.GetRequiredService<SweepQueue>().SettleDeadAsync(Cancel);

        Assert.Equal(state, await app.Http.StatusAsync(id));
    }

    [Fact]
    public async Task A_node_that_has_just_started_leaves_the_leases_of_others_alone()
    {
        await using var app = await TestApp.StartAsync("--EmailApi:Role=api");   // no sweeper of its own in the way
        var id = await app.SendAsync();
        await app.ExecuteAsync("update queue set lease_until = now() - interval '1 second', lease_token = gen_random_uuid(), claims = 1");

        await app.Services.GetRequiredService<SweepQueue>().SweepAsync(Cancel);

        Assert.Equal(["accepted"], await app.Http.EventsAsync(id));
    }

    [Fact]
    public async Task Leases_are_renewed_while_a_dialogue_lasts()
    {
        await shared.BeginAsync();
        var (id, answer) = await InDialogueAsync();

        var first = await LeaseAsync(id);
        using var late = new CancellationTokenSource(Limit);
        while (await LeaseAsync(id) == first) await Task.Delay(100, late.Token);
        answer("250 2.0.0 Taken");
        await shared.Http.WaitForStatusAsync(id, "sent");

        Assert.Equal(["accepted", "sent"], await shared.Http.EventsAsync(id));
    }

    [Fact]
    public async Task No_more_is_claimed_than_there_are_free_connections()
    {
        await using var app = await TestApp.StartAsync("--EmailApi:Relays:0:MaxConnections=3");
        var goOn = new TaskCompletionSource();
        var waiting = 0;
        app.Relay.OnDot = _ => { Interlocked.Increment(ref waiting); return goOn.Task; };

        await Task.WhenAll(Enumerable.Range(0, 30).Select(i => app.SendAsync($"r{i}@example.net")));
        using var late = new CancellationTokenSource(Limit);
        while (waiting < 3) await Task.Delay(10, late.Token);
        var leased = await app.QueryAsync(db => db.Queue.CountAsync(q => q.LeaseUntil != null));
        goOn.SetResult();
        await app.Relay.WaitForAsync(30);

        Assert.Equal(3, leased);
        Assert.InRange(app.Relay.Commands.Select(c => c.ConnectionNumber).Distinct().Count(), 1, 3);
    }

    /// <summary>A mail whose final dot the relay has read.</summary>
    /// <returns>Its id, and what lets the relay answer.</returns>
    async Task<(string Id, Action<string> Answer)> InDialogueAsync(string stream = "transactional")
    {
        var (arrived, goOn) = (new TaskCompletionSource(), new TaskCompletionSource());
        shared.Relay.OnDot = _ => { arrived.TrySetResult(); return goOn.Task; };
        var id = await App.SendAsync(more: new() { ["stream"] = stream });
        await arrived.Task.WaitAsync(Limit, Cancel);
        return (id, reply =>
        {
            shared.Relay.AnswerAt(RelayStep.Dot, reply, times: 1);
            shared.Relay.OnDot = null;
            goOn.SetResult();
        }
        );
    }

    Task<string> LaterAsync(string stream = "transactional") =>
        App.SendAsync(more: new() { ["stream"] = stream, ["send_at"] = DateTimeOffset.UtcNow.AddHours(1).ToString("O", System.Globalization.CultureInfo.InvariantCulture) });

    Task<int> UpdateQueueAsync(string id, string set) => App.ExecuteAsync($"update queue set {set} where email_id = '{id["em_".Length..]}'");

    Task<DateTimeOffset?> LeaseAsync(string id) =>
        App.QueryAsync(db => db.Queue.Where(q => q.EmailId == Guid.ParseExact(id.Substring("em_".Length), "n")).Select(q => q.LeaseUntil).SingleAsync());

    /// <summary>Lets the lease die and be settled; a renewal may come in between, so it is tried until it holds.</summary>
    async Task DieAsync(string id, string state)
    {
        using var late = new CancellationTokenSource(Limit);
        while (await shared.Http.StatusAsync(id) != state)
        {
            await UpdateQueueAsync(id, "lease_until = now() - interval '1 second'");
            await App.Services.GetRequiredService<SweepQueue>().SettleDeadAsync(late.Token);
        }
    }

    async Task NothingUnderWayAsync()
    {
        using var late = new CancellationTokenSource(Limit);
        while (App.Services.GetRequiredService<EmailSender>().Sending > 0 || App.Services.GetRequiredService<OutcomeRecorder>().Pending > 0) await Task.Delay(10, late.Token);
    }
}
