namespace EmailApi.Faults.Scenarios;

/// <summary>F22: an update of two nodes, one after the other, that nobody notices.</summary>
sealed class Rolling() : Scenario(
    "rolling", "Two nodes are stopped (SIGTERM) and started again in turn under load; clients go to the other when the connection is refused: no request fails, no mail is doubled.",
    new("restarts", 20, 2), new("rate", 200, 200), new("relay-ms", 20, 20))
{
    public override async Task RunAsync(Run run)
    {
        await using var stage = await Stage.SetAsync(relayMs: run["relay-ms"]);
        await stage.AddNodesAsync(2);
        using var clients = new Clients(stage.Nodes.Select(n => n.Address), run["rate"], run.Cancel);
        var (slowest, wrongExits) = (TimeSpan.Zero, 0);

        var posting = clients.PostAsync(1, int.MaxValue);
        for (var restart = 1; restart <= run["restarts"]; restart++)
        {
            await Task.Delay(500 + run.Random.Next(500), run.Cancel);
            var node = stage.Nodes[restart % 2];
            var (exitCode, took) = await node.StopAsync();
            if (exitCode != 0) wrongExits++;
            if (took > slowest) slowest = took;
            await node.StartAsync();
            run.Progress($"restart {restart}: {clients.Answered.Count} answered, exit after {took.TotalSeconds:0.0} s; requests refused {clients.Refused}, cut {clients.Cut}, told to wait {clients.Unavailable}");
        }

        clients.Stop();
        await posting;
        await stage.SettleAsync(run.Cancel);
        var ends = await BothEnds.CountAsync(stage, clients);
        ends.Judge(run, clients.Answered.Count);
        run.AtMost("failed requests", clients.Cut + clients.Unavailable, 0);
        run.AtMost("doubled", ends.Doubled.Count, 0);
        run.AtMost("in doubt", ends.Doubted.Count, 0);
        run.AtMost("exit, at most", slowest.TotalSeconds, 30, " s");
        run.AtMost("exits with another code than 0", wrongExits, 0);
    }
}
