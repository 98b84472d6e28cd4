using System.Diagnostics;
using System.Text.Json.Nodes;
using EmailApi.Benchmarks.Servers;

namespace EmailApi.Benchmarks;

/// <summary>Rounds of mails through EmailApi: from the first POST until the sink has the last and all are recorded.</summary>
sealed class AppRounds(EmailApiServer app, SmtpSink sink, Arrivals arrivals, Meter meter, Figures figures, CancellationToken cancel)
{
    const int Batch = 1000;
    static readonly TimeSpan CallsWithin = TimeSpan.FromSeconds(60);

    /// <param name="webhook">Is told of every event meanwhile; null: none is.</param>
    public async Task MeasureAsync(string name, Load load, int count, int clients, WebhookSink? webhook = null)
    {
        var (before, from, callsBefore, usage) = (sink.Count, Arrivals.NextId(), webhook?.Count, await meter.ReadAsync());
        var start = Stopwatch.GetTimestamp();
        var took = await load.PostAsync(count, clients, cancel);
        figures.Add($"{name}: accepted", "mails/s", count / Stopwatch.GetElapsedTime(start).TotalSeconds);
        await arrivals.ArriveAsync(name, before + count);
        figures.Add($"{name}: relayed", "mails/s", count / Stopwatch.GetElapsedTime(start).TotalSeconds);
        figures.Add($"{name}: POST p50", "ms", Figures.Percentile(took, 0.5));
        figures.Add($"{name}: POST p99", "ms", Figures.Percentile(took, 0.99));
        await arrivals.RecordedAsync(name, from, count);
        (await meter.ReadAsync() - usage).AddTo(figures, name, count);
        if (webhook is null) return;
        var recorded = Stopwatch.GetTimestamp();
        while (webhook.Count < callsBefore + 2 * count && Stopwatch.GetElapsedTime(recorded) < CallsWithin) await Task.Delay(20, cancel);   // accepted, sent
        figures.Add($"{name}: the last call after the last record", "s", Stopwatch.GetElapsedTime(recorded).TotalSeconds);
        if (webhook.Count < callsBefore + 2 * count) arrivals.Fail($"{name}: {webhook.Count - callsBefore} of {2 * count} events were told.");
    }

    /// <summary>One client, a batch of 1,000 after the other.</summary>
    public async Task MeasureBatchesAsync(int batches, string text)
    {
        const string name = "EmailApi, batches of 1,000";
        var (before, from, start, took) = (sink.Count, Arrivals.NextId(), Stopwatch.GetTimestamp(), new List<double>());
        for (var batch = 0; batch < batches; batch++)
        {
            var body = new JsonArray([.. Enumerable.Range(0, Batch).Select(i => new JsonObject
            {
                ["from"] = "Shop <orders@shop.example>", ["to"] = $"reader-{batch * Batch + i}@example.com", ["subject"] = $"News {i}", ["text"] = text,
            })]);
            var posted = Stopwatch.GetTimestamp();
            await app.PostAsync("/v1/emails/batch", body, cancel);
            took.Add(Stopwatch.GetElapsedTime(posted).TotalMilliseconds);
        }

        await arrivals.ArriveAsync(name, before + batches * Batch);
        figures.Add($"{name}: relayed", "mails/s", batches * Batch / Stopwatch.GetElapsedTime(start).TotalSeconds);
        figures.Add($"{name}: answered after, at most", "ms", took.Max());
        await arrivals.RecordedAsync(name, from, batches * Batch);
    }
}
