namespace EmailApi.Faults.Scenarios;

/// <summary>F7: nobody knows whether it was committed.</summary>
sealed class CommitLost() : Scenario(
    "commit", "The connection to PostgreSQL is cut in place of the answer to a commit, again and again; clients repeat under the same key: nothing is lost, nothing stored twice or doubled.",
    new("mails", 6_000, 800), new("cuts", 200, 30), new("rate", 150, 150), new("relay-ms", 5, 5))
{
    public override async Task RunAsync(Run run)
    {
        await using var stage = await Stage.SetAsync(relayMs: run["relay-ms"]);
        await using var cutter = CommitCutter.Start(stage.ConnectionString, run.Seed);
        stage.NodesConnectionString = cutter.ConnectionString;
        await stage.AddNodesAsync(2);
        using var clients = new Clients(stage.Nodes.Select(n => n.Address), run["rate"], run.Cancel);

        await clients.PostAsync(1, 50);   // all statements are known by then
        cutter.Cut(run["cuts"], ofSoMany: 10);
        var last = 50;
        do
        {
            await clients.PostAsync(last + 1, last += run["mails"] / 4);
            run.Progress($"{clients.Answered.Count} answered, {cutter.Left} cuts left");
        }
        while (last < run["mails"] || cutter.Left > 0 && last < 4 * run["mails"]);
        var left = cutter.Left;
        cutter.Cut(0, 1);
        await stage.SettleAsync(run.Cancel);

        var ends = await BothEnds.CountAsync(stage, clients);
        ends.Judge(run, last);
        run.AtLeast("answers to a commit lost", run["cuts"] - left, run["cuts"]);
        run.Count("of those by what was committed", string.Join(", ", cutter.Cuts.Select(c => $"{c.Key} {c.Value}")));
        run.AtMost("doubled", ends.Doubled.Count, 0);
    }
}
