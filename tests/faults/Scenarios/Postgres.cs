namespace EmailApi.Faults.Scenarios;

/// <summary>F5: PostgreSQL breaks off and recovers.</summary>
sealed class Postgres() : Scenario(
    "postgres", "PostgreSQL is stopped at once (pg_ctl stop -m immediate) and started again while two nodes accept and send: nothing is lost, and sending goes on within 15 s.",
    new("mails", 12_000, 1_200), new("restarts", 10, 2), new("rate", 300, 300), new("down-ms", 1_000, 1_000), new("relay-ms", 5, 5))
{
    public override async Task RunAsync(Run run)
    {
        await using var cluster = await OwnCluster.StartAsync(run.Cancel);
        await using var stage = await Stage.SetAsync(cluster, run["relay-ms"]);
        await stage.AddNodesAsync(2);
        using var clients = new Clients(stage.Nodes.Select(n => n.Address), run["rate"], run.Cancel);
        var (again, recovery) = (TimeSpan.Zero, TimeSpan.Zero);

        var posting = clients.PostAsync(1, run["mails"]);
        for (var restart = 1; restart <= run["restarts"]; restart++)
        {
            while (clients.Answered.Count < (long)run["mails"] * restart / (run["restarts"] + 1) - run.Random.Next(20)) await Task.Delay(5, run.Cancel);
            await cluster.StopImmediatelyAsync(run.Cancel);
            await Task.Delay(run["down-ms"], run.Cancel);
            var startedAt = run.Elapsed;
            await cluster.StartAsync(run.Cancel);
            recovery = Longer(recovery, run.Elapsed - startedAt);
            again = Longer(again, await stage.UntilNextMailAsync(run.Cancel));
            run.Progress($"restart {restart}: {clients.Answered.Count} answered, {stage.Relay.Mails.Count} at the relay");
        }

        await posting;
        await stage.SettleAsync(run.Cancel);
        var ends = await BothEnds.CountAsync(stage, clients);
        ends.Judge(run, run["mails"]);
        run.Count("PostgreSQL's own recovery, at most", $"{recovery.TotalSeconds:0.0} s");
        run.AtMost("sending again after it is back, at most", again.TotalSeconds, 15, " s");
        run.AtMost("doubled", ends.Doubled.Count, 0);   // the nodes live, and keep what they know
    }

    static TimeSpan Longer(TimeSpan one, TimeSpan other) => one > other ? one : other;
}
