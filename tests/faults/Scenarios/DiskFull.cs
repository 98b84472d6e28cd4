using System.Diagnostics;
using Npgsql;

namespace EmailApi.Faults.Scenarios;

/// <summary>F19: no room for the tables, then none for the write-ahead log, at which PostgreSQL ends itself.</summary>
sealed class DiskFull() : Scenario(
    "disk-full", "The disk of the tables, then that of the write-ahead log is full for a while: new mail is told 503, nothing that was answered is lost, and it goes on within 30 s of room.",
    new("seconds", 30, 6), new("rate", 50, 50), new("relay-ms", 5, 5))
{
    const int DiskMegabytes = 160;
    static readonly TimeSpan FullWithin = TimeSpan.FromSeconds(60);

    public override async Task RunAsync(Run run)
    {
        run.Say("tables:");
        await FillAsync(run, isLog: false);
        run.Say("write-ahead log:");
        await FillAsync(run, isLog: true);
    }

    static async Task FillAsync(Run run, bool isLog)
    {
        await using var disk = await SmallDisk.MountAsync(DiskMegabytes, run.Cancel);
        await using var cluster = await OwnCluster.StartAsync(run.Cancel, new() { ["max_wal_size"] = "48MB", ["min_wal_size"] = "32MB" }, wal: isLog ? disk.Path : null);
        await using var stage = await Stage.SetAsync(cluster, run["relay-ms"], tablespace: isLog ? null : await TablesOnAsync(disk, cluster, run.Cancel));
        var node = await stage.AddNodeAsync();
        using var clients = new Clients([node.Address], run["rate"], run.Cancel);
        var posting = clients.PostAsync(1, int.MaxValue, clients: 4);
        await Task.Delay(TimeSpan.FromSeconds(2), run.Cancel);

        var watch = Stopwatch.StartNew();
        while (clients.Unavailable == 0 && watch.Elapsed < FullWithin)
        {
            disk.Fill();
            if (isLog) await UseUpAsync(stage.ConnectionString);
            await Task.Delay(50, run.Cancel);
        }

        var (answered, fullFor) = (clients.Answered.Count, Stopwatch.StartNew());
        while (fullFor.Elapsed < TimeSpan.FromSeconds(run["seconds"]))
        {
            disk.Fill();
            await Task.Delay(100, run.Cancel);
        }

        var whileFull = clients.Answered.Count - answered;
        disk.Free();
        var hasEnded = !cluster.IsRunning;
        if (hasEnded) await cluster.StartAsync(run.Cancel);
        var room = Stopwatch.StartNew();
        for (var had = clients.Answered.Count; clients.Answered.Count == had;) await Task.Delay(20, run.Cancel);
        var accepting = room.Elapsed;
        var sending = accepting + await stage.UntilNextMailAsync(run.Cancel);
        await Task.Delay(TimeSpan.FromSeconds(2), run.Cancel);
        clients.Stop();
        await posting;
        await stage.SettleAsync(run.Cancel);

        var ends = await BothEnds.CountAsync(stage, clients);
        run.AtLeast("requests told 503 or 409", clients.Unavailable, 1);
        run.Count("answered 202 while it was full", whileFull);
        run.Count("PostgreSQL ended itself", hasEnded ? "yes" : "no");
        ends.Judge(run, clients.Answered.Count);
        run.Count("longest wait for a 503", $"{clients.SlowestUnavailable.TotalSeconds:0.0} s");
        run.AtMost("accepting again after there is room", accepting.TotalSeconds, 30, " s");
        run.AtMost("sending again after there is room", sending.TotalSeconds, 30, " s");
    }

    static async Task<string> TablesOnAsync(SmallDisk disk, OwnCluster cluster, CancellationToken cancel)
    {
        var folder = Path.Combine(disk.Path, "tables");
        await Shell.RunAsync($"mkdir '{folder}' && chown --reference='{cluster.Directory}' '{folder}'", cancel);
        return folder;
    }

    /// <summary>Writes into the log, so that its last segment is soon used up.</summary>
    static async Task UseUpAsync(string connectionString)
    {
        try
        {
            await using var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(connectionString) { Pooling = false, Timeout = 2 }.ConnectionString);
            await connection.OpenAsync();
            await using var write = new NpgsqlCommand("select count(pg_logical_emit_message(false, 'fill', repeat('x', 1000000))) from generate_series(1, 20)", connection) { CommandTimeout = 5 };
            await write.ExecuteNonQueryAsync();
        }
        catch (NpgsqlException)
        {
            // That was the last of it.
        }
    }
}
