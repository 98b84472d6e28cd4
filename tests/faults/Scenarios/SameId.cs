using System.Net;
using EmailApi.Tests.Support;

namespace EmailApi.Faults.Scenarios;

/// <summary>F28: a claim is conditional.</summary>
sealed class SameId() : Scenario(
    "same-id", "The same mails are asked to be sent again by many callers at once on two nodes, which are woken all the while: each leaves once.",
    new("mails", 20, 10), new("calls", 1_000, 200))
{
    public override async Task RunAsync(Run run)
    {
        await using var stage = await Stage.SetAsync();
        await stage.AddNodesAsync(2);
        using var clients = new Clients(stage.Nodes.Select(n => n.Address), 0, run.Cancel);
        stage.Relay.AnswerAt(RelayStep.Rcpt, "550 5.7.1 not now");
        await clients.PostAsync(1, run["mails"]);
        await stage.SettleAsync(run.Cancel);
        stage.Relay.AnswerAsUsual();

        var (taken, others) = (0, 0);
        await Parallel.ForEachAsync(Enumerable.Range(0, run["calls"]), new ParallelOptions { MaxDegreeOfParallelism = 20, CancellationToken = run.Cancel }, async (call, cancel) =>
        {
            var id = clients.Answered[1 + call % run["mails"]];
            using var answer = await stage.Nodes[call / run["mails"] % 2].Process.Http.PostAsync($"/v1/emails/{id}/retry", null, cancel);
            if (answer.IsSuccessStatusCode) Interlocked.Increment(ref taken);
            else if (answer.StatusCode is not HttpStatusCode.Conflict) Interlocked.Increment(ref others);
            await stage.ExecuteAsync("notify emailapi_queue");
        });
        await stage.SettleAsync(run.Cancel);

        var ends = await BothEnds.CountAsync(stage, clients);
        ends.Judge(run, run["mails"]);
        run.AtMost("doubled", ends.Doubled.Count, 0);
        run.AtMost("calls that were taken", taken, run["mails"]);
        run.AtMost("answers other than 200 and 409", others, 0);
    }
}
