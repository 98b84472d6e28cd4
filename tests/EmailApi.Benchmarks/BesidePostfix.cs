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
    const int Suppressed = 100_000;
    const int IdleMails = 100;

    readonly int mails = options.Mails ?? 20_000;
    readonly bool alone = beside is Beside.Nothing;
    readonly Figures figures = new();

    /// <returns>The exit code: 1 when a mail did not arrive.</returns>
    public async Task<int> RunAsync()
    {
        var isComplete = await MeasureAsync();
        if (beside is Beside.Postfix && options.Attachment == 0)
        {
            // Each on a node and a database of its own, after what is timed under load.
            isComplete &= await new Latency(options with { Mails = IdleMails }, cancel).RunAsync() == 0;
            Console.WriteLine($"{await new StatementCount(options, cancel).RunAsync():0.00} SQL statements a mail, counted in a round that is not timed");
        }

        Console.WriteLine(isComplete ? "Every mail arrived." : "Mail is missing.");
        return isComplete ? 0 : 1;
    }

    async Task<bool> MeasureAsync()
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
        var arrivals = new Arrivals(sink, database, cancel);
        var rounds = new AppRounds(app, sink, arrivals, new(app, database, cancel), figures, cancel);
        var load = new Load(app.Port, options.Attachment * 1000);
        await PrepareAsync(app, database);
        await using var webhook = beside is Beside.PostfixWithWebhook ? await WebhookSink.StartAsync(Machine.FreePort(), cancel) : null;
        if (webhook is not null) await app.PostAsync("/v1/webhooks", new JsonObject { ["url"] = webhook.Url, ["events"] = new JsonArray("*") }, cancel);

        await rounds.MeasureAsync("EmailApi, just started", load, Math.Max(1, mails / 4), options.Clients);
        if (alone) await Statements.BeginAsync(database, cancel);
        for (var repetition = 1; repetition <= options.Repetitions; repetition++)
        {
            if (usual is not null) await MeasurePostfixAsync("Postfix", usual, sink, arrivals, folder);
            if (tuned is not null) await MeasurePostfixAsync("Postfix, 20 connections", tuned, sink, arrivals, folder);
            await rounds.MeasureAsync("EmailApi", load, mails, options.Clients, webhook);
            if (options.Attachment == 0) await rounds.MeasureBatchesAsync(Math.Max(1, mails / 2000), new string('x', Load.TextLength));
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
        return arrivals.IsComplete;
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

    async Task MeasurePostfixAsync(string name, PostfixServer postfix, SmtpSink sink, Arrivals arrivals, WorkFolder folder)
    {
        var share = Math.Max(100, mails / 8);
        var (before, cpu, start) = (sink.Count, Machine.CpuTimeOfFamily(postfix.ProcessId), Stopwatch.GetTimestamp());
        // 20 sessions, kept open (-d), as EmailApi's clients keep theirs.
        await ChildProcess.RunAsync(folder["smtp-source.log"],
            [Machine.Find("smtp-source", "postfix"), "-d", "-s", "20", "-l", Length.ToString(CultureInfo.InvariantCulture), "-m", share.ToString(CultureInfo.InvariantCulture),
             "-f", "orders@shop.example", "-t", "customer@example.com", $"127.0.0.1:{postfix.Port}"],
            TimeSpan.FromMinutes(5), cancel);
        figures.Add($"{name}: accepted", "mails/s", share / Stopwatch.GetElapsedTime(start).TotalSeconds);
        await arrivals.ArriveAsync(name, before + share);
        figures.Add($"{name}: relayed", "mails/s", share / Stopwatch.GetElapsedTime(start).TotalSeconds);
        figures.Add($"{name}: CPU", "µs/mail", (Machine.CpuTimeOfFamily(postfix.ProcessId) - cpu).TotalMicroseconds / share);
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
}
