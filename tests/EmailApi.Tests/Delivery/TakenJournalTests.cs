using System.Net.Http.Json;
using EmailApi.Delivery.Journal;
using EmailApi.Tests.Support;
using Npgsql;

namespace EmailApi.Tests.Delivery;

/// <summary>A node that is killed after a relay's yes and before the record: what it knew is in its data directory.</summary>
public sealed class TakenJournalTests : IAsyncLifetime
{
    static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    readonly TemporaryFolder folder = new();
    FakeRelay relay = null!;
    string database = "";

    static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        relay = FakeRelay.Start();
        database = await TestDatabase.CreateAsync(await TestDatabase.TemplateAsync("migrated", TestApp.MigrateAsync));
    }

    public async ValueTask DisposeAsync()
    {
        await relay.DisposeAsync();
        await TestDatabase.DropAsync(database);
        folder.Dispose();
    }

    [Fact]
    public async Task What_a_relay_took_from_a_killed_node_is_sent_and_not_in_doubt()
    {
        string id;
        using (var node = await StartAsync())
        {
            id = await KilledBeforeRecordingAsync(node);
            await File.AppendAllTextAsync(Assert.Single(Left()), "{\"EmailId\":\"0197", Cancel);   // it was writing as it was killed
        }

        using (var next = await StartAsync())
        {
            await next.Http.WaitForStatusAsync(id, "sent", Limit);
            Assert.Equal(["accepted", "sent"], await next.Http.EventsAsync(id));
            Assert.Equal(["sent dot 250 2.0.0 Taken"], await next.Http.AttemptsAsync(id));
            await Eventually.IsAsync(() => Left().Length == 0, Limit);
            await next.Http.AssertBalancedAsync(accepted: 1);
            Assert.Equal(0, await next.EndAsync());
        }

        Assert.Single(relay.Mails);
    }

    [Fact]
    public async Task A_node_that_ends_in_order_leaves_nothing_behind()
    {
        using var node = await StartAsync();
        await node.Http.WaitForStatusAsync(await SendAsync(node), "sent", Limit);
        Assert.Single(Left());

        Assert.Equal(0, await node.EndAsync());

        Assert.Empty(Left());
    }

    [Fact]
    public async Task A_living_nodes_file_is_left_alone()
    {
        using var node = await StartAsync();
        await node.Http.WaitForStatusAsync(await SendAsync(node), "sent", Limit);

        Assert.Null(TakenFile.OpenIfLeft(Assert.Single(Left())));
    }

    string[] Left() => Directory.GetFiles(folder[".data"], TakenFile.Pattern);

    Task<AppProcess> StartAsync() => AppProcess.Start(folder.Path, AppProcess.Production(database, relay)).ReadyAsync();

    /// <summary>Nothing can be recorded while the relay takes the mail and the node is killed.</summary>
    /// <returns>The mail's id.</returns>
    async Task<string> KilledBeforeRecordingAsync(AppProcess node)
    {
        await using var source = NpgsqlDataSource.Create(database);
        await using var locker = await source.OpenConnectionAsync(Cancel);
        await using var transaction = await locker.BeginTransactionAsync(Cancel);
        await using (var block = new NpgsqlCommand("lock table attempts in access exclusive mode", locker)) await block.ExecuteNonQueryAsync(Cancel);

        var id = await SendAsync(node);
        await Eventually.IsAsync(() => Left() is [var file] && new FileInfo(file).Length > 0, Limit);
        node.Kill();
        await using var end = source.CreateCommand("select pg_terminate_backend(pid) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()");
        await end.ExecuteNonQueryAsync(Cancel);
        return id;
    }

    static async Task<string> SendAsync(AppProcess node)
    {
        using var answer = await node.Http.PostAsJsonAsync("/v1/emails", TestApp.Mail(), Cancel);
        return (await answer.JsonAsync()).Text("id");
    }
}
