using System.Net;
using System.Text.Json.Nodes;
using EmailApi.Emails;
using EmailApi.Tests.Support;
using Microsoft.EntityFrameworkCore;
using Npgsql;

namespace EmailApi.Tests.Restore;

/// <summary>A database that was restored: nothing leaves until a person releases it, and what left before does not leave again.</summary>
public sealed class RestoreTests : IAsyncLifetime
{
    static readonly TimeSpan Limit = TimeSpan.FromSeconds(20);
    static readonly string[] Sent = ["email.accepted", "email.sent"];

    readonly TemporaryFolder folder = new();
    TestApp app = null!;
    string clone = "";

    static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => app = await TestApp.StartAsync();

    public async ValueTask DisposeAsync()
    {
        await app.DisposeAsync();
        if (clone != "") await TestDatabase.DropAsync(clone);
        folder.Dispose();
    }

    [Fact]
    public async Task A_clone_starts_held_says_so_and_accepts()
    {
        await app.WaitForAsync(await app.SendAsync(), RecipientState.Sent);
        await using var restored = await RestoreAsync();

        var late = await restored.SendAsync();

        using var answer = await restored.Http.GetAsync("/readyz", Cancel);
        var ready = await answer.JsonAsync();
        Assert.Equal((HttpStatusCode.OK, "ready"), (answer.StatusCode, ready.GetProperty("status").GetString()));
        Assert.Equal(["restored"], ready.GetProperty("details").EnumerateArray().Select(d => d.GetString()!));
        using (var held = new Measured(restored, "emailapi.restore.held")) Assert.Equal(1, Assert.Single(held.Now()).Value);
        var ledger = await restored.GetAsync("/v1/ledger");
        Assert.True(ledger.GetProperty("balanced").GetBoolean());
        Assert.Equal(1, ledger.GetProperty("waiting").GetProperty("queued").GetInt32());
        var doctor = await CommandAsync("doctor", "--quick", $"--EmailApi:MasterKey={TestApp.MasterKey}");
        Assert.Single(doctor.Lines, l => l.StartsWith("WRONG restore: nothing leaves this database since ", StringComparison.Ordinal) && l.Contains("a clone: do: see `EmailApi restore status`", StringComparison.Ordinal));
        Assert.Equal([RecipientState.Queued], await restored.StatesAsync(late));
        Assert.Single(app.Relay.Mails);
    }

    [Fact]
    public async Task Released_what_was_open_is_held_in_doubt_and_what_came_since_goes_out()
    {
        var (sent, open, scheduled) = await BackupAsync();
        await using var restored = await RestoreAsync();
        var late = await restored.SendAsync("late@example.jp");

        var status = await CommandAsync("restore", "status");
        var release = await CommandAsync("restore", "release");
        var again = await CommandAsync("restore", "release");

        Assert.StartsWith("Held since ", status.Output);
        Assert.Contains("\n1 recipient of the backup ", status.Output);
        Assert.Contains("\n1 recipient accepted since", status.Output);
        Assert.StartsWith("Released; nodes go on within seconds. 1 recipient that may have left after the backup: held in doubt.", release.Output);
        Assert.Equal((0, 0, 0, "Nothing is held; there is nothing to release.\n"), (status.ExitCode, release.ExitCode, again.ExitCode, again.Output));
        await restored.WaitForAsync(late, RecipientState.Sent);   // without a restart
        Assert.Equal(Sent, await EventsAsync(restored, sent));
        Assert.Equal(["email.accepted", "email.deferred", "email.in_doubt", "email.held"], await EventsAsync(restored, open));
        var held = (await restored.GetAsync($"/v1/emails/{open}/events")).GetProperty("data");
        Assert.Equal(("restored", "in_doubt"), (held[2].GetProperty("reason").GetString(), held[3].GetProperty("reason").GetString()));
        Assert.Equal([RecipientState.Scheduled], await restored.StatesAsync(scheduled));
        Assert.True((await restored.GetAsync("/v1/ledger")).GetProperty("balanced").GetBoolean());

        app.Relay.AnswerAsUsual();
        using var retried = await restored.Http.PostAsync($"/v1/emails/{open}/retry", null, Cancel);
        await restored.WaitForAsync(open, RecipientState.Sent);
        Assert.Equal(["busy@example.jp", "late@example.jp", "taro@example.jp"], app.Relay.Mails.SelectMany(m => m.Recipients).Order(StringComparer.Ordinal));
        Assert.DoesNotContain("restored", await restored.Http.GetStringAsync("/readyz", Cancel));
    }

    [Theory]
    [InlineData("send", RecipientState.Sent, "email.accepted email.deferred email.sent")]
    [InlineData("cancel", RecipientState.Canceled, "email.accepted email.deferred email.canceled")]
    public async Task The_release_may_send_or_cancel_what_was_open(string open, RecipientState state, string events)
    {
        var (_, id, scheduled) = await BackupAsync();
        await using var restored = await RestoreAsync();
        app.Relay.AnswerAsUsual();

        Assert.Equal(0, (await CommandAsync("restore", "release", "--open", open)).ExitCode);
        await restored.ExecuteAsync("update queue set due_at = now() where due_at < now() + interval '1 hour'");

        await restored.WaitForAsync(id, state);
        Assert.Equal(events.Split(' '), await EventsAsync(restored, id));
        Assert.Equal([RecipientState.Scheduled], await restored.StatesAsync(scheduled));
    }

    [Fact]
    public async Task Mail_that_was_being_sent_when_the_backup_was_made_is_in_doubt()
    {
        app.Relay.AnswerAt(RelayStep.Mail, "hang");
        var id = await app.SendAsync();
        await app.UntilAsync(db => db.Queue.AnyAsync(q => q.LeaseUntil != null));
        await app.Relay.StopAsync();   // the node dies with it; its lease is in the backup
        await app.QueryAsync(db => db.Database.ExecuteSqlRawAsync("update queue set lease_until = now() + interval '1 hour', lease_token = gen_random_uuid()"));
        await using var restored = await RestoreAsync();

        await CommandAsync("restore", "release");

        await restored.WaitForAsync(id, RecipientState.Held);
        Assert.Equal("in_doubt", await restored.QueryAsync(db => db.Recipients.Select(r => r.Reason).SingleAsync()));
    }

    [Fact]
    public async Task Life_does_not_run_out_while_it_is_held_and_begins_anew_with_the_release()
    {
        await using var restored = await RestoreAsync();
        var ordinary = await restored.SendAsync();
        var limited = await restored.SendAsync(more: new() { ["expires_at"] = DateTimeOffset.UtcNow.AddHours(1).ToString("o") });
        await restored.ExecuteAsync("update queue set expires_at = now() - interval '1 minute'");
        await Task.Delay(2500, Cancel);   // two rounds of the sweeper
        Assert.Equal([RecipientState.Queued], await restored.StatesAsync(ordinary));
        Assert.Equal([RecipientState.Queued], await restored.StatesAsync(limited));

        await CommandAsync("restore", "release");

        await restored.WaitForAsync(ordinary, RecipientState.Sent);
        await restored.WaitForAsync(limited, RecipientState.Expired);
    }

    [Fact]
    public async Task Under_running_nodes_rows_that_were_loaded_from_a_dump_hold_all_mail()
    {
        await using var node = await app.StartNodeAsync();
        await app.WaitForAsync(await app.SendAsync(), RecipientState.Sent);

        await app.ExecuteAsync("begin; create temp table dump on commit drop as select * from epoch; truncate epoch; insert into epoch select * from dump; commit");
        var late = await app.SendAsync("late@example.jp");

        await Eventually.IsAsync(async () => (await app.Http.GetStringAsync("/readyz", Cancel)).Contains("restored", StringComparison.Ordinal), Limit);
        Assert.Contains("restored", await node.Http.GetStringAsync("/readyz", Cancel));
        Assert.Equal([RecipientState.Queued], await app.StatesAsync(late));
        Assert.Equal(0, (await AppCommand.RunAsync(folder.Path, "restore", "release", $"--ConnectionStrings:EmailApi={app.ConnectionString}")).ExitCode);
        await app.SendAsync("later@example.jp");
        await app.Relay.WaitForAsync(2);
    }

    [Fact]
    public async Task A_person_can_hold_all_mail_before_a_node_starts()
    {
        await app.StopAppAsync();
        Assert.Contains("Held since ", (await AppCommand.RunAsync(folder.Path, "restore", "hold", $"--ConnectionStrings:EmailApi={app.ConnectionString}")).Output);

        await app.StartAppAsync();
        var id = await app.SendAsync();
        Assert.Contains("restored", await app.Http.GetStringAsync("/readyz", Cancel));

        await AppCommand.RunAsync(folder.Path, "restore", "release", "--open=send", $"--ConnectionStrings:EmailApi={app.ConnectionString}");
        await app.WaitForAsync(id, RecipientState.Sent);
    }

    [Fact]
    public async Task A_restart_is_no_restore()
    {
        await app.WaitForAsync(await app.SendAsync(), RecipientState.Sent);

        await app.StopAppAsync();
        await app.StartAppAsync();

        await app.WaitForAsync(await app.SendAsync(), RecipientState.Sent);
    }

    /// <summary>A mail that was sent, one that the relay put off, and one for next year.</summary>
    async Task<(string Sent, string Open, string Scheduled)> BackupAsync()
    {
        app.Relay.Answer("busy@example.jp", "451 4.3.2 Try later");
        var sent = await app.SendAsync();
        var open = await app.SendAsync("busy@example.jp");
        var scheduled = await app.SendAsync("future@example.jp", new JsonObject { ["send_at"] = DateTimeOffset.UtcNow.AddDays(30).ToString("o") });
        await app.WaitForAsync(sent, RecipientState.Sent);
        await app.WaitForAsync(open, RecipientState.Deferred);
        return (sent, open, scheduled);
    }

    /// <summary>A node on a copy of the database, and none on the first any more.</summary>
    async Task<TestApp> RestoreAsync()
    {
        await app.StopAppAsync();
        await TestDatabase.RunAsync($"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{new NpgsqlConnectionStringBuilder(app.ConnectionString).Database}'", Cancel);
        clone = await TestDatabase.CreateAsync(new NpgsqlConnectionStringBuilder(app.ConnectionString).Database, Cancel);
        return await app.StartNodeAsync($"--ConnectionStrings:EmailApi={clone}");
    }

    Task<AppCommand> CommandAsync(params string[] arguments) => AppCommand.RunAsync(folder.Path, [.. arguments, $"--ConnectionStrings:EmailApi={clone}"]);

    static async Task<IEnumerable<string>> EventsAsync(TestApp app, string id) =>
        (await app.GetAsync($"/v1/emails/{id}/events")).GetProperty("data").EnumerateArray().Select(e => e.GetProperty("type").GetString()!);
}
