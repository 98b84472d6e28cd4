using System.Collections.Concurrent;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Nodes;
using EmailApi.Client;
using EmailApi.Tests.Support;

namespace EmailApi.Faults.Scenarios;

/// <summary>F18: events and webhooks, counted against each other.</summary>
sealed class Webhooks() : Scenario(
    "webhooks", "Nodes are killed with -9 while events are told to a webhook that now and then fails: each event comes, always under its own id and with a right signature, and no other.",
    new("events", 5_000, 600), new("kills", 20, 3), new("rate", 150, 150), new("nodes", 2, 2))
{
    static readonly TimeSpan SettledWithin = TimeSpan.FromSeconds(120);

    public override async Task RunAsync(Run run)
    {
        await using var stage = await Stage.SetAsync();
        await using var receiver = await WebhookReceiver.StartAsync();
        await stage.AddNodesAsync(run["nodes"], "--EmailApi:Webhooks:AllowedNetworks:0=127.0.0.0/8");
        var mails = run["events"] / 2;   // accepted and sent
        var (answered, number) = (new ConcurrentDictionary<string, int>(), 0);
        receiver.OnCall = async (call, http) =>
        {
            await Task.Delay(10);
            if (Interlocked.Increment(ref number) % 20 == 0) http.Response.StatusCode = 503;
            else answered.AddOrUpdate(call.Id, 1, (_, times) => times + 1);
        };
        var secret = await AddAsync(stage, receiver.Url());

        // Each kill comes while more is being posted; the rest waits for the node, so that no kill falls into an idle time.
        using var clients = new Clients(stage.Nodes.Select(n => n.Address), run["rate"], run.Cancel);
        var between = mails / run["kills"];
        clients.Allow(0);
        var posting = clients.PostAsync(1, mails);
        var underWay = 0;
        for (var kill = 1; kill <= run["kills"]; kill++)
        {
            clients.Allow(kill == run["kills"] ? int.MaxValue : kill * between);
            while (clients.Answered.Count < kill * between - between / 5 + run.Random.Next(between / 10)) await Task.Delay(2, run.Cancel);
            var node = stage.Nodes[run.Random.Next(stage.Nodes.Count)];
            node.Kill();
            underWay += (int)await stage.AskAsync<long>("select count(*) from webhook_queue where lease_token is not null");
            await node.StartAsync();
            run.Progress($"kill {kill}: {clients.Answered.Count} mails answered, {answered.Count} events told");
        }

        await posting;
        await stage.SettleAsync(run.Cancel);
        var since = run.Elapsed;
        while (await stage.AskAsync<long>("select count(*) from webhook_queue") > 0 && run.Elapsed - since < SettledWithin)
        {
            // Retries come after 5 s, 5 min …: what waits longer is asked for now.
            await stage.ExecuteAsync("update webhook_queue set due_at = now() where lease_token is null and due_at > now()");
            await Task.Delay(1000, run.Cancel);
        }

        var events = (await stage.ListAsync<string>("select 'ev_' || replace(email_id::text, '-', '') || '_' || n || '_' || sequence from events")).ToHashSet();
        var calls = receiver.Calls;
        var verifier = new WebhookVerifier(secret);
        run.Must("all mails accepted", clients.Answered.Count == mails, $"{clients.Answered.Count} of {mails}");
        run.AtLeast("events", events.Count, run["events"]);
        run.AtMost("events that were not told", events.Count(id => !answered.ContainsKey(id)), 0);
        run.AtMost("calls under an id that no event has", calls.Count(c => !events.Contains(c.Id)), 0);
        run.AtMost("calls whose signature or event_id is wrong", calls.Count(c => !IsRight(verifier, c)), 0);
        run.AtMost("events told with two bodies", calls.GroupBy(c => c.Id).Count(g => g.Select(c => Convert.ToHexString(c.Body)).Distinct().Count() > 1), 0);
        run.AtMost("left in the queue", await stage.AskAsync<long>("select count(*) from webhook_queue"), 0);
        run.Count("calls", calls.Count);
        run.Count("under way at a kill, all kills", underWay);
        run.Count("events told more than once", answered.Count(a => a.Value > 1));
    }

    static bool IsRight(WebhookVerifier verifier, ReceivedCall call)
    {
        try
        {
            return verifier.Verify(name => call.Headers.GetValueOrDefault(name), call.Body).Id == call.Id;
        }
        catch (WebhookVerificationException error)
        {
            return error.Message.StartsWith("The call is too old", StringComparison.Ordinal) && call.Json.GetProperty("data").Text("event_id") == call.Id;   // signed right; looked at only now
        }
    }

    /// <returns>The secret.</returns>
    static async Task<string> AddAsync(Stage stage, string url)
    {
        using var answer = await stage.Nodes[0].Process.Http.PostAsJsonAsync("/v1/webhooks", new JsonObject { ["url"] = url });
        return (await answer.EnsureSuccessStatusCode().Content.ReadFromJsonAsync<JsonElement>()).Text("secret");
    }
}
