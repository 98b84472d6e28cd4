using System.Diagnostics;

namespace EmailApi.Faults.Scenarios;

/// <summary>F9: the budget of connections is kept.</summary>
sealed class Connections() : Scenario(
    "connections", "Hundreds of clients post at once while mail leaves, the log is listed and Hangfire's page is read: a node keeps to its 40 connections, and nobody is told that there are too many.",
    new("seconds", 60, 8), new("clients", 500, 500), new("relay-ms", 5, 5))
{
    public override bool IsAlone => true;

    public override async Task RunAsync(Run run)
    {
        await using var cluster = await OwnCluster.StartAsync(run.Cancel);
        await using var stage = await Stage.SetAsync(cluster, run["relay-ms"]);
        var node = await stage.AddNodeAsync();
        using var clients = new Clients([node.Address], 0, run.Cancel);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(run.Cancel);
        stop.CancelAfter(TimeSpan.FromSeconds(run["seconds"]));

        var number = 0;
        var posting = Task.WhenAll(Enumerable.Range(0, run["clients"]).Select(_ => Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested && Interlocked.Increment(ref number) is var mine) await clients.PostAsync(mine, mine, clients: 1);
        }, run.Cancel)));
        var (reads, slowest) = (0, TimeSpan.Zero);
        var refused = new System.Collections.Concurrent.ConcurrentBag<string>();
        var reading = Task.WhenAll(new[] { "/v1/emails?limit=100", "/v1/emails?status=sent", "/v1/ledger", "/hangfire", "/hangfire/servers" }.SelectMany(path => Enumerable.Repeat(path, 8)).Select(path => Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested)
            {
                using var request = new HttpRequestMessage(HttpMethod.Get, path);
                if (path.StartsWith("/hangfire", StringComparison.Ordinal)) request.Headers.Authorization = new("Basic", Convert.ToBase64String(System.Text.Encoding.UTF8.GetBytes($"key:{Tests.Support.TestApp.Key}")));
                var startedAt = Stopwatch.GetTimestamp();
                try
                {
                    using var answer = await node.Process.Http.SendAsync(request, run.Cancel);
                    if (!answer.IsSuccessStatusCode) refused.Add($"{path} {(int)answer.StatusCode}");
                    else if (path == "/hangfire" && Stopwatch.GetElapsedTime(startedAt) is var took && took > slowest) slowest = took;
                }
                catch (TaskCanceledException) when (!run.Cancel.IsCancellationRequested)
                {
                    refused.Add($"{path} no answer");
                }

                Interlocked.Increment(ref reads);
            }
        }, run.Cancel)));

        var most = new Dictionary<string, long>(StringComparer.Ordinal);
        var mostAtOnce = 0L;
        while (!stop.IsCancellationRequested)
        {
            var now = (await stage.ListAsync<string>("select application_name from pg_stat_activity where datname = current_database() and application_name like 'EmailApi%'")).CountBy(name => name).ToList();
            foreach (var (name, count) in now) most[name] = Math.Max(most.GetValueOrDefault(name), count);
            mostAtOnce = Math.Max(mostAtOnce, now.Sum(n => n.Value));
            await Task.Delay(50, run.Cancel);
        }

        await posting;
        await reading;
        await stage.SettleAsync(run.Cancel);
        run.AtMost("connections of the node at most", mostAtOnce, 40);
        run.Count("by pool, each at its most", string.Join(", ", most.OrderBy(m => m.Key).Select(m => $"{m.Key} {m.Value}")));
        run.AtMost("\"too many clients\"", (node.Process.Output + node.Process.Errors).Split("53300").Length - 1, 0);
        run.Count($"reads told to wait of {reads}", string.Join(", ", refused.CountBy(what => what).Select(r => $"{r.Value} x {r.Key}")));
        run.Count("slowest answer of Hangfire's page", $"{slowest.TotalSeconds:0.00} s");
        var ends = await BothEnds.CountAsync(stage, clients);
        ends.Judge(run, clients.Answered.Count);
        run.AtMost("doubled", ends.Doubled.Count, 0);
    }
}
