namespace EmailApi.Faults.Scenarios;

/// <summary>F27: the queue of record is ours.</summary>
sealed class HangfireSchema() : Scenario(
    "hangfire", "The schema hangfire is dropped in the middle of sending: all mail is sent without a restart, and a node that starts in that state sends too.",
    new("mails", 6_000, 600), new("rate", 400, 400), new("relay-ms", 20, 20))
{
    public override async Task RunAsync(Run run)
    {
        await using var stage = await Stage.SetAsync(relayMs: run["relay-ms"]);
        var node = await stage.AddNodeAsync();
        using var clients = new Clients([node.Address], run["rate"], run.Cancel);

        var posting = clients.PostAsync(1, run["mails"]);
        while (stage.Relay.Mails.Count < run["mails"] / 2) await Task.Delay(5, run.Cancel);
        await stage.ExecuteAsync("drop schema hangfire cascade");
        await posting;
        await stage.SettleAsync(run.Cancel);
        var before = await BothEnds.CountAsync(stage, clients);

        var (_, took) = await node.StopAsync();
        await node.StartAsync();
        await clients.PostAsync(run["mails"] + 1, run["mails"] + 200);
        await stage.SettleAsync(run.Cancel);
        var ends = await BothEnds.CountAsync(stage, clients);
        run.AtLeast("sent without a restart", before.Sent.Count, run["mails"]);
        run.AtLeast("sent after a restart", ends.Sent.Count, run["mails"] + 200);
        ends.Judge(run, run["mails"] + 200);
        run.AtMost("doubled", ends.Doubled.Count, 0);
        run.AtMost("exit", took.TotalSeconds, 30, " s");
    }
}
