using System.Diagnostics;

namespace EmailApi.Faults.Scenarios;

/// <summary>F8: no database for a while.</summary>
sealed class Away() : Scenario(
    "away", "The database is away for a while under load: the API says 503 within 1 s, memory and processor stay quiet, and sending goes on within 15 s of its return.",
    new("seconds", 120, 8), new("rate", 50, 50), new("relay-ms", 50, 50))
{
    public override bool IsAlone => true;

    public override async Task RunAsync(Run run)
    {
        await using var cluster = await OwnCluster.StartAsync(run.Cancel);
        await using var stage = await Stage.SetAsync(cluster, run["relay-ms"]);
        var node = await stage.AddNodeAsync();
        using var clients = new Clients([node.Address], run["rate"], run.Cancel);
        var posting = clients.PostAsync(1, int.MaxValue, clients: 4);
        await Task.Delay(TimeSpan.FromSeconds(5), run.Cancel);

        await cluster.StopAsync();
        await Task.Delay(TimeSpan.FromSeconds(2), run.Cancel);
        var (memory, processor, since, most) = (node.MemoryBytes, node.ProcessorTime, run.Elapsed, 0L);
        var (asked, slowest, others) = (0, TimeSpan.Zero, 0);
        while (run.Elapsed - since < TimeSpan.FromSeconds(run["seconds"]))
        {
            var startedAt = Stopwatch.GetTimestamp();
            using var answer = await node.Process.Http.GetAsync("/v1/emails", run.Cancel);
            if (Stopwatch.GetElapsedTime(startedAt) is var took && took > slowest) slowest = took;
            if ((int)answer.StatusCode != 503) others++;
            asked++;
            most = Math.Max(most, node.MemoryBytes);
            await Task.Delay(250, run.Cancel);
        }

        var used = (node.ProcessorTime - processor) / (run.Elapsed - since);
        await cluster.StartAsync(run.Cancel);
        var again = await stage.UntilNextMailAsync(run.Cancel);
        await Task.Delay(TimeSpan.FromSeconds(2), run.Cancel);
        clients.Stop();
        await posting;
        await stage.SettleAsync(run.Cancel);

        var ends = await BothEnds.CountAsync(stage, clients);
        ends.Judge(run, clients.Answered.Count);
        run.AtMost("doubled", ends.Doubled.Count, 0);
        run.AtMost($"answers other than 503 of {asked}", others, 0);
        run.AtMost("longest wait for a 503 (GET)", slowest.TotalSeconds, 1, " s");
        run.AtMost("longest wait for a 503 (POST)", clients.SlowestUnavailable.TotalSeconds, 1, " s");
        run.AtMost("memory grown while away", (most - memory) / 1e6, 50, " MB");
        run.AtMost("processor while away, of one", 100 * used, 20, " %");
        run.AtMost("sending again after it is back", again.TotalSeconds, 15, " s");
    }
}
