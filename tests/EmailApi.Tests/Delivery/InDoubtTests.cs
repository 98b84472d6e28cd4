using System.Text.Json.Nodes;
using EmailApi.Tests.Support;

namespace EmailApi.Tests.Delivery;

/// <summary>The connection was lost after the final dot and before its reply: nobody knows whether the relay has the mail.</summary>
public sealed class InDoubtTests(SharedApp shared) : IClassFixture<SharedApp>
{
    const string Lost = "in_doubt dot no reply";

    [Theory]
    [InlineData("take:close", 2)]
    [InlineData("take:reset", 2)]
    [InlineData("close", 1)]
    [InlineData("reset", 1)]
    public async Task By_the_rule_retry_it_goes_once_more_at_once_with_the_same_bytes(string loss, int copies)
    {
        await shared.BeginAsync();
        shared.Relay.AnswerAt(RelayStep.Dot, loss, times: 1);

        var id = await shared.App.SendAsync();
        await shared.Http.WaitForStatusAsync(id, "sent");

        Assert.Equal([Lost, "sent dot 250 2.0.0 Taken"], await shared.Http.AttemptsAsync(id));
        Assert.Equal(["accepted", "in_doubt", "sent"], await shared.Http.EventsAsync(id));
        var mails = shared.Relay.CopiesOf(id);
        Assert.Equal(copies, mails.Count);
        Assert.Single(mails.Select(m => m.MessageId).Distinct());
        Assert.Single(mails.Select(m => m.Text).Distinct());
    }

    [Theory]
    [InlineData("take:what?")]
    [InlineData("take:250-taken\r\n550 not taken")]
    [InlineData("take:354 go on")]
    [InlineData("take:600 six")]
    public async Task An_answer_to_the_dot_that_is_neither_yes_nor_no_is_none(string answer)
    {
        await shared.BeginAsync();
        shared.Relay.AnswerAt(RelayStep.Dot, answer, times: 1);

        var id = await shared.App.SendAsync(more: new() { ["stream"] = "hold" });
        await shared.Http.WaitForStatusAsync(id, "held");

        Assert.Equal([Lost], await shared.Http.AttemptsAsync(id));
        Assert.Equal(["accepted", "in_doubt", "held"], await shared.Http.EventsAsync(id));
    }

    [Theory]
    [InlineData("transactional")]
    [InlineData("hold")]
    [InlineData("stop")]
    public async Task A_metric_counts_it_whatever_the_rule_makes_of_it(string stream)
    {
        await shared.BeginAsync();
        shared.Relay.AnswerAt(RelayStep.Dot, "take:close", times: 1);
        using var doubts = new Measured(shared.App, "emailapi.recipients.in_doubt");

        await shared.App.SendAsync(more: new() { ["stream"] = stream });

        await Eventually.IsAsync(() => doubts.Sum == 1, TimeSpan.FromSeconds(20));
    }

    [Fact]
    public async Task In_doubt_a_second_time_it_is_held()
    {
        await shared.BeginAsync();
        shared.Relay.AnswerAt(RelayStep.Dot, "take:close", times: 2);

        var id = await shared.App.SendAsync();
        await shared.Http.WaitForStatusAsync(id, "held");
        await shared.App.RunDueAsync();

        Assert.Equal([Lost, Lost], await shared.Http.AttemptsAsync(id));
        Assert.Equal(["accepted", "in_doubt", "in_doubt", "held"], await shared.Http.EventsAsync(id));
        Assert.Equal(2, shared.Relay.CopiesOf(id).Count);
        Assert.Equal("in_doubt", (await shared.Http.RecipientAsync(id)).Text("reason"));
    }

    [Fact]
    public async Task A_doubt_is_remembered_over_a_deferral_in_between()
    {
        await shared.BeginAsync();
        shared.Relay.AnswerAt(RelayStep.Dot, "take:close", times: 1);
        shared.Relay.AnswerAt(RelayStep.Dot, "451 4.3.0 later", times: 1);
        shared.Relay.AnswerAt(RelayStep.Dot, "take:close", times: 1);

        var id = await shared.App.SendAsync();
        await shared.Http.WaitForStatusAsync(id, "deferred");
        await shared.App.RunDueAsync();
        await shared.Http.WaitForStatusAsync(id, "held");

        Assert.Equal([Lost, "deferred dot 451 4.3.0 later", Lost], await shared.Http.AttemptsAsync(id));
    }

    [Theory]
    [InlineData("hold", "held")]
    [InlineData("stop", "failed")]
    public async Task By_the_rules_hold_and_stop_it_never_goes_again_by_itself(string stream, string state)
    {
        await shared.BeginAsync();
        shared.Relay.AnswerAt(RelayStep.Dot, "take:close", times: 1);

        var id = await shared.App.SendAsync(more: new() { ["stream"] = stream });
        await shared.Http.WaitForStatusAsync(id, state);
        await shared.App.RunDueAsync();

        Assert.Equal([Lost], await shared.Http.AttemptsAsync(id));
        Assert.Equal(["accepted", "in_doubt", state], await shared.Http.EventsAsync(id));
        Assert.Single(shared.Relay.CopiesOf(id));
        Assert.Equal("in_doubt", (await shared.Http.RecipientAsync(id)).Text("reason"));
        Assert.Equal(state, await shared.Http.StatusAsync(id));
    }

    [Fact]
    public async Task Those_refused_at_RCPT_are_not_in_doubt()
    {
        await shared.BeginAsync();
        shared.Relay.Answer("gone@example.net", "550 5.1.1 unknown");
        shared.Relay.AnswerAt(RelayStep.Dot, "take:close", times: 1);

        var id = await shared.App.SendAsync(more: new() { ["to"] = new JsonArray("a@example.net", "gone@example.net"), ["stream"] = "stop" });
        await shared.Http.WaitForStatusAsync(id, "partial");

        Assert.Equal([Lost, "bounced rcpt 550 5.1.1 unknown"], await shared.Http.AttemptsAsync(id));
    }

    [Fact]
    public async Task A_relay_that_never_answers_the_dot_leaves_doubt_and_one_that_answers_late_does_not()
    {
        await using var app = await TestApp.StartAsync("--EmailApi:Relays:0:CommandTimeout=00:00:01", "--EmailApi:Relays:0:DataTimeout=00:00:05");
        app.Relay.AnswerAt(RelayStep.Dot, "delay:2000", times: 1);   // longer than any other reply may take

        var late = await app.SendAsync();
        await app.Http.WaitForStatusAsync(late, "sent");
        app.Relay.AnswerAt(RelayStep.Dot, "take:hang", times: 1);
        var never = await app.SendAsync();
        await app.Http.WaitForStatusAsync(never, "sent");

        Assert.Equal(["sent dot 250 2.0.0 Taken"], await app.Http.AttemptsAsync(late));
        Assert.Equal([Lost, "sent dot 250 2.0.0 Taken"], await app.Http.AttemptsAsync(never));
    }

    [Fact]
    public async Task A_relay_that_hangs_before_the_dot_defers_after_the_commands_time()
    {
        await using var app = await TestApp.StartAsync("--EmailApi:Relays:0:CommandTimeout=00:00:01");
        app.Relay.AnswerAt(RelayStep.Mail, "hang", times: 1);
        app.Relay.AnswerAt(RelayStep.Data, "hang", times: 1);

        var first = await app.SendAsync();
        await app.Http.WaitForStatusAsync(first, "deferred");
        var second = await app.SendAsync();
        await app.Http.WaitForStatusAsync(second, "deferred");

        Assert.Equal(["deferred mail no reply"], await app.Http.AttemptsAsync(first));
        Assert.Equal(["deferred data no reply"], await app.Http.AttemptsAsync(second));
    }
}
