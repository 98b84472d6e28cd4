using EmailApi.Tests.Support;

namespace EmailApi.Faults.Scenarios;

/// <summary>F13: a relay that thinks for long about the final dot.</summary>
sealed class LateDot() : Scenario(
    "late-dot", "The relay answers the final dot late: each mail is waited for, and there is one copy of each.",
    new("mails", 20, 20), new("seconds", 150, 35))   // longer than a lease
{
    public override async Task RunAsync(Run run)
    {
        await using var stage = await Stage.SetAsync();
        stage.Relay.AnswerAt(RelayStep.Dot, $"delay:{run["seconds"] * 1000}");
        await stage.AddNodesAsync(2, "--EmailApi:Relays:0:MaxConnections=10");
        using var clients = new Clients(stage.Nodes.Select(n => n.Address), 0, run.Cancel);

        await clients.PostAsync(1, run["mails"]);
        await stage.SettleAsync(run.Cancel);

        var ends = await BothEnds.CountAsync(stage, clients);
        ends.Judge(run, run["mails"]);
        run.Must("a copy of each", stage.Relay.Mails.Count == run["mails"], $"{stage.Relay.Mails.Count}");
        run.AtMost("doubled", ends.Doubled.Count, 0);
        run.AtMost("in doubt", ends.Doubted.Count, 0);
    }
}
