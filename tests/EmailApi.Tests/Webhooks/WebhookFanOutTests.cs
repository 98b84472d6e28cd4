using System.Text.Json.Nodes;
using EmailApi.Tests.Support;
using Microsoft.EntityFrameworkCore;

namespace EmailApi.Tests.Webhooks;

/// <summary>Each event exactly once into the queue, whoever turns it.</summary>
public sealed class WebhookFanOutTests
{
    [Fact]
    public async Task Two_nodes_beside_eight_writers_tell_every_event_once()
    {
        await using var test = await WebhookApp.StartAsync();
        await using var second = await test.App.StartNodeAsync(WebhookApp.Loopback);
        await test.AddAsync();
        await Task.WhenAll(Enumerable.Range(0, 8).Select(async _ =>
        {
            for (var i = 0; i < 15; i++) await test.App.SendAsync(more: new() { ["cc"] = "hanako@example.jp" });
        }));

        const int expected = 8 * 15 * 2 * 2;
        var calls = await test.CallsAsync(expected);
        await test.App.UntilAsync(async db => !await db.WebhookQueue.AnyAsync());

        Assert.Equal(expected, test.Receiver.Calls.Count);
        Assert.Equal(expected, calls.Select(c => c.Id).Distinct().Count());
        Assert.Equal(expected, await test.App.QueryAsync(db => db.WebhookCalls.CountAsync()));
    }

    [Fact]
    public async Task An_event_whose_transaction_commits_late_is_told()
    {
        await using var test = await WebhookApp.StartAsync();
        await test.AddAsync();
        await using var connection = await test.App.ConnectAsync();
        var mail = await test.App.SendAsync();
        await test.CallsAsync(2);
        await using var open = await connection.BeginTransactionAsync();
        await using (var insert = new Npgsql.NpgsqlCommand("insert into events (email_id, n, sequence, project_id, type) select id, 1, 99, project_id, 'email.opened' from emails", connection, open)) await insert.ExecuteNonQueryAsync();
        await test.App.SendAsync();
        await Task.Delay(500);

        await open.CommitAsync();

        Assert.Equal($"ev_{mail[3..]}_1_99", Assert.Single(await test.CallsAsync(1, "email.opened")).Id);
        Assert.Equal(5, (await test.CallsAsync(5)).Count);
    }

    [Fact]
    public async Task A_restart_goes_on_with_what_waits()
    {
        await using var test = await WebhookApp.StartAsync();
        test.Receiver.OnCall = WebhookReceiver.Hang;
        await test.AddAsync(more: new() { ["events"] = new JsonArray("email.accepted") });
        for (var i = 0; i < 30; i++) await test.App.SendAsync();
        await test.CallsAsync(20);   // all that one may have at once

        await test.App.StopAppAsync();
        test.Receiver.OnCall = null;
        await test.App.StartAppAsync();
        await test.App.UntilAsync(async db => !await db.WebhookQueue.AnyAsync());

        Assert.Equal(30, test.Receiver.Calls.Select(c => c.Id).Distinct().Count());
        Assert.Equal(30, await test.App.QueryAsync(db => db.WebhookCalls.CountAsync()));
    }

    [Fact]
    public async Task While_a_restored_database_is_held_nothing_is_told()
    {
        await using var test = await WebhookApp.StartAsync();
        var id = (await test.AddAsync(more: new() { ["events"] = new JsonArray("email.accepted") })).Text("id");
        await test.App.SendAsync();
        await test.DeliveriesAsync(id, 1);
        await test.App.ExecuteAsync("update epoch set held_at = now(), held_for = 'by_hand', transaction = pg_current_xact_id()");
        await test.App.SendAsync();
        await test.App.UntilAsync(db => db.WebhookQueue.AnyAsync());
        await Task.Delay(1500);
        var whileHeld = test.Receiver.Calls.Count;

        await test.App.ExecuteAsync("update epoch set held_at = null, held_for = null, transaction = pg_current_xact_id()");
        await test.DeliveriesAsync(id, 2);

        Assert.Equal((1, 2), (whileHeld, test.Receiver.Calls.Count));
    }

    [Fact]
    public async Task A_database_without_webhooks_keeps_nothing_of_them()
    {
        await using var test = await WebhookApp.StartAsync();
        await test.App.SendAsync();
        var id = (await test.AddAsync(more: new() { ["enabled"] = false })).Text("id");
        await test.App.SendAsync();
        await test.App.RunDueAsync();
        await Eventually.IsAsync(async () => await test.App.QueryAsync(db => db.WebhookFeeds.AnyAsync(f => f.Ordinal > 0)), TimeSpan.FromSeconds(20));   // one that is off is not told later

        (await test.App.Http.DeleteAsync($"/v1/webhooks/{id}")).Dispose();

        Assert.False(await test.App.QueryAsync(db => db.WebhookFeeds.AnyAsync()));
        Assert.False(await test.App.QueryAsync(db => db.WebhookQueue.AnyAsync()));
    }
}
