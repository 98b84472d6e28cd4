namespace EmailApi.Faults.Scenarios;

/// <summary>F21: nodes that do not agree what time it is.</summary>
sealed class NodeClock() : Scenario(
    "clock", "One node's clock is ten minutes ahead, another's ten minutes behind: nothing is tried or sent early, no lease is lost, nothing doubled.",
    new("mails", 3_000, 400), new("rate", 100, 100), new("minutes", 10, 10), new("relay-ms", 20, 20))
{
    const int RetryS = 4, LaterS = 12;
    static readonly TimeSpan Jitter = TimeSpan.FromSeconds(0.15 * RetryS);

    public override async Task RunAsync(Run run)
    {
        var library = Directory.EnumerateFiles("/usr/lib", "libfaketimeMT.so.1", SearchOption.AllDirectories).FirstOrDefault()
            ?? throw new InvalidOperationException("libfaketime is missing: apt-get install faketime.");
        await using var stage = await Stage.SetAsync(relayMs: run["relay-ms"]);
        await Task.WhenAll(stage.AddNodeAsync(), stage.AddNodeInAsync(Fake($"+{run["minutes"]}m")), stage.AddNodeInAsync(Fake($"-{run["minutes"]}m")));
        var right = stage.Nodes[0];
        (await right.Process.Http.PatchAsync("/v1/streams/transactional", new StringContent($$"""{"retry": ["PT{{RetryS}}S"]}""", new System.Net.Http.Headers.MediaTypeHeaderValue("application/json")), run.Cancel)).EnsureSuccessStatusCode();
        await Task.Delay(TimeSpan.FromSeconds(5), run.Cancel);   // until every node knows it, and its own error
        using var clients = new Clients(stage.Nodes.Select(n => n.Address), run["rate"], run.Cancel);
        for (var number = 3; number <= run["mails"]; number += 3) stage.Relay.Answer(Address(number), "451 4.3.2 try later", times: 1);

        var startedAt = DateTimeOffset.UtcNow;
        await clients.PostAsync(1, run["mails"], mail: number =>
        {
            var mail = Clients.Mail(number);
            if (number % 5 == 0) mail["send_at"] = DateTimeOffset.UtcNow.AddSeconds(LaterS).ToString("o");
            if (number % 7 == 0) mail["expires_at"] = DateTimeOffset.UtcNow.AddMinutes(5).ToString("o");   // past by the one, far by the other
            return mail;
        });
        while (await stage.AskAsync<long>("select count(*) from queue where due_at < 'infinity'") > 0) await Task.Delay(200, run.Cancel);
        await stage.SettleAsync(run.Cancel);

        var ends = await BothEnds.CountAsync(stage, clients);
        ends.Judge(run, run["mails"]);
        var tries = stage.Relay.Commands.Where(c => c.Line.StartsWith("RCPT", StringComparison.Ordinal)).GroupBy(c => c.Line).ToDictionary(g => g.Key, g => g.Select(c => c.At).Order().ToList());
        var retried = tries.Values.Where(t => t.Count == 2).ToList();
        run.Count("nodes", $"clocks right, {run["minutes"]} min ahead, {run["minutes"]} min behind");
        run.AtLeast("tried twice", retried.Count, run["mails"] / 3);
        run.AtMost("tried more than twice", tries.Values.Count(t => t.Count > 2), 0);
        run.AtMost("tried again early", retried.Count(t => t[1] - t[0] < TimeSpan.FromSeconds(RetryS) - Jitter), 0);
        run.AtMost("sent before send_at", (await stage.ListAsync<double>("select extract(epoch from a.started_at - e.send_at)::float8 from attempts a join emails e on e.id = a.email_id where e.send_at is not null")).Count(s => s < 0), 0);
        run.AtLeast("sent at their send_at", await stage.AskAsync<long>("select count(*) from emails where send_at is not null"), run["mails"] / 5);
        run.AtMost("in doubt: a lease was lost", ends.Doubted.Count, 0);
        run.AtMost("doubled", ends.Doubled.Count, 0);
        run.AtMost("not sent", run["mails"] - ends.Sent.Count, 0);
        run.AtMost("ids whose time is off by more than 5 s", await stage.AskAsync<long>("""
            select count(*) from emails where abs(('x' || lpad(substr(replace(id::text, '-', ''), 1, 12), 16, '0'))::bit(64)::bigint / 1000.0 - extract(epoch from created_at)) > 5
            """), 0);
        run.Count("took", $"{(DateTimeOffset.UtcNow - startedAt).TotalSeconds:0} s");

        Dictionary<string, string> Fake(string offset) => new() { ["LD_PRELOAD"] = library, ["FAKETIME"] = offset, ["FAKETIME_DONT_FAKE_MONOTONIC"] = "1", ["FAKETIME_FORCE_MONOTONIC_FIX"] = "0" };   // the last: else waits end at once
    }

    static string Address(int number) => $"r{number}@example.net";
}
