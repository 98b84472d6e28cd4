using System.Diagnostics;
using System.Globalization;
using EmailApi.Benchmarks.Servers;
using EmailApi.Data.Embedded;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace EmailApi.Benchmarks;

/// <summary>Half of what the node can do, for long: whether its memory and its tables stay as they are.</summary>
sealed class Soak(Options options, CancellationToken cancel)
{
    const int BurstMails = 8000;
    const int Bursts = 3;
    const int Looks = 12;   // at least
    static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(30);
    static readonly TimeSpan Drained = TimeSpan.FromSeconds(30);

    /// <returns>The exit code: 1 when mail is missing, the queue is not empty at the end, or a table grows that should not.</returns>
    public async Task<int> RunAsync()
    {
        using var folder = new WorkFolder(options.Folder);
        await using var sink = await SmtpSink.StartAsync(folder, cancel);
        await using var postgres = await EmbeddedPostgres.StartAsync(folder.NewFolder("postgres"), NullLogger.Instance, cancel);
        await using var app = await EmailApiServer.StartAsync(folder, postgres.ConnectionString, EmailApiServer.RelaySettings(sink.Port, options.Connections), cancel);
        await using var database = NpgsqlDataSource.Create(postgres.ConnectionString);
        var arrivals = new Arrivals(sink, database, cancel);
        var load = new Load(app.Port);

        var half = await HalfRateAsync(load, sink);
        var mails = (int)(half * options.Minutes * 60);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{half:0} mails a second, half of what a burst did, for {options.Minutes} minutes"));
        var (report, begun, before, from) = (new SoakReport(), Stopwatch.GetTimestamp(), sink.Count, Arrivals.NextId());
        var every = TimeSpan.FromSeconds(Math.Min(LookEvery.TotalSeconds, options.Minutes * 60d / Looks));
        var posting = load.PostAsync(mails, options.Clients, cancel, perSecond: half);
        for (var look = 1; ; look++)
        {
            if (await Task.WhenAny(posting, Task.Delay(Positive(every * look - Stopwatch.GetElapsedTime(begun)), cancel)) == posting) break;
            report.Add(new(Stopwatch.GetElapsedTime(begun), app.Process.ResidentBytes, sink.Count - before, await TableSizes.ReadAsync(database, cancel)));
        }

        var took = await posting;
        await arrivals.ArriveAsync("soak", before + mails);
        await arrivals.RecordedAsync("soak", from, mails);
        var isEmpty = await IsEmptyAsync(database);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"POST p50 {Figures.Percentile(took, 0.5):0.0} ms, p99 {Figures.Percentile(took, 0.99):0.0} ms; peak RSS {app.Process.PeakResidentBytes / 1e6:0} MB"));
        var isBounded = report.Print();
        Console.WriteLine(isEmpty ? "The queue is empty." : "The queue is not empty.");
        Console.WriteLine(isBounded ? "No table grows but the archive's, and dead rows are bounded." : "A table grows that should not.");
        return isEmpty && isBounded && arrivals.IsComplete ? 0 : 1;
    }

    /// <summary>The first burst warms up; the fastest of the others counts.</summary>
    async Task<double> HalfRateAsync(Load load, SmtpSink sink)
    {
        var best = 0d;
        for (var burst = 0; burst < Bursts; burst++)
        {
            var (before, start) = (sink.Count, Stopwatch.GetTimestamp());
            await load.PostAsync(BurstMails, options.Clients, cancel);
            await sink.WaitForAsync(before + BurstMails, Drained, cancel);
            if (burst > 0) best = Math.Max(best, BurstMails / Stopwatch.GetElapsedTime(start).TotalSeconds);
        }

        return best / 2;
    }

    static TimeSpan Positive(TimeSpan time) => time > TimeSpan.Zero ? time : TimeSpan.Zero;

    async Task<bool> IsEmptyAsync(NpgsqlDataSource database)
    {
        await using var command = database.CreateCommand("select not exists (select from queue)");
        return (bool)(await command.ExecuteScalarAsync(cancel))!;
    }
}
