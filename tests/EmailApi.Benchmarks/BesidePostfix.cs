using System.Diagnostics;
using System.Globalization;
using EmailApi.Benchmarks.Servers;
using EmailApi.Data.Embedded;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace EmailApi.Benchmarks;

/// <summary>Postfix and EmailApi in turn: same machine, same disk, same sink, mails of 2 KB.</summary>
/// <param name="alone">Leave Postfix out: for a profiler, and for comparing two builds. Says what the database did besides.</param>
sealed class BesidePostfix(Options options, bool alone, CancellationToken cancel)
{
    const int TextLength = 1800;   // with its header a mail of 2 KB
    static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    readonly int mails = options.Mails ?? 20_000;
    readonly Figures figures = new();
    int postmaster;
    bool isComplete = true;

    /// <returns>The exit code: 1 when a mail did not arrive.</returns>
    public async Task<int> RunAsync()
    {
        using var folder = new WorkFolder(options.Folder);
        Directory.CreateDirectory(folder["probe"]);
        var disk = DiskProbe.Measure(folder["probe"]);
        Console.WriteLine($"{Environment.ProcessorCount} cores; the disk does {disk.NewFiles:0} fsync/s of new 2 KB files, {disk.Rewrites:0} of an existing file.");

        await using var sink = await SmtpSink.StartAsync(folder, cancel);
        await using var usual = alone ? null : await PostfixServer.StartAsync(folder, "postfix", Relay(sink), cancel);
        await using var tuned = alone ? null : await PostfixServer.StartAsync(folder, "postfix-20", Tuned(sink), cancel);
        await using var postgres = await EmbeddedPostgres.StartAsync(folder.NewFolder("postgres"), NullLogger.Instance, cancel,
            new() { ServerSettings = alone ? Statements.ServerSettings : new Dictionary<string, string>() });
        await using var app = await EmailApiServer.StartAsync(
            folder, postgres.ConnectionString, EmailApiServer.RelaySettings(sink.Port, options.Connections), cancel);
        await using var database = NpgsqlDataSource.Create(postgres.ConnectionString);
        postmaster = await PostmasterAsync(database);

        await MeasureAppAsync("EmailApi, just started", app, sink, database, Math.Max(1, mails / 4));
        if (alone) await Statements.BeginAsync(database, cancel);
        for (var repetition = 1; repetition <= options.Repetitions; repetition++)
        {
            if (usual is not null) await MeasurePostfixAsync("Postfix", usual, sink, folder);
            if (tuned is not null) await MeasurePostfixAsync("Postfix, 20 connections", tuned, sink, folder);
            await MeasureAppAsync("EmailApi", app, sink, database, mails);
            if (alone) continue;
            foreach (var what in new[] { "accepted", "relayed" })
            {
                var best = Math.Max(figures.Last($"Postfix: {what}"), figures.Last($"Postfix, 20 connections: {what}"));
                figures.Add($"EmailApi / the better Postfix: {what}", "×", figures.Last($"EmailApi: {what}") / best);
            }

            Console.WriteLine($"{repetition}/{options.Repetitions}: relayed {figures.Last("EmailApi / the better Postfix: relayed"):0.0} ×");
        }

        if (alone) await Statements.PrintAsync(database, mails * options.Repetitions, cancel);
        figures.Add("EmailApi: peak memory", "MB", app.Process.PeakResidentBytes / 1e6);
        figures.Print();
        Console.WriteLine(isComplete ? "Every mail arrived." : "Mail is missing.");
        return isComplete ? 0 : 1;
    }

    static Dictionary<string, string> Relay(SmtpSink sink) => new() { ["relayhost"] = $"[127.0.0.1]:{sink.Port}" };

    /// <summary>What helps it here: all connections from the first mail on, kept open, and no slowing of the clients.</summary>
    Dictionary<string, string> Tuned(SmtpSink sink) => new(Relay(sink))
    {
        ["initial_destination_concurrency"] = options.Connections.ToString(CultureInfo.InvariantCulture),
        ["default_destination_concurrency_limit"] = options.Connections.ToString(CultureInfo.InvariantCulture),
        ["smtp_connection_cache_destinations"] = $"[127.0.0.1]:{sink.Port}",
        ["in_flow_delay"] = "0",
    };

    async Task MeasurePostfixAsync(string name, PostfixServer postfix, SmtpSink sink, WorkFolder folder)
    {
        var share = Math.Max(100, mails / 8);
        var (before, cpu, start) = (sink.Count, Machine.CpuTimeOfFamily(postfix.ProcessId), Stopwatch.GetTimestamp());
        // 20 sessions, kept open (-d), as EmailApi's clients keep theirs.
        await ChildProcess.RunAsync(folder["smtp-source.log"],
            [Machine.Find("smtp-source", "postfix"), "-d", "-s", "20", "-l", "2048", "-m", share.ToString(CultureInfo.InvariantCulture),
             "-f", "orders@shop.example", "-t", "customer@example.com", $"127.0.0.1:{postfix.Port}"],
            TimeSpan.FromMinutes(5), cancel);
        figures.Add($"{name}: accepted", "mails/s", share / Stopwatch.GetElapsedTime(start).TotalSeconds);
        await ArriveAsync(name, sink, before + share);
        figures.Add($"{name}: relayed", "mails/s", share / Stopwatch.GetElapsedTime(start).TotalSeconds);
        figures.Add($"{name}: CPU", "µs/mail", (Machine.CpuTimeOfFamily(postfix.ProcessId) - cpu).TotalMicroseconds / share);
    }

    async Task MeasureAppAsync(string name, EmailApiServer app, SmtpSink sink, NpgsqlDataSource database, int count)
    {
        var load = new Load(app.Port, TextLength);
        var (before, sentBefore) = (sink.Count, await SentAsync(database));
        var (appCpu, databaseCpu, start) = (app.Process.CpuTime, Machine.CpuTimeOfFamily(postmaster), Stopwatch.GetTimestamp());
        await load.PostAsync(count, options.Clients, cancel);
        figures.Add($"{name}: accepted", "mails/s", count / Stopwatch.GetElapsedTime(start).TotalSeconds);
        await ArriveAsync(name, sink, before + count);
        figures.Add($"{name}: relayed", "mails/s", count / Stopwatch.GetElapsedTime(start).TotalSeconds);
        figures.Add($"{name}: CPU of the app", "µs/mail", (app.Process.CpuTime - appCpu).TotalMicroseconds / count);
        figures.Add($"{name}: CPU of its database", "µs/mail", (Machine.CpuTimeOfFamily(postmaster) - databaseCpu).TotalMicroseconds / count);
        await RecordedAsync(name, database, sentBefore + count);
    }

    async Task ArriveAsync(string name, SmtpSink sink, long count)
    {
        var arrived = await sink.WaitForAsync(count, Patience, cancel);
        if (arrived == count) return;
        isComplete = false;
        Console.WriteLine($"{name}: {Math.Abs(count - arrived)} mails {(arrived < count ? "are missing" : "too many")}.");
    }

    /// <summary>The sink's count alone would flatter an app that forgets to record.</summary>
    async Task RecordedAsync(string name, NpgsqlDataSource database, long count)
    {
        var until = Environment.TickCount64 + (long)Patience.TotalMilliseconds;
        long sent;
        while ((sent = await SentAsync(database)) != count && Environment.TickCount64 < until) await Task.Delay(50, cancel);
        if (sent == count) return;
        isComplete = false;
        Console.WriteLine($"{name}: {sent} of {count} recipients are recorded as sent.");
    }

    async Task<int> PostmasterAsync(NpgsqlDataSource database)
    {
        await using var command = database.CreateCommand("select pg_backend_pid()");
        return Machine.ParentOf((int)(await command.ExecuteScalarAsync(cancel))!);
    }

    async Task<long> SentAsync(NpgsqlDataSource database)
    {
        await using var command = database.CreateCommand("select count(*) from recipients where state = 'sent'");
        return (long)(await command.ExecuteScalarAsync(cancel))!;
    }
}
