using System.Diagnostics;
using EmailApi.Tests.Support;
using Npgsql;

namespace EmailApi.Faults.Scenarios;

/// <summary>F25: nothing that was sent goes again.</summary>
sealed class Restored() : Scenario(
    "restore", "The database's files are laid back below running nodes, then a dump is loaded into another cluster: both start held, nothing leaves twice, and the release lets new mail go.",
    new("mails", 2_000, 300), new("late", 200, 50), new("relay-ms", 150, 150))
{
    const int Attempts = 600;

    int posted;

    public override async Task RunAsync(Run run)
    {
        await using var cluster = await OwnCluster.StartAsync(run.Cancel);
        await using var stage = await Stage.SetAsync(cluster, run["relay-ms"]);
        await stage.AddNodesAsync(2);
        using var clients = new Clients(stage.Nodes.Select(n => n.Address), 0, run.Cancel);

        await PostAsync(clients, run["mails"]);   // some are still open when the copy is made, and leave after it
        await cluster.StopAsync();
        var copy = Path.Combine(stage.Folder, "copy");
        await RunProgramAsync("cp", "-a", cluster.Directory, copy);
        await cluster.StartAsync(run.Cancel);
        var before = clients.Answered.Values.ToHashSet();
        await PostAsync(clients, run["mails"]);
        await SettleAsync(stage.ConnectionString, run.Cancel);
        await Task.Delay(2500, run.Cancel);   // each node looks every second how far the database is

        await cluster.StopAsync();
        foreach (var entry in new DirectoryInfo(cluster.Directory).EnumerateFileSystemInfos()) if (entry is DirectoryInfo inner) inner.Delete(recursive: true); else entry.Delete();
        await RunProgramAsync("cp", "-a", Path.Combine(copy, "."), cluster.Directory);
        await cluster.StartAsync(run.Cancel);
        await JudgeAsync(run, stage, clients, stage.ConnectionString, before, "files laid back");

        var dump = Path.Combine(stage.Folder, "dump");
        before = [.. await IdsAsync(stage.ConnectionString, "select id from emails")];
        var posting = PostAsync(clients, run["mails"]);
        await RunProgramAsync(Program("pg_dump"), "-Fc", "-f", dump, Uri(stage.ConnectionString));
        await posting;
        await SettleAsync(stage.ConnectionString, run.Cancel);
        foreach (var node in stage.Nodes) await node.StopAsync();
        await using var other = await OwnCluster.StartAsync(run.Cancel);
        var loaded = await other.CreateDatabaseAsync();   // for the role emailapi_reader, which no dump has
        await RunProgramAsync(Program("pg_restore"), "--clean", "--if-exists", "-d", Uri(loaded), dump);
        stage.NodesConnectionString = loaded;
        await stage.AddNodesAsync(2);
        using var again = new Clients(stage.Nodes.Where(n => n.IsRunning).Select(n => n.Address), 0, run.Cancel);
        await JudgeAsync(run, stage, again, loaded, before, "dump loaded");
    }

    async Task PostAsync(Clients clients, int mails)
    {
        await clients.PostAsync(posted + 1, posted + mails);
        posted += mails;
    }

    /// <summary>Held, with new mail accepted; then released: what left before has left once, and what came since goes out.</summary>
    async Task JudgeAsync(Run run, Stage stage, Clients clients, string database, HashSet<string> before, string how)
    {
        run.Say($"-- {how}");
        var nodes = stage.Nodes.Where(n => n.IsRunning).ToList();
        var startedAt = Stopwatch.StartNew();
        foreach (var node in nodes)
        {
            for (var i = 0; i < Attempts && !(await node.Process.Http.GetStringOrNullAsync("/readyz"))?.Contains("restored", StringComparison.Ordinal) == true; i++) await Task.Delay(100, run.Cancel);
        }

        var heldAfter = startedAt.Elapsed;
        var doubled = stage.Relay.Mails.GroupBy(m => $"em_{m.MessageId!.TrimStart('<').Split('@')[0]}").Where(g => g.Count() > 1).Select(g => g.Key).ToHashSet();
        run.Count("doubled before, by a restart of the database", doubled.Count);
        var (copies, answered) = (stage.Relay.Mails.Count, clients.Answered.Count);
        await PostAsync(clients, run["late"]);
        await Task.Delay(TimeSpan.FromSeconds(5), run.Cancel);
        run.Count("held on all nodes after", $"{heldAfter.TotalSeconds:0.0} s");
        run.AtMost("left while held", stage.Relay.Mails.Count - copies, 0);
        run.AtLeast("accepted while held", clients.Answered.Count - answered, run["late"]);

        var late = (await IdsAsync(database, "select e.id from emails e, epoch where e.created_at >= epoch.held_at")).ToHashSet();
        var had = stage.Relay.Mails.Count;
        await RunProgramAsync(Environment.ProcessPath!, EntryPoint.App, "restore", "release", $"--ConnectionStrings:EmailApi={database}");
        var releasedAt = Stopwatch.StartNew();
        while (stage.Relay.Mails.Count == had) await Task.Delay(20, run.Cancel);
        run.AtMost("sending again after the release", releasedAt.Elapsed.TotalSeconds, 10, " s");
        await SettleAsync(database, run.Cancel);

        var sent = stage.Relay.Mails.GroupBy(m => $"em_{m.MessageId!.TrimStart('<').Split('@')[0]}").ToDictionary(g => g.Key, g => g.Count());
        var stored = (await IdsAsync(database, "select id from emails")).ToHashSet();
        run.Count("held in doubt", (await IdsAsync(database, "select email_id from recipients where state = 'held' and reason = 'in_doubt'")).Count);
        var twice = sent.Where(m => m.Value > 1).Select(m => m.Key).Except(doubled).ToList();
        foreach (var id in twice) run.Count($"sent twice: {id}", string.Join(" ", stage.Relay.Mails.Where(m => m.MessageId!.Contains(id[3..], StringComparison.Ordinal)).Select(m => m.At.ToString("HH:mm:ss.fff", System.Globalization.CultureInfo.InvariantCulture))));
        run.AtMost("sent twice", twice.Count, 0);
        run.AtMost("acknowledged before the backup and not there", before.Count(id => !stored.Contains(id)), 0);
        run.AtLeast("late mail sent", late.Count(sent.ContainsKey), run["late"]);
        run.AtMost("late mail not sent", late.Count(id => !sent.ContainsKey(id)), 0);
        run.Must("ledger balanced", (await nodes[0].Process.Http.GetStringAsync("/v1/ledger", run.Cancel)).Contains("\"balanced\":true", StringComparison.Ordinal));
    }

    /// <summary>Waits until nothing is due or being sent. By connections of its own: those of a pool do not outlive their server.</summary>
    static async Task SettleAsync(string database, CancellationToken cancel)
    {
        while ((await IdsAsync(database, "select email_id from queue where lease_until is not null or due_at <= now()")).Count > 0) await Task.Delay(200, cancel);
    }

    static async Task<List<string>> IdsAsync(string database, string sql)
    {
        await using var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(database) { Pooling = false }.ConnectionString);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        await using var reader = await command.ExecuteReaderAsync();
        var ids = new List<string>();
        while (await reader.ReadAsync()) ids.Add($"em_{reader.GetGuid(0):n}");
        return ids;
    }

    static string Uri(string connectionString)
    {
        var database = new NpgsqlConnectionStringBuilder(connectionString);
        return $"postgresql://{database.Username}:{database.Password}@{database.Host}:{database.Port}/{database.Database}";
    }

    /// <summary>PostgreSQL's own client programs, beside its server or in the path.</summary>
    static string Program(string name) =>
        Directory.Exists("/usr/lib/postgresql") && Directory.EnumerateDirectories("/usr/lib/postgresql").Order(StringComparer.Ordinal).Select(d => Path.Combine(d, "bin", name)).LastOrDefault(File.Exists) is { } found
            ? found : name;

    static async Task RunProgramAsync(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync();
        if (process.ExitCode != 0) throw new InvalidOperationException($"{Path.GetFileName(program)} ended with {process.ExitCode}: {await output}{await errors}");
    }
}

static class HttpClientExtensions
{
    /// <summary>Null when the answer is not 2xx, or there is none.</summary>
    public static async Task<string?> GetStringOrNullAsync(this HttpClient http, string path)
    {
        try
        {
            return await http.GetStringAsync(path);
        }
        catch (HttpRequestException)
        {
            return null;
        }
    }
}
