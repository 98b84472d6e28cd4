using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;
using EmailApi.Tests.Support;

namespace EmailApi.Faults.Scenarios;

/// <summary>F15, F16: nobody waits for another's backlog, relay or retries.</summary>
sealed class Fair() : Scenario(
    "fair", "A project has a large backlog: another project's mail, and its own of a higher priority, wait less than a second. New mail and retries do not starve each other. A relay that hangs, refuses or is gone costs another lane nothing.",
    new("backlog", 100_000, 5_000), new("probes", 40, 15), new("relay-ms", 10, 10))
{
    const int Batch = 1000;

    public override bool IsAlone => true;

    public override async Task RunAsync(Run run)
    {
        await OthersAsync(run);
        await LanesAsync(run);
    }

    /// <summary>One lane: a backlog, a neighbour, a priority, and retries.</summary>
    static async Task OthersAsync(Run run)
    {
        await using var stage = await Stage.SetAsync(relayMs: run["relay-ms"]);
        var node = await stage.AddNodeAsync();
        var http = node.Process.Http;
        await PostAsync(http, "/v1/streams", new JsonObject { ["name"] = "otp", ["priority"] = 1 });
        using var neighbour = await NeighbourAsync(node);
        var idle = await ProbeAsync(stage, neighbour, null, run["probes"], run.Cancel);

        for (var from = 0; from < run["backlog"]; from += Batch)
        {
            await PostAsync(http, "/v1/emails/batch", new JsonArray([.. Enumerable.Range(from, Batch).Select(i => (JsonNode)TestApp.Mail($"b{i}@example.net"))]));
        }

        var waiting = await WaitingAsync(stage);
        var other = await ProbeAsync(stage, neighbour, null, run["probes"], run.Cancel);
        var otp = await ProbeAsync(stage, http, "otp", run["probes"], run.Cancel);
        var left = await WaitingAsync(stage);
        run.Count("backlog when measured", $"{waiting:#,0} to {left:#,0}");
        run.AtLeast("backlog left", left, 1);
        run.Count("idle: POST to the relay, median / longest", Times(idle));
        run.Count("beside the backlog: another project's", Times(other));
        run.AtMost("another project's mail, longest", other.Max().TotalSeconds, 1, " s");
        run.Count("beside the backlog: the project's own of priority 1", Times(otp));
        run.AtMost("an otp mail of the same project, longest", otp.Max().TotalSeconds, 1, " s");

        // All that is left becomes a retry that is due, older than any new mail; then new mail comes without end.
        await stage.ExecuteAsync("update queue set is_retry = true, due_at = now() - interval '1 minute' where lease_until is null");
        var behind = await ProbeAsync(stage, http, null, run["probes"], run.Cancel);
        left = await WaitingAsync(stage);
        run.AtLeast("retries left", left, 1);
        run.Count("beside retries that are due: new mail of the same project", Times(behind));
        run.AtMost("new mail behind retries, longest", behind.Max().TotalSeconds, 1, " s");
    }

    /// <summary>Two lanes: what happens on the one is no business of the other. Mail of test keys has a relay of its own, inside the app.</summary>
    static async Task LanesAsync(Run run)
    {
        await using var stage = await Stage.SetAsync();
        var node = await stage.AddNodeAsync("--EmailApi:Relays:0:CommandTimeout=00:00:10");
        using var test = await KeyAsync(node, new JsonObject { ["name"] = "trial", ["mode"] = "test", ["scopes"] = new JsonArray("send", "read") });
        var before = await CapturedAsync(stage, test, run["probes"]);
        var worst = 0.0;
        foreach (var (name, script) in new (string, Action)[]
        {
            ("hangs", () => stage.Relay.AnswerAt(RelayStep.Mail, "hang")), ("refuses", () => stage.Relay.AnswerAt(RelayStep.Banner, "554 5.3.2 closed")),
            ("is slow (5 s a mail)", () => stage.Relay.AnswerAt(RelayStep.Dot, "delay:5000")), ("is gone", () => stage.Relay.StopAsync().GetAwaiter().GetResult()),
        })
        {
            stage.Relay.AnswerAsUsual();
            script();
            await PostAsync(node.Process.Http, "/v1/emails/batch", new JsonArray([.. Enumerable.Range(0, 500).Select(i => (JsonNode)TestApp.Mail($"d{i}@example.net"))]));
            await Task.Delay(500, run.Cancel);
            var beside = await CapturedAsync(stage, test, run["probes"]);
            run.Count($"a relay that {name}: the other lane", Times(beside));
            worst = Math.Max(worst, Median(beside).TotalMilliseconds - Median(before).TotalMilliseconds);
        }

        run.Count("the other lane alone", Times(before));
        run.AtMost("what the other lane's median grew by, at most", worst, 100, " ms");
    }

    /// <summary>From the POST to the final dot at the relay, mail by mail.</summary>
    static async Task<List<TimeSpan>> ProbeAsync(Stage stage, HttpClient http, string? stream, int count, CancellationToken cancel)
    {
        var arrived = new ConcurrentDictionary<string, bool>();
        stage.Relay.OnDot = mail => Task.FromResult(arrived[mail.MessageId!.TrimStart('<').Split('@')[0]] = true);
        var times = new List<TimeSpan>();
        for (var i = 0; i < count; i++)
        {
            var mail = TestApp.Mail($"probe-{Guid.NewGuid():n}@example.net");
            if (stream is not null) mail["stream"] = stream;
            var watch = Stopwatch.StartNew();
            var id = (await PostAsync(http, "/v1/emails", mail)).Text("id");
            while (!arrived.ContainsKey(id[3..]))
            {
                if (watch.Elapsed > TimeSpan.FromSeconds(60)) throw new TimeoutException($"{id} has not left within a minute.");
                await Task.Delay(2, cancel);
            }

            times.Add(watch.Elapsed);
            await Task.Delay(20, cancel);
        }

        return times;
    }

    static async Task<List<TimeSpan>> CapturedAsync(Stage stage, HttpClient http, int count)
    {
        var times = new List<TimeSpan>();
        for (var i = 0; i < count; i++)
        {
            var watch = Stopwatch.StartNew();
            var id = (await PostAsync(http, "/v1/emails", TestApp.Mail())).Text("id").ToGuid();
            while (await stage.AskAsync<long>($"select count(*) from captured where email_id = '{id}'") == 0) await Task.Delay(2);
            times.Add(watch.Elapsed);
        }

        return times;
    }

    static async Task<HttpClient> NeighbourAsync(Node node)
    {
        var project = (await PostAsync(node.Process.Http, "/v1/projects", new JsonObject { ["name"] = "neighbour" })).Text("id");
        return await KeyAsync(node, new JsonObject { ["name"] = "neighbour", ["scopes"] = new JsonArray("send", "read"), ["project"] = project });
    }

    static async Task<HttpClient> KeyAsync(Node node, JsonObject key)
    {
        var http = new HttpClient { BaseAddress = node.Address, Timeout = TimeSpan.FromSeconds(60) };
        http.DefaultRequestHeaders.Authorization = new("Bearer", (await PostAsync(node.Process.Http, "/v1/keys", key)).Text("key"));
        return http;
    }

    static async Task<JsonElement> PostAsync(HttpClient http, string path, JsonNode body)
    {
        using var answer = await http.PostTextAsync(path, body.ToJsonString());
        return answer.IsSuccessStatusCode ? await answer.JsonAsync() : throw new InvalidOperationException(await answer.Content.ReadAsStringAsync());
    }

    static Task<long> WaitingAsync(Stage stage) => stage.AskAsync<long>("select count(*) from queue");

    static TimeSpan Median(List<TimeSpan> times) => times.Order().ElementAt(times.Count / 2);

    static string Times(List<TimeSpan> times) => $"{Median(times).TotalMilliseconds:0} ms / {times.Max().TotalMilliseconds:0} ms";
}
