using System.Diagnostics;
using EmailApi.Benchmarks.Servers;
using EmailApi.Data.Embedded;
using Microsoft.Extensions.Logging.Abstractions;

namespace EmailApi.Benchmarks;

/// <summary>An idle server gets one mail at a time: from the start of the POST to the relay's reply to the final dot.</summary>
sealed class Latency(Options options, CancellationToken cancel)
{
    const int WarmUp = 200;
    static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(40);
    static readonly TimeSpan Limit = TimeSpan.FromSeconds(20);

    /// <returns>The exit code: 1 when a mail did not arrive in time.</returns>
    public async Task<int> RunAsync()
    {
        var mails = options.Mails ?? 300;
        using var folder = new WorkFolder(options.Folder);
        await using var sink = new TimedSink();
        await using var postgres = await EmbeddedPostgres.StartAsync(folder.NewFolder("postgres"), NullLogger.Instance, cancel);
        await using var app = await EmailApiServer.StartAsync(
            folder, postgres.ConnectionString, EmailApiServer.RelaySettings(sink.Port, options.Connections), cancel);
        using var client = new Load.Client(new Load(app.Port));
        await client.ConnectAsync(cancel);

        var (answered, relayed) = (new List<double>(), new List<double>());
        for (var mail = 0; mail < WarmUp + mails; mail++)
        {
            await Task.Delay(Pause, cancel);
            var start = Stopwatch.GetTimestamp();
            await client.PostAsync(mail, cancel);
            var answeredAt = Stopwatch.GetTimestamp();
            long takenAt;
            try
            {
                takenAt = await sink.Taken.ReadAsync(cancel).AsTask().WaitAsync(Limit, cancel);
            }
            catch (TimeoutException)
            {
                Console.WriteLine($"Mail {mail} did not arrive within {Limit.TotalSeconds:0} s.");
                return 1;
            }

            if (mail < WarmUp) continue;
            answered.Add(Stopwatch.GetElapsedTime(start, answeredAt).TotalMilliseconds);
            relayed.Add(Stopwatch.GetElapsedTime(start, takenAt).TotalMilliseconds);
        }

        Console.WriteLine($"{mails} mails, one at a time, {Pause.TotalMilliseconds:0} ms apart; ms");
        Print("POST to 202", answered);
        Print("POST to the relay's 250", relayed);
        return 0;
    }

    static void Print(string name, List<double> values)
    {
        values.Sort();
        Console.WriteLine($"{name,-24} p50 {Figures.Percentile(values, 0.5):0.0}  p90 {Figures.Percentile(values, 0.9):0.0}  p99 {Figures.Percentile(values, 0.99):0.0}  max {values[^1]:0.0}");
    }
}
