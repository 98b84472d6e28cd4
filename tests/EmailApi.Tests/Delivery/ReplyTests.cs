using System.Text.Json;
using System.Text.Json.Nodes;
using EmailApi.Delivery;
using EmailApi.Projects;
using EmailApi.Tests.Support;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace EmailApi.Tests.Delivery;

/// <summary>What each reply at each step makes of a recipient: DESIGN's table, case by case.</summary>
public sealed class ReplyTests(SharedApp shared) : IClassFixture<SharedApp>
{
    [Theory]
    [InlineData(RelayStep.Banner, "421 4.3.2 not now", "deferred banner 421 4.3.2 not now")]
    [InlineData(RelayStep.Banner, "554 5.7.1 not you", "deferred banner 554 5.7.1 not you")]
    [InlineData(RelayStep.Ehlo, "421 4.3.2 not now", "deferred ehlo 421 4.3.2 not now")]
    [InlineData(RelayStep.Ehlo, "550 5.7.1 not you", "deferred ehlo 550 5.7.1 not you")]
    [InlineData(RelayStep.Mail, "450 4.7.1 greylisted", "deferred mail 450 4.7.1 greylisted")]
    [InlineData(RelayStep.Mail, "421 4.3.2 not now", "deferred mail 421 4.3.2 not now")]
    [InlineData(RelayStep.Mail, "550 5.7.1 sender refused", "failed mail 550 5.7.1 sender refused")]
    [InlineData(RelayStep.Mail, "530 5.7.0 log in first", "failed mail 530 5.7.0 log in first")]
    [InlineData(RelayStep.Rcpt, "530 5.7.0 log in first", "bounced rcpt 530 5.7.0 log in first")]
    [InlineData(RelayStep.Rcpt, "450 4.2.1 busy", "deferred rcpt 450 4.2.1 busy")]
    [InlineData(RelayStep.Rcpt, "421 4.3.2 not now", "deferred rcpt 421 4.3.2 not now")]
    [InlineData(RelayStep.Rcpt, "452 4.2.2 full", "deferred rcpt 452 4.2.2 full")]
    [InlineData(RelayStep.Rcpt, "552 5.2.2 full", "deferred rcpt 552 5.2.2 full")]
    [InlineData(RelayStep.Rcpt, "550 5.1.1 unknown", "bounced rcpt 550 5.1.1 unknown")]
    [InlineData(RelayStep.Rcpt, "550 no enhanced code", "bounced rcpt 550 no enhanced code")]
    [InlineData(RelayStep.Data, "451 4.3.0 later", "deferred data 451 4.3.0 later")]
    [InlineData(RelayStep.Data, "421 4.3.2 not now", "deferred data 421 4.3.2 not now")]
    [InlineData(RelayStep.Data, "554 5.6.0 never", "bounced data 554 5.6.0 never")]
    [InlineData(RelayStep.Dot, "451 4.3.0 later", "deferred dot 451 4.3.0 later")]
    [InlineData(RelayStep.Dot, "421 4.3.2 not now", "deferred dot 421 4.3.2 not now")]
    [InlineData(RelayStep.Dot, "552 5.3.4 too big", "bounced dot 552 5.3.4 too big")]
    [InlineData(RelayStep.Dot, "554-5.7.1 two\r\n554 5.7.1 lines", "bounced dot 554 5.7.1 two 5.7.1 lines")]
    public async Task A_reply_leads_to_its_state_attempt_and_event(RelayStep step, string reply, string attempt)
    {
        await shared.BeginAsync();
        shared.Relay.AnswerAt(step, reply);
        var state = attempt.Split(' ')[0];

        var id = await shared.App.SendAsync();
        await shared.Http.WaitForStatusAsync(id, state);

        Assert.Equal([attempt], await shared.Http.AttemptsAsync(id));
        Assert.Equal(["accepted", state], await shared.Http.EventsAsync(id));
        var recipient = await shared.Http.RecipientAsync(id);
        Assert.Equal(attempt.Split(' ', 3)[2], MailFacts.Reply(recipient.GetProperty("last_reply")));
        Assert.Equal(state == "deferred", recipient.GetProperty("due_at").ValueKind is not JsonValueKind.Null);
        Assert.Equal(state switch { "failed" => "sender_refused", "bounced" => Why(reply), _ => "" }, recipient.Text("reason"));
        Assert.Empty(shared.Relay.CopiesOf(id));

        static string Why(string reply) => reply switch
        {
            "550 5.1.1 unknown" => "unknown_user",
            "552 5.3.4 too big" => "message_too_big",
            "554 5.6.0 never" => "content",
            "550 no enhanced code" => "undetermined",
            _ => "policy",
        };
    }

    [Theory]
    [InlineData(RelayStep.Connect, "close", "banner")]
    [InlineData(RelayStep.Connect, "reset", "banner", "connect")]   // a reset may be there before the connecting is over
    [InlineData(RelayStep.Ehlo, "close", "ehlo")]
    [InlineData(RelayStep.Mail, "close", "mail")]
    [InlineData(RelayStep.Rcpt, "close", "rcpt")]
    [InlineData(RelayStep.Data, "reset", "data")]
    public async Task A_connection_lost_before_the_final_dot_is_deferred_and_not_in_doubt(RelayStep step, string loss, string recordedStep, string? orStep = null)
    {
        await shared.BeginAsync();
        shared.Relay.AnswerAt(step, loss);

        var id = await shared.App.SendAsync();
        await shared.Http.WaitForStatusAsync(id, "deferred");

        Assert.Contains(Assert.Single(await shared.Http.AttemptsAsync(id)), new[] { $"deferred {recordedStep} no reply", $"deferred {orStep ?? recordedStep} no reply" });
        Assert.Equal(["accepted", "deferred"], await shared.Http.EventsAsync(id));
    }

    [Theory]
    [InlineData("close")]
    [InlineData("reset")]
    public async Task A_connection_lost_within_the_message_is_deferred(string loss)
    {
        await shared.BeginAsync();
        shared.Relay.AnswerAt(RelayStep.Body, loss);
        // More than the sockets' buffers hold: the dot cannot have been written when the connection goes.
        var attachment = new JsonObject { ["filename"] = "big.bin", ["content"] = Convert.ToBase64String(new byte[15_000_000]) };

        var id = await shared.App.SendAsync(more: new() { ["attachments"] = new JsonArray(attachment) });
        await shared.Http.WaitForStatusAsync(id, "deferred");

        Assert.Equal(["deferred data no reply"], await shared.Http.AttemptsAsync(id));
    }

    [Fact]
    public async Task A_relay_that_is_not_there_defers()
    {
        await shared.BeginAsync();
        await shared.Relay.StopAsync();

        var id = await shared.App.SendAsync();
        await shared.Http.WaitForStatusAsync(id, "deferred");
        shared.Relay.Restart();

        Assert.Equal(["deferred connect no reply"], await shared.Http.AttemptsAsync(id));
    }

    [Fact]
    public async Task A_long_reply_is_cut_between_characters_and_recorded()
    {
        await shared.BeginAsync();
        var start = new string('x', RelayReply.MaxTextLength - 1);
        shared.Relay.AnswerAt(RelayStep.Rcpt, $"550 5.1.1 {start}\U0001F4EA and more");

        var id = await shared.App.SendAsync();
        await shared.Http.WaitForStatusAsync(id, "bounced");

        Assert.Equal([$"bounced rcpt 550 5.1.1 {start}"], await shared.Http.AttemptsAsync(id));
    }

    [Fact]
    public async Task What_was_taken_is_recorded_though_the_rule_for_the_others_cannot_be_read()
    {
        await shared.BeginAsync();
        shared.Relay.Answer("busy@example.net", "451 4.3.2 try later");
        await using var source = Npgsql.NpgsqlDataSource.Create(shared.App.ConnectionString);
        await using var locker = await source.OpenConnectionAsync(TestContext.Current.CancellationToken);
        await using var transaction = await locker.BeginTransactionAsync(TestContext.Current.CancellationToken);
        shared.Relay.OnDot = async _ =>
        {
            await using var block = new Npgsql.NpgsqlCommand("lock table streams in access exclusive mode", locker);
            await block.ExecuteNonQueryAsync();
            var project = await shared.App.QueryAsync(db => db.Projects.Select(p => p.Id).FirstAsync());
            shared.App.Services.GetRequiredService<StreamCatalog>().Forget(project, "transactional");
        };

        var id = await shared.App.SendAsync(more: new() { ["to"] = new JsonArray("a@example.net", "busy@example.net") });
        await Eventually.IsAsync(async () => await shared.App.QueryAsync(db => db.Attempts.CountAsync(a => a.EmailId == id.ToGuid())) == 1, TimeSpan.FromSeconds(20));
        await transaction.RollbackAsync(TestContext.Current.CancellationToken);
        shared.Relay.OnDot = null;
        await shared.Http.WaitForStatusAsync(id, "deferred");

        Assert.Equal(["sent dot 250 2.0.0 Taken", "deferred rcpt 451 4.3.2 try later"], await shared.Http.AttemptsAsync(id));
    }

    [Fact]
    public async Task Recipients_of_one_transaction_have_each_their_own_answer()
    {
        await shared.BeginAsync();
        shared.Relay.Answer("gone@example.net", "550 5.1.1 unknown");
        shared.Relay.Answer("busy@example.net", "451 4.3.2 try later");
        shared.Relay.Answer("full@example.net", "552 5.2.2 full");

        var id = await shared.App.SendAsync(more: new() { ["to"] = new JsonArray("a@example.net", "gone@example.net", "busy@example.net", "full@example.net", "b@example.net") });
        await shared.Http.WaitForStatusAsync(id, "deferred");

        Assert.Equal(
            ["sent dot 250 2.0.0 Taken", "bounced rcpt 550 5.1.1 unknown", "deferred rcpt 451 4.3.2 try later", "deferred rcpt 552 5.2.2 full", "sent dot 250 2.0.0 Taken"],
            await shared.Http.AttemptsAsync(id));
        Assert.Equal(["a@example.net", "b@example.net"], shared.Relay.CopiesOf(id).SelectMany(m => m.Recipients).Order());
    }

    [Fact]
    public async Task Only_those_who_had_not_got_it_get_it_at_the_next_try()
    {
        await shared.BeginAsync();
        shared.Relay.Answer("busy@example.net", "451 4.3.2 try later", times: 1);

        var id = await shared.App.SendAsync(more: new() { ["to"] = new JsonArray("a@example.net", "busy@example.net") });
        await shared.Http.WaitForStatusAsync(id, "deferred");
        await shared.App.RunDueAsync();
        await shared.Http.WaitForStatusAsync(id, "sent");

        Assert.Equal([["a@example.net"], ["busy@example.net"]], shared.Relay.CopiesOf(id).Select(m => m.Recipients));
        Assert.Equal(["accepted", "accepted", "deferred", "sent", "sent"], (await shared.Http.EventsAsync(id)).Order());
    }

    [Fact]
    public async Task When_the_relay_refuses_the_content_those_refused_by_name_keep_their_own_reply()
    {
        await shared.BeginAsync();
        shared.Relay.Answer("busy@example.net", "451 4.3.2 try later");
        shared.Relay.AnswerAt(RelayStep.Dot, "554 5.6.0 content refused");

        var id = await shared.App.SendAsync(more: new() { ["to"] = new JsonArray("a@example.net", "busy@example.net") });
        await shared.Http.WaitForStatusAsync(id, "deferred");

        Assert.Equal(["bounced dot 554 5.6.0 content refused", "deferred rcpt 451 4.3.2 try later"], await shared.Http.AttemptsAsync(id));
    }
}
