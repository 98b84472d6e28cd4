using System.Globalization;
using EmailApi.Benchmarks.Servers;
using EmailApi.Data.Embedded;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace EmailApi.Benchmarks;

/// <summary>What much stored mail and much waiting mail do to one node: the same rounds on an empty database and on a full one, reads of the full one, then accepting and claiming beside a backlog.</summary>
sealed class Growth(Options options, CancellationToken cancel)
{
    const int DefaultStored = 5_000_000;
    const int Mails = 10_000;
    const int Requests = 300;
    const double MinRatio = 0.9;
    const double MaxP99 = 20;
    /// <summary>Rows, indexes and a content that compresses; and what the log may keep and sorting takes.</summary>
    const long BytesPerMail = 3200, MoreBytes = 7L << 30;

    readonly int stored = options.Mails ?? DefaultStored;
    readonly int mails = Math.Min(Mails, Math.Max(1000, options.Mails ?? Mails));
    readonly Figures figures = new();
    bool isComplete = true;

    /// <returns>The exit code: 1 when a rate falls below nine tenths, a read is above 20 ms or mail is missing.</returns>
    public async Task<int> RunAsync()
    {
        using var folder = new WorkFolder(options.Folder);
        var (needed, free) = (stored * BytesPerMail + options.Queued * BytesPerMail + MoreBytes, new DriveInfo(folder.Path).AvailableFreeSpace);
        Console.WriteLine($"{stored:N0} stored and {options.Queued:N0} queued mails take up to {needed >> 30} GB; {free >> 30} GB are free in {folder.Path}");
        if (needed > free) throw new CannotRunException("That is too little: use a smaller --mails or another --folder.");
        await using var sink = await SmtpSink.StartAsync(folder, cancel);
        await using var postgres = await EmbeddedPostgres.StartAsync(folder.NewFolder("postgres"), NullLogger.Instance, cancel);
        await using var database = NpgsqlDataSource.Create(postgres.ConnectionString);
        var settings = EmailApiServer.RelaySettings(sink.Port, options.Connections);

        await using (var app = await EmailApiServer.StartAsync(folder, postgres.ConnectionString, settings, cancel)) await RoundsAsync("empty", app, sink, database);
        await FillAsync(database);
        var isFast = true;
        await using (var app = await EmailApiServer.StartAsync(folder, postgres.ConnectionString, settings, cancel))
        {
            await RoundsAsync("full", app, sink, database);
            isFast = await ReadAsync(app, database);
        }

        var backlog = new Backlog(options, folder, postgres.ConnectionString, sink, database, figures, cancel);
        if (options.Queued > 0) isComplete &= await backlog.RunAsync(mails);
        figures.Print();
        var isKept = true;
        foreach (var what in new[] { "accepted", "relayed" }) isKept &= Compare($"full: {what}", $"empty: {what}");
        if (options.Queued > 0)
            foreach (var what in new[] { Backlog.Accepted, Backlog.Claimed }) isKept &= Compare($"{Backlog.Long}: {what}", $"{Backlog.Short}: {what}");
        Console.WriteLine(isFast ? $"Every p99 of a read is within {MaxP99} ms." : $"A p99 of a read is above {MaxP99} ms.");
        Console.WriteLine(isComplete ? "Every mail arrived." : "Mail is missing.");
        return isKept && isFast && isComplete ? 0 : 1;
    }

    bool Compare(string after, string before)
    {
        var ratio = figures.MedianOf(after) / figures.MedianOf(before);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{after} / {before}: {ratio:0.00}, the bar is {MinRatio:0.00}{(ratio < MinRatio ? ": missed" : "")}"));
        return ratio >= MinRatio;
    }

    async Task RoundsAsync(string name, EmailApiServer app, SmtpSink sink, NpgsqlDataSource database)
    {
        var arrivals = new Arrivals(sink, database, cancel);
        var rounds = new AppRounds(app, sink, arrivals, new(app, database, cancel), figures, cancel);
        var load = new Load(app.Port);
        await rounds.MeasureAsync($"{name}, just started", load, mails / 2, options.Clients);
        for (var repetition = 0; repetition < options.Repetitions; repetition++) await rounds.MeasureAsync(name, load, mails, options.Clients);
        isComplete &= arrivals.IsComplete;
    }

    /// <summary>No node runs meanwhile. The statistics begin after it: what is stored would have been counted as it came.</summary>
    async Task FillAsync(NpgsqlDataSource database)
    {
        await new LogFill(database, stored, cancel, await WaitingMails.DocumentAsync(database, cancel)).RunAsync();
        await using var counted = database.CreateCommand("""
            insert into stat_cursors (project_id, transaction, ordinal)
            select p.id, e.transaction, e.ordinal from projects p cross join lateral (
                select transaction, ordinal from events where project_id = p.id order by transaction desc, ordinal desc limit 1) e
            on conflict (project_id) do update set transaction = excluded.transaction, ordinal = excluded.ordinal;
            checkpoint
            """);
        counted.CommandTimeout = 0;
        await counted.ExecuteNonQueryAsync(cancel);
        await using var size = database.CreateCommand("select pg_database_size(current_database())");
        var bytes = (long)(await size.ExecuteScalarAsync(cancel))!;
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"the database has {bytes / 1e9:0.0} GB"));
    }

    async Task<bool> ReadAsync(EmailApiServer app, NpgsqlDataSource database)
    {
        var random = new Random(42);
        var times = new ReadTimes(app, random, cancel);
        var ids = await times.IdsAsync(database);
        ReadTimes.PrintHead();
        var isFast = true;
        foreach (var (name, path) in new (string, Func<string>)[]
        {
            ("/v1/emails", () => "/v1/emails"),
            ("/v1/emails, limit 100", () => "/v1/emails?limit=100"),
            ("/v1/emails, deeper pages", await times.SecondPagesAsync("")),
            ("/v1/emails, status=sent, deeper pages", await times.SecondPagesAsync("status=sent&")),
            ("/v1/emails, address of one of 200,000", () => $"/v1/emails?address=customer-{random.Next(200_000)}@example.com"),
            ("/v1/emails/{id}", () => $"/v1/emails/{Id()}"),
            ("/v1/emails/{id}/events", () => $"/v1/emails/{Id()}/events"),
            ("/v1/emails/{id}/attempts", () => $"/v1/emails/{Id()}/attempts"),
            ("/v1/emails/{id}/content", () => $"/v1/emails/{Id()}/content"),
        }) isFast &= await times.MeasureAsync(name, path, Requests, MaxP99) <= MaxP99;
        return isFast;

        string Id() => ids[random.Next(ids.Length)];
    }
}
