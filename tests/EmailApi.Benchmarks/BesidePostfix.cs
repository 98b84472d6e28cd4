using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using EmailApi.Benchmarks.Servers;
using EmailApi.Data.Embedded;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace EmailApi.Benchmarks;

/// <summary>What is measured with EmailApi.</summary>
enum Beside
{
    Postfix,
    /// <summary>A webhook is told of every event meanwhile.</summary>
    PostfixWithWebhook,
    /// <summary>For a profiler, and for comparing two builds. Says what the database did besides.</summary>
    Nothing,
}

/// <summary>Postfix and EmailApi in turn: same machine, same disk, same sink, mails of 2 KB or with an attachment. EmailApi has all that looks at a mail: an idempotency key on
/// each, 100,000 suppressions, limits for the key's project.</summary>
sealed class BesidePostfix(Options options, Beside beside, CancellationToken cancel)
{
    const int TextLength = 1800;   // with its header a mail of 2 KB
    const int Suppressed = 100_000;
    const int Batch = 1000;
    static readonly TimeSpan CallsWithin = TimeSpan.FromSeconds(60);
    static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    readonly int mails = options.Mails ?? 20_000;
    readonly bool alone = beside is Beside.Nothing;
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
            folder, postgres.ConnectionString, new Dictionary<string, string>(EmailApiServer.RelaySettings(sink.Port, options.Connections)) { ["EmailApi__Webhooks__AllowedNetworks__0"] = "127.0.0.0/8" }, cancel);
        await using var database = NpgsqlDataSource.Create(postgres.ConnectionString);
        postmaster = await PostmasterAsync(database);
        await PrepareAsync(app, database);
        await using var webhook = beside is Beside.PostfixWithWebhook ? await WebhookSink.StartAsync(Machine.FreePort(), cancel) : null;
        if (webhook is not null) await PostAsync(app, "/v1/webhooks", new JsonObject { ["url"] = webhook.Url, ["events"] = new JsonArray("*") });

        await MeasureAppAsync("EmailApi, just started", app, sink, database, Math.Max(1, mails / 4));
        if (alone) await Statements.BeginAsync(database, cancel);
        for (var repetition = 1; repetition <= options.Repetitions; repetition++)
        {
            if (usual is not null) await MeasurePostfixAsync("Postfix", usual, sink, folder);
            if (tuned is not null) await MeasurePostfixAsync("Postfix, 20 connections", tuned, sink, folder);
            await MeasureAppAsync("EmailApi", app, sink, database, mails, webhook);
            if (options.Attachment == 0) await MeasureBatchesAsync(app, sink, database);
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

    /// <summary>Bytes of a mail, its attachment as base64.</summary>
    int Length => 2048 + (int)(options.Attachment * 1000L * 4 / 3 * 78 / 76);

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
            [Machine.Find("smtp-source", "postfix"), "-d", "-s", "20", "-l", Length.ToString(CultureInfo.InvariantCulture), "-m", share.ToString(CultureInfo.InvariantCulture),
             "-f", "orders@shop.example", "-t", "customer@example.com", $"127.0.0.1:{postfix.Port}"],
            TimeSpan.FromMinutes(5), cancel);
        figures.Add($"{name}: accepted", "mails/s", share / Stopwatch.GetElapsedTime(start).TotalSeconds);
        await ArriveAsync(name, sink, before + share);
        figures.Add($"{name}: relayed", "mails/s", share / Stopwatch.GetElapsedTime(start).TotalSeconds);
        figures.Add($"{name}: CPU", "µs/mail", (Machine.CpuTimeOfFamily(postfix.ProcessId) - cpu).TotalMicroseconds / share);
    }

    async Task MeasureAppAsync(string name, EmailApiServer app, SmtpSink sink, NpgsqlDataSource database, int count, WebhookSink? webhook = null)
    {
        var load = new Load(app.Port, TextLength, options.Attachment * 1000);
        var (before, sentBefore, callsBefore) = (sink.Count, await SentAsync(database), webhook?.Count);
        var (appCpu, databaseCpu, allocated, written) = (app.Process.CpuTime, Machine.CpuTimeOfFamily(postmaster), await AllocatedAsync(app), await WrittenAsync(database));
        var start = Stopwatch.GetTimestamp();
        var took = await load.PostAsync(count, options.Clients, cancel);
        figures.Add($"{name}: accepted", "mails/s", count / Stopwatch.GetElapsedTime(start).TotalSeconds);
        await ArriveAsync(name, sink, before + count);
        figures.Add($"{name}: relayed", "mails/s", count / Stopwatch.GetElapsedTime(start).TotalSeconds);
        figures.Add($"{name}: POST p50", "ms", Figures.Percentile(took, 0.5));
        figures.Add($"{name}: POST p99", "ms", Figures.Percentile(took, 0.99));
        figures.Add($"{name}: CPU of the app", "µs/mail", (app.Process.CpuTime - appCpu).TotalMicroseconds / count);
        figures.Add($"{name}: CPU of its database", "µs/mail", (Machine.CpuTimeOfFamily(postmaster) - databaseCpu).TotalMicroseconds / count);
        figures.Add($"{name}: allocated", "KB/mail", (await AllocatedAsync(app) - allocated) / 1000 / count);
        await RecordedAsync(name, database, sentBefore + count);
        figures.Add($"{name}: write-ahead log", "KB/mail", (await WrittenAsync(database) - written) / 1000 / count);
        if (webhook is null) return;
        var recorded = Stopwatch.GetTimestamp();
        while (webhook.Count < callsBefore + 2 * count && Stopwatch.GetElapsedTime(recorded) < CallsWithin) await Task.Delay(20, cancel);   // accepted, sent
        figures.Add($"{name}: the last call after the last record", "s", Stopwatch.GetElapsedTime(recorded).TotalSeconds);
        if (webhook.Count >= callsBefore + 2 * count) return;
        isComplete = false;
        Console.WriteLine($"{name}: {webhook.Count - callsBefore} of {2 * count} events were told.");
    }

    /// <summary>One client, a batch after the other.</summary>
    async Task MeasureBatchesAsync(EmailApiServer app, SmtpSink sink, NpgsqlDataSource database)
    {
        const string name = "EmailApi, batches of 1,000";
        var text = new string('x', TextLength);
        var batches = Math.Max(1, mails / Batch / 2);
        var (before, sentBefore, start, took) = (sink.Count, await SentAsync(database), Stopwatch.GetTimestamp(), new List<double>());
        for (var batch = 0; batch < batches; batch++)
        {
            var body = new JsonArray([.. Enumerable.Range(0, Batch).Select(i => new JsonObject
            {
                ["from"] = "Shop <orders@shop.example>", ["to"] = $"reader-{batch * Batch + i}@example.com", ["subject"] = $"News {i}", ["text"] = text,
            })]);
            var posted = Stopwatch.GetTimestamp();
            await PostAsync(app, "/v1/emails/batch", body);
            took.Add(Stopwatch.GetElapsedTime(posted).TotalMilliseconds);
        }

        await ArriveAsync(name, sink, before + batches * Batch);
        figures.Add($"{name}: relayed", "mails/s", batches * Batch / Stopwatch.GetElapsedTime(start).TotalSeconds);
        figures.Add($"{name}: answered after, at most", "ms", took.Max());
        await RecordedAsync(name, database, sentBefore + batches * Batch);
    }

    /// <summary>What looks at each mail has something to look at.</summary>
    async Task PrepareAsync(EmailApiServer app, NpgsqlDataSource database)
    {
        using var lines = new SuppressionLines(Suppressed);
        using var imported = await app.Http.PostAsync("/v1/suppressions/import", lines, cancel);
        await using var command = database.CreateCommand("select min(id) from projects");
        using var limited = await app.Http.PatchAsJsonAsync($"/v1/projects/prj_{await command.ExecuteScalarAsync(cancel)}", new { rate_limit = new { per_second = 1_000_000 }, quota = new { per_day = 100_000_000 } }, cancel);
        foreach (var answer in new[] { imported, limited })
            if (!answer.IsSuccessStatusCode) throw new CannotRunException(await answer.Content.ReadAsStringAsync(cancel));
    }

    async Task PostAsync(EmailApiServer app, string path, JsonNode body)
    {
        using var answer = await app.Http.PostAsJsonAsync(path, body, cancel);
        if (!answer.IsSuccessStatusCode) throw new CannotRunException(await answer.Content.ReadAsStringAsync(cancel));
    }

    /// <summary>Bytes that the app has allocated since its start.</summary>
    async Task<double> AllocatedAsync(EmailApiServer app)
    {
        var metrics = await app.Http.GetStringAsync("/metrics", cancel);
        var line = metrics.Split('\n').FirstOrDefault(l => l.StartsWith("dotnet_gc_heap_total_allocated_bytes_total", StringComparison.Ordinal)) ?? throw new CannotRunException("/metrics does not say what was allocated.");
        return double.Parse(line.Split(' ')[1], CultureInfo.InvariantCulture);
    }

    /// <summary>Bytes of write-ahead log since the cluster's beginning.</summary>
    async Task<double> WrittenAsync(NpgsqlDataSource database)
    {
        await using var command = database.CreateCommand("select (pg_current_wal_lsn() - '0/0')::float8");
        return (double)(await command.ExecuteScalarAsync(cancel))!;
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
