using EmailApi.Tests.Support;

namespace EmailApi.Faults.Scenarios;

/// <summary>F1, F2: what is answered is kept, what was in dialogue is marked.</summary>
sealed class Kill() : Scenario(
    "kill", "Nodes are killed with -9 while mail is accepted and sent: nothing is lost, and a double is a mail that was in dialogue at a kill, marked in_doubt.",
    new("mails", 20_000, 1_000), new("kills", 50, 3), new("rate", 500, 500), new("data-ms", 5, 5), new("dot-ms", 0, 0), new("nodes", 2, 2))
{
    static readonly TimeSpan SettledWithin = TimeSpan.FromSeconds(60);

    public override async Task RunAsync(Run run)
    {
        // A relay that takes its time for the dot doubles rate / nodes x dot-ms by itself: it has the mail, and nobody can know.
        await using var stage = await Stage.SetAsync(relayMs: run["dot-ms"]);
        stage.Relay.AnswerAt(RelayStep.Data, $"delay:{run["data-ms"]}");
        await stage.AddNodesAsync(run["nodes"]);
        using var clients = new Clients(stage.Nodes.Select(n => n.Address), run["rate"], run.Cancel);
        var (inDialogue, deadLeases) = (new HashSet<string>(), new HashSet<Guid>());

        var (between, loaded) = (run["mails"] / run["kills"], TimeSpan.Zero);
        clients.Allow(0);
        var posting = clients.PostAsync(1, run["mails"]);
        for (var kill = 1; kill <= run["kills"]; kill++)
        {
            // Each kill comes while more is being posted; the rest waits for the node, so that no kill falls into an idle time.
            var startedAt = run.Elapsed;
            clients.Allow(kill == run["kills"] ? int.MaxValue : kill * between);
            while (clients.Answered.Count < kill * between - between / 5 + run.Random.Next(between / 10)) await Task.Delay(2, run.Cancel);
            loaded += run.Elapsed - startedAt;

            var node = stage.Nodes[run.Random.Next(stage.Nodes.Count)];
            node.Kill();
            inDialogue.UnionWith((await stage.ListAsync<Guid>("select email_id from queue where lease_until is not null")).Select(id => $"em_{id:n}"));
            deadLeases.UnionWith(await stage.ListAsync<Guid>("select distinct lease_token from queue where lease_until is not null"));
            await node.StartAsync();
            run.Progress($"kill {kill}: {clients.Answered.Count} answered, {stage.Relay.Mails.Count} at the relay");
        }

        var lastKill = run.Elapsed;
        await posting;
        int stuck;   // none of these leases is ever taken again: with all of them gone there is nothing left to wait for
        while ((stuck = (await stage.ListAsync<Guid>("select lease_token from queue where lease_until is not null")).Count(deadLeases.Contains)) > 0 && run.Elapsed - lastKill < SettledWithin)
            await Task.Delay(500, run.Cancel);
        await stage.SettleAsync(run.Cancel);

        var ends = await BothEnds.CountAsync(stage, clients);
        ends.Judge(run, run["mails"]);
        run.Count("accepted a second before each kill", (int)(run["mails"] * 0.85 / loaded.TotalSeconds));
        run.Count("claimed at a kill", inDialogue.Count);
        run.AtMost("doubled outside a kill", ends.Doubled.Count(id => !inDialogue.Contains(id)), 0);
        // A node's first seconds are slow, and a short run has no others.
        run.AtMost("doubled by each kill, on average", (double)ends.Doubled.Count / run["kills"], run.IsShort ? 10 : 2);
        run.AtMost("stuck in sending after 60 s", stuck, 0);
    }
}
