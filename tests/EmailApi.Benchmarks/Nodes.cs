using System.Diagnostics;
using System.Globalization;
using EmailApi.Benchmarks.Servers;
using EmailApi.Data;
using EmailApi.Data.Embedded;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace EmailApi.Benchmarks;

/// <summary>Several nodes on one database beside one that does everything: whether every mail leaves once, and how fast.</summary>
sealed class Nodes(Options options, CancellationToken cancel)
{
    static readonly TimeSpan LateDoubles = TimeSpan.FromSeconds(2);

    readonly int mails = options.Mails ?? 10_000;
    bool isRight = true;

    sealed record Shape(string Name, params string[] Roles);

    static readonly Shape[] Shapes =
    [
        new("one node", "all"),
        new("1 api, 2 workers", "api", "worker", "worker"),
        new("1 api, 4 workers", "api", "worker", "worker", "worker", "worker"),
        new("2 api, 2 workers", "api", "api", "worker", "worker"),
    ];

    /// <returns>The exit code: 1 when a mail left twice or not at all.</returns>
    public async Task<int> RunAsync()
    {
        Console.WriteLine($"{mails:N0} mails a shape after a warm-up, {options.Clients} clients, {options.Connections} connections a worker; all of it on {Environment.ProcessorCount} cores");
        var one = 0d;
        foreach (var shape in Shapes)
        {
            var rate = await MeasureAsync(shape);
            if (one == 0) one = rate;
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{shape.Name,-18}{rate,8:#,0} relayed a second, {rate / one:0.00} of one node's{(rate < one ? " (the bar: not below)" : "")}"));
        }

        Console.WriteLine(isRight ? "Every mail left exactly once." : "A mail left twice or not at all.");
        return isRight ? 0 : 1;
    }

    async Task<double> MeasureAsync(Shape shape)
    {
        using var folder = new WorkFolder(options.Folder);
        await using var sink = await SmtpSink.StartAsync(folder, cancel);
        await using var postgres = await EmbeddedPostgres.StartAsync(folder.NewFolder("postgres"), NullLogger.Instance, cancel, new()
        {
            ServerSettings = new Dictionary<string, string> { ["max_connections"] = ((DataSetup.NodeConnections + 1) * shape.Roles.Length + 20).ToString(CultureInfo.InvariantCulture) },
        });
        await using var database = NpgsqlDataSource.Create(postgres.ConnectionString);
        var nodes = new List<EmailApiServer>();
        try
        {
            foreach (var role in shape.Roles)
                nodes.Add(await EmailApiServer.StartAsync(folder, postgres.ConnectionString, new Dictionary<string, string>(EmailApiServer.RelaySettings(sink.Port, options.Connections)) { ["EmailApi__Role"] = role }, cancel));
            var loads = nodes.Zip(shape.Roles).Where(n => n.Second != "worker").Select(n => new Load(n.First.Port)).ToList();
            await RoundAsync(sink, loads, mails / 2);
            var rate = await RoundAsync(sink, loads, mails);
            await Task.Delay(LateDoubles, cancel);
            await CheckAsync(shape, sink.Count, database, Share(mails / 2, loads) + Share(mails, loads));
            return rate;
        }
        finally
        {
            foreach (var node in Enumerable.Reverse(nodes)) await node.DisposeAsync();
        }
    }

    /// <returns>Mails relayed a second.</returns>
    async Task<double> RoundAsync(SmtpSink sink, List<Load> loads, int count)
    {
        var (before, start) = (sink.Count, Stopwatch.GetTimestamp());
        await Task.WhenAll(loads.Select(load => load.PostAsync(count / loads.Count, Math.Max(1, options.Clients / loads.Count), cancel)));
        await sink.WaitForAsync(before + Share(count, loads), TimeSpan.FromSeconds(20), cancel);
        return Share(count, loads) / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    static int Share(int count, List<Load> loads) => count / loads.Count * loads.Count;

    async Task CheckAsync(Shape shape, long arrived, NpgsqlDataSource database, int posted)
    {
        await using var command = database.CreateCommand("""
            select (select count(*) from recipients), (select count(*) from recipients where state = 'sent' and attempts = 1), (select count(*) from attempts),
                   (select count(*) from events where type = 'email.sent'), (select count(*) from queue)
            """);
        await using var reader = await command.ExecuteReaderAsync(cancel);
        await reader.ReadAsync(cancel);
        var (stored, once, attempts, sent, queued) = (reader.GetInt64(0), reader.GetInt64(1), reader.GetInt64(2), reader.GetInt64(3), reader.GetInt64(4));
        var isExact = queued == 0 && new[] { arrived, stored, once, attempts, sent }.All(n => n == posted);
        isRight &= isExact;
        Console.WriteLine($"{shape.Name,-18}{posted} posted, {stored} stored, {arrived} at the relay, {once} sent at their first attempt, {attempts} attempts, {sent} events of it, {queued} left in the queue{(isExact ? "" : ": WRONG")}");
    }
}
