using EmailApi.Tests.Support;

namespace EmailApi.Tests.Restore;

/// <summary>Copies of a cluster's files, recovery, and failover.</summary>
public sealed class LaidBackTests : IAsyncLifetime
{
    static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    readonly TemporaryFolder folder = new();
    RestoredCluster cluster = null!;
    TestApp relay = null!;
    TestApp node = null!;

    static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        cluster = await RestoredCluster.StartAsync();
        relay = await TestApp.StartAsync();
        await relay.StopAppAsync();   // only its relay is wanted
        node = await relay.StartNodeAsync($"--ConnectionStrings:EmailApi={cluster.ConnectionString}");
    }

    public async ValueTask DisposeAsync()
    {
        await node.DisposeAsync();
        await relay.DisposeAsync();
        await cluster.DisposeAsync();
        folder.Dispose();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Files_that_were_laid_back_are_held_whether_or_not_a_node_ran_meanwhile(bool runs)
    {
        await SendAsync();
        await cluster.StopAsync();
        await cluster.BackUpAsync();
        await cluster.StartAgainAsync();
        await SendAsync();
        await SawAsync();
        if (!runs) await node.StopAppAsync();

        await cluster.StopAsync();
        await cluster.LayBackAsync();
        await cluster.StartAgainAsync();
        if (!runs) await node.StartAppAsync();

        await HeldAsync();
        Assert.Contains("a node has seen it further on than it is", (await CommandAsync("status")).Output);
        Assert.Equal(0, (await CommandAsync("release")).ExitCode);
        await SendAsync();
    }

    [Fact]
    public async Task A_restart_of_the_server_and_a_failover_that_lost_nothing_hold_nothing()
    {
        await using var second = await relay.StartNodeAsync($"--ConnectionStrings:EmailApi={cluster.ConnectionString}");
        await SendAsync();
        await cluster.StopAsync();
        await cluster.StartAgainAsync();
        await SendAsync();

        await cluster.StopAsync();
        await cluster.StartAgainAsync(recover: true);

        await SendAsync();
        Assert.Equal(2, await node.QueryAsync(db => Task.FromResult(db.Set<EmailApi.Restore.Epoch>().Single().Timeline)));
    }

    [Fact]
    public async Task A_recovery_to_an_earlier_point_holds_all_mail()
    {
        await SendAsync();
        await cluster.StopAsync();
        await cluster.BackUpAsync();
        await cluster.StartAgainAsync();
        await SendAsync();

        await cluster.StopAsync();
        await cluster.LayBackAsync();
        await cluster.StartAgainAsync(recover: true);

        await HeldAsync();
        Assert.Contains("recovered to a point in time", (await CommandAsync("status")).Output);
    }

    [Fact]
    public async Task After_a_failover_a_node_that_is_gone_cannot_vouch_and_mail_is_held()
    {
        await SendAsync();
        await node.ExecuteAsync("insert into delivering_nodes (id, timeline) values (gen_random_uuid(), 1)");   // another, killed just now

        await cluster.StopAsync();
        await cluster.StartAgainAsync(recover: true);

        await HeldAsync();   // within the half minute that it had
    }

    [Fact]
    public async Task A_copy_of_the_whole_data_directory_is_held_and_the_directory_itself_is_not()
    {
        string[] settings = [.. Settings()];
        using (var first = await AppProcess.Start(folder.Path, settings).ReadyAsync()) Assert.Equal(0, await first.EndAsync());
        using (var restarted = await AppProcess.Start(folder.Path, settings).ReadyAsync())
        {
            Assert.DoesNotContain("restored", await restarted.Http.GetStringAsync("/readyz", Cancel));
            Assert.Equal(0, await restarted.EndAsync());
        }

        Directory.CreateDirectory(folder["copy"]);
        TemporaryFolder.Open(folder["copy"]);
        await RestoredCluster.CopyAsync(folder[".data"], Path.Combine(folder["copy"], ".data"));
        using (var copy = await AppProcess.Start(folder["copy"], settings).ReadyAsync())
        {
            Assert.Contains("restored", await copy.Http.GetStringAsync("/readyz", Cancel));
            Assert.Contains("This database was restored (the embedded cluster's files are copies)", copy.Output);
            Assert.Equal(0, (await AppCommand.RunAsync(folder["copy"], "restore", "release")).ExitCode);
            await Eventually.IsAsync(async () => !(await copy.Http.GetStringAsync("/readyz", Cancel)).Contains("restored", StringComparison.Ordinal), Limit);
            Assert.Equal(0, await copy.EndAsync());
        }

        using var again = await AppProcess.Start(folder["copy"], settings).ReadyAsync();
        Assert.DoesNotContain("restored", await again.Http.GetStringAsync("/readyz", Cancel));
        Assert.Equal(0, await again.EndAsync());
    }

    static IEnumerable<string> Settings() => ["--environment=Production", $"--EmailApi:Bootstrap:ApiKey={TestApp.Key}", $"--EmailApi:MasterKey={TestApp.MasterKey}"];

    /// <summary>A mail that goes through, as soon as the node has its database.</summary>
    async Task SendAsync()
    {
        var id = "";
        await Eventually.IsAsync(async () =>
        {
            using var answer = await node.PostAsync(TestApp.Mail());
            if (answer.IsSuccessStatusCode) id = (await answer.JsonAsync()).GetProperty("id").GetString()!;
            return answer.IsSuccessStatusCode;
        }, Limit);
        await Eventually.IsAsync(async () =>
        {
            using var answer = await node.Http.GetAsync($"/v1/emails/{id}", Cancel);   // 503 on a connection that the outage broke
            return answer.IsSuccessStatusCode && (await answer.JsonAsync()).GetProperty("status").GetString() == "sent";
        }, Limit);
    }

    /// <summary>The node looks how far the database is each second.</summary>
    static Task SawAsync() => Task.Delay(2500, Cancel);

    Task HeldAsync() => Eventually.IsAsync(async () =>
    {
        using var answer = await node.Http.GetAsync("/readyz", Cancel);
        return (await answer.Content.ReadAsStringAsync(Cancel)).Contains("restored", StringComparison.Ordinal);
    }, Limit);

    Task<AppCommand> CommandAsync(string command) => AppCommand.RunAsync(folder.Path, "restore", command, $"--ConnectionStrings:EmailApi={cluster.ConnectionString}");
}
