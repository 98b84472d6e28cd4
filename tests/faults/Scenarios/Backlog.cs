using System.Diagnostics;
using EmailApi.Tests.Support;

namespace EmailApi.Faults.Scenarios;

/// <summary>F3: what a dead node was sending does not wait behind the backlog.</summary>
sealed class Backlog() : Scenario(
    "backlog", "A node is killed with a backlog waiting, and started again: what it was sending goes again within 45 s, and not behind the backlog.",
    new("mails", 10_000, 1_500), new("nodes", 2, 2), new("relay-ms", 2_000, 2_000))
{
    public override async Task RunAsync(Run run)
    {
        await using var stage = await Stage.SetAsync(relayMs: run["relay-ms"]);
        await stage.AddNodesAsync(run["nodes"]);
        using var clients = new Clients(stage.Nodes.Select(n => n.Address), 0, run.Cancel);
        var (posted, waiting) = (0, 0L);
        while (waiting < run["mails"])
        {
            await clients.PostAsync(posted + 1, posted += Math.Max(200, run["mails"] - (int)waiting));
            waiting = await stage.AskAsync<long>("select count(*) from queue where lease_until is null");
        }

        var node = stage.Nodes[0];
        var before = stage.Relay.Connections.Count;
        node.Kill();
        var sinceKill = Stopwatch.StartNew();
        var leased = await stage.ListAsync<Guid>("select lease_token from queue where lease_until is not null");
        var restarting = node.StartAsync();
        // Of what was being sent before and still is: the other node's goes on and ends within the relay's time.
        await Task.Delay(TimeSpan.FromMilliseconds(3 * run["relay-ms"]), run.Cancel);
        var abandoned = await stage.ListAsync<Guid>($"select email_id from queue where lease_until is not null and lease_token in ({string.Join(", ", leased.Append(Guid.Empty).Select(t => $"'{t}'"))})");
        await restarting;
        while (!stage.Relay.Mails.Any(m => m.ConnectionNumber > before)) await Task.Delay(50, run.Cancel);
        var first = sinceKill.Elapsed;
        while (await stage.AskAsync<long>($"select count(*) from recipients where email_id in ({string.Join(", ", abandoned.Append(Guid.Empty).Select(id => $"'{id}'"))}) and state <> 'sent'") > 0) await Task.Delay(100, run.Cancel);
        var last = sinceKill.Elapsed;
        var left = await stage.AskAsync<long>("select count(*) from queue");

        stage.Relay.AnswerAsUsual();
        await stage.SettleAsync(run.Cancel);
        var ends = await BothEnds.CountAsync(stage, clients);
        ends.Judge(run, posted);
        run.AtLeast("waiting at the kill", waiting, run["mails"]);
        run.Count("being sent at the kill", abandoned.Count);
        run.AtMost("the new process sends after", first.TotalSeconds, 45, " s");
        run.AtMost("all that was abandoned is sent after", last.TotalSeconds, 45, " s");
        run.AtLeast("still waiting then", left, run["mails"] / 2);
        run.AtMost("doubled that was not being sent", ends.Doubled.Count(id => !abandoned.Contains(id.ToGuid())), 0);
    }
}
