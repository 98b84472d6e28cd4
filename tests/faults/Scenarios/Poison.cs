using System.Diagnostics;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Nodes;
using EmailApi.Tests.Support;

namespace EmailApi.Faults.Scenarios;

/// <summary>F17: one mail ends every process that sends it, one throws, one freezes its process.</summary>
sealed class Poison() : Scenario(
    "poison", "A mail whose node is killed (-9) each time, one that throws and one whose node freezes each time: each is failed, reason poison, after three claims, and the others flow at 95 % of the rate without them.",
    new("seconds", 60, 5), new("rate", 60, 40), new("freezes", 1, 0), new("relay-ms", 5, 5))
{
    const string Deadly = "deadly@example.net", Throwing = "throwing@example.net", Freezing = "freezing@example.net";

    public override async Task RunAsync(Run run)
    {
        await using var stage = await Stage.SetAsync(relayMs: run["relay-ms"]);
        // It is about what is sent: what is accepted does not go through those that die. The time is longer than a lease.
        await Task.WhenAll(stage.AddNodeAsync("--EmailApi:Role=api"), stage.AddNodesAsync(3, "--EmailApi:Role=worker", "--EmailApi:Relays:0:CommandTimeout=00:00:40"));
        var door = stage.Nodes[0];
        using var clients = new Clients([door.Address], run["rate"], run.Cancel);
        await stage.ExecuteAsync("""
            insert into streams (project_id, name, priority, life, in_doubt, retry) select id, 'hasty', 100, interval '48 hours', 'retry', array[interval '5 seconds'] from projects
            """);
        var ids = new Dictionary<string, string> { [Deadly] = await LaterAsync(stage, Deadly), [Throwing] = await LaterAsync(stage, Throwing) };
        if (run["freezes"] > 0) ids[Freezing] = await LaterAsync(stage, Freezing);
        await stage.ExecuteAsync($"update contents set document = 'no document'::bytea where email_id = '{ids[Throwing].ToGuid()}'");
        var (killed, frozen) = (0, 0);
        var repairs = new List<Task>();
        stage.Relay.Answer(Freezing, "hang");
        stage.Relay.OnCommand = command =>
        {
            // The relay sees the recipient, and its node is gone before there is an answer.
            if (command.Line.Contains(Deadly, StringComparison.Ordinal) && stage.NodeOf(command.ConnectionNumber) is { } node)
            {
                node.Kill();
                Interlocked.Increment(ref killed);
                lock (repairs) repairs.Add(Task.Run(() => node.StartAsync()));
            }
            else if (command.Line.Contains(Freezing, StringComparison.Ordinal) && stage.NodeOf(command.ConnectionNumber) is { } stuck)
            {
                Interlocked.Increment(ref frozen);
                lock (repairs) repairs.Add(FreezeAsync(stage, stuck, ids[Freezing], run.Cancel));
            }

            return Task.CompletedTask;
        };

        // Without them, with them, each as long as the three claims take at least.
        run.Progress($"{ids.Count} mails stored that are poison");
        var posting = clients.PostAsync(1, int.MaxValue);
        await Task.Delay(TimeSpan.FromSeconds(5), run.Cancel);
        var without = await RateAsync(stage, run, TimeSpan.FromSeconds(run["seconds"]), () => Task.FromResult(true));
        run.Progress($"{without:0.0} relayed a second; now they are due");
        await stage.ExecuteAsync($"update queue set due_at = now() where email_id in ({string.Join(", ", ids.Values.Select(id => $"'{id.ToGuid()}'"))})");
        var with = await RateAsync(stage, run, TimeSpan.FromSeconds(run["seconds"]), async () =>
            await stage.AskAsync<long>($"select count(*) from recipients where email_id in ({string.Join(", ", ids.Values.Select(id => $"'{id.ToGuid()}'"))}) and final_at is not null") == ids.Count);
        clients.Stop();
        await posting;
        await Task.WhenAll(repairs);
        await stage.SettleAsync(run.Cancel);

        var ends = await BothEnds.CountAsync(stage, clients);
        ends.Judge(run, clients.Answered.Count, others: ids.Count);
        foreach (var (address, id) in ids)
        {
            run.Must($"{address.Split('@')[0]} is failed, reason poison", await OfAsync(stage, id) is ("failed", "poison"), $"{await OfAsync(stage, id)}");
            run.AtMost($"{address.Split('@')[0]} at the relay", ends.Copies.GetValueOrDefault(id), 0);
        }

        run.AtMost("nodes killed", killed, 3);
        if (run["freezes"] > 0) run.AtMost("nodes frozen", frozen, 3);
        run.Count("relayed a second without them", $"{without:0.0}");
        run.Count("relayed a second with them", $"{with:0.0}");
        if (run.IsShort) run.Count("share of the rate without them, others beside", $"{100 * with / without:0} %");
        else run.AtLeast("share of the rate without them", 100 * with / without, 95, " %");
    }

    /// <summary>The process stands still until its lease is over and settled, then goes on as if nothing had been.</summary>
    static async Task FreezeAsync(Stage stage, Node node, string id, CancellationToken cancel)
    {
        var process = node.Process.Id;
        using (var stop = Process.Start("kill", ["-STOP", $"{process}"])) await stop.WaitForExitAsync(cancel);
        var lease = (await stage.ListAsync<Guid>($"select lease_token from queue where email_id = '{id.ToGuid()}' and lease_until is not null")).FirstOrDefault();
        while (await stage.AskAsync<long>($"select count(*) from queue where lease_token = '{lease}' and lease_until is not null") > 0) await Task.Delay(100, cancel);
        using (var resume = Process.Start("kill", ["-CONT", $"{process}"])) await resume.WaitForExitAsync(cancel);
    }

    /// <summary>Mails at the relay a second, from now on until the time is over and something is so.</summary>
    static async Task<double> RateAsync(Stage stage, Run run, TimeSpan time, Func<Task<bool>> isSo)
    {
        var (since, before) = (run.Elapsed, stage.Relay.Mails.Count);
        while (run.Elapsed - since < time || !await isSo()) await Task.Delay(200, run.Cancel);
        return (stage.Relay.Mails.Count - before) / (run.Elapsed - since).TotalSeconds;
    }

    static async Task<string> LaterAsync(Stage stage, string to)
    {
        var mail = new JsonObject { ["from"] = "orders@shop.example", ["to"] = to, ["subject"] = "Hello", ["text"] = "It works.", ["stream"] = "hasty", ["send_at"] = DateTimeOffset.UtcNow.AddHours(1) };
        using var answer = await stage.Nodes[0].Process.Http.PostAsJsonAsync("/v1/emails", mail);
        return (await answer.EnsureSuccessStatusCode().Content.ReadFromJsonAsync<JsonElement>()).Text("id");
    }

    static async Task<(string State, string? Reason)> OfAsync(Stage stage, string id) =>
        (await stage.AskAsync<string>($"select state::text from recipients where email_id = '{id.ToGuid()}'"), await stage.AskAsync<string>($"select coalesce(reason, '') from recipients where email_id = '{id.ToGuid()}'"));
}
