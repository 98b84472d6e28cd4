using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using EmailApi.Tests.Support;
using Npgsql;

namespace EmailApi.Faults.Scenarios;

/// <summary>Two nodes share ten sessions that they do not own.</summary>
sealed class PgBouncer() : Scenario(
    "pgbouncer", "Two nodes behind PgBouncer in transaction mode with few server connections: all mail arrives once, leases are renewed, nodes wake each other, and kill -9 leaves no lock behind.",
    new("mails", 5_000, 600), new("pool", 10, 10), new("relay-ms", 20, 20), new("slow-ms", 35_000, 35_000))
{
    public override async Task RunAsync(Run run)
    {
        await using var cluster = await OwnCluster.StartAsync(run.Cancel);
        await using var stage = await Stage.SetAsync(cluster, run["relay-ms"]);
        var direct = stage.ConnectionString;
        await using var bouncer = await Bouncer.StartAsync(stage.Folder, direct, run["pool"], run.Cancel);
        await MigrateAsync(run, stage, bouncer, direct);

        stage.NodesConnectionString = bouncer.ConnectionString;
        var way = $"--ConnectionStrings:EmailApiDirect={direct}";
        await Task.WhenAll(stage.AddNodeAsync("--EmailApi:Role=api", way), stage.AddNodeAsync("--EmailApi:Role=worker", way));
        var (api, worker) = (stage.Nodes[0], stage.Nodes[1]);
        using var clients = new Clients([api.Address], 0, run.Cancel);
        using var sampling = CancellationTokenSource.CreateLinkedTokenSource(run.Cancel);
        var most = MostAsync(stage, sampling.Token);
        // The first mail's dialogue is longer than a lease, and goes on beside the others.
        stage.Relay.AnswerAsUsual();
        stage.Relay.AnswerAt(RelayStep.Dot, $"delay:{run["slow-ms"]}", times: 1);
        stage.Relay.AnswerAt(RelayStep.Dot, $"delay:{run["relay-ms"]}");
        await clients.PostAsync(1, run["mails"]);
        while (stage.Relay.Mails.Count < run["mails"] - 1) await Task.Delay(20, run.Cancel);
        run.AtLeast("sessions past the pooler that listen", await stage.AskAsync<long>("select count(*) from pg_stat_activity where application_name = 'EmailApi direct' and backend_type = 'client backend'"), 1);
        var waits = new List<double>();
        for (var number = run["mails"] + 1; number <= run["mails"] + 20; number++)
        {
            var startedAt = Stopwatch.StartNew();
            var had = stage.Relay.Mails.Count;
            await clients.PostAsync(number, number);
            while (stage.Relay.Mails.Count == had) await Task.Delay(2, run.Cancel);
            waits.Add(startedAt.Elapsed.TotalMilliseconds);
        }

        await stage.SettleAsync(run.Cancel);
        var ends = await BothEnds.CountAsync(stage, clients);
        ends.Judge(run, run["mails"] + 20);
        run.AtMost("doubled", ends.Doubled.Count, 0);
        run.AtMost("in doubt, one whose dialogue outlasts a lease among them", ends.Doubted.Count, 0);
        run.Count("one mail, POST to relay, median", $"{waits.Order().ElementAt(waits.Count / 2):0} ms");

        var posting = clients.PostAsync(run["mails"] + 21, 2 * run["mails"]);
        while (stage.Relay.Mails.Count < run["mails"] + 100) await Task.Delay(5, run.Cancel);
        worker.Kill();
        await Task.Delay(2000, run.Cancel);
        var locks = await stage.AskAsync<long>("select count(*) from pg_locks l join pg_stat_activity a using (pid) where l.locktype = 'advisory' and l.granted and a.xact_start < now() - interval '1 second'");
        await worker.StartAsync();
        await posting;
        await stage.SettleAsync(run.Cancel);
        await sampling.CancelAsync();
        run.AtMost("advisory locks left by kill -9", locks, 0);
        run.AtMost("server connections of the pool at most", await most, run["pool"]);
        ends = await BothEnds.CountAsync(stage, clients);
        ends.Judge(run, 2 * run["mails"]);
    }

    /// <summary>A database without tables, brought to the schema past the pooler; through it that is refused.</summary>
    static async Task MigrateAsync(Run run, Stage stage, Bouncer bouncer, string direct)
    {
        await stage.ExecuteAsync("create database fresh template template0");
        var past = new NpgsqlConnectionStringBuilder(direct) { Database = "fresh" }.ConnectionString;
        var through = new NpgsqlConnectionStringBuilder(bouncer.ConnectionString) { Database = "fresh" }.ConnectionString;
        var refused = await AppCommand.RunAsync(stage.Folder, "migrate", $"--ConnectionStrings:EmailApi={through}");
        var done = await AppCommand.RunAsync(stage.Folder, "migrate", $"--ConnectionStrings:EmailApi={through}", $"--ConnectionStrings:EmailApiDirect={past}");
        run.Must("migrations through the pooler alone are refused", refused.ExitCode == 1 && refused.Errors.Contains("goes through a pooler", StringComparison.Ordinal), refused.Output + refused.Errors);
        run.Must("migrations past it run", done.ExitCode == 0, done.Output + done.Errors);
        run.AtMost("locks left by migrations", await stage.AskAsync<long>("select count(*) from pg_locks where locktype = 'advisory'"), 0);
    }

    /// <summary>The most server connections at once that are not direct ones.</summary>
    static async Task<long> MostAsync(Stage stage, CancellationToken cancel)
    {
        var most = 0L;
        while (!cancel.IsCancellationRequested)
        {
            most = Math.Max(most, await stage.AskAsync<long>("select count(*) from pg_stat_activity where datname = current_database() and application_name like 'EmailApi%' and application_name <> 'EmailApi direct'"));
            await Task.Delay(100, CancellationToken.None);
        }

        return most;
    }
}

/// <summary>A PgBouncer of the scenario's own, in transaction mode.</summary>
sealed class Bouncer : IAsyncDisposable
{
    readonly Process process;

    Bouncer(Process process, string connectionString) => (this.process, ConnectionString) = (process, connectionString);

    public string ConnectionString { get; }

    public static async Task<Bouncer> StartAsync(string folder, string connectionString, int pool, CancellationToken cancel)
    {
        var server = new NpgsqlConnectionStringBuilder(connectionString);
        using var free = new TcpListener(IPAddress.Loopback, 0);
        free.Start();
        var port = ((IPEndPoint)free.LocalEndpoint).Port;
        free.Stop();
        var settings = Path.Combine(folder, "pgbouncer.ini");
        await File.WriteAllTextAsync(settings, $"""
            [databases]
            * = host={server.Host} port={server.Port} user={server.Username} password={server.Password}
            [pgbouncer]
            listen_addr = 127.0.0.1
            listen_port = {port}
            unix_socket_dir =
            auth_type = any
            pool_mode = transaction
            default_pool_size = {pool}
            max_client_conn = 200
            """, cancel);
        string[] line = Environment.IsPrivilegedProcess ? ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--", "pgbouncer", settings] : ["pgbouncer", settings];   // it refuses root
        var start = new ProcessStartInfo(line[0], line[1..]) { RedirectStandardError = true, RedirectStandardOutput = true };
        start.Environment["PATH"] += ":/usr/sbin";
        var process = Process.Start(start)!;
        process.ErrorDataReceived += (_, _) => { };
        process.BeginErrorReadLine();
        var bouncer = new Bouncer(process, new NpgsqlConnectionStringBuilder(connectionString) { Port = port }.ConnectionString);
        for (var tries = 0; ; tries++)
        {
            try
            {
                await using var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(bouncer.ConnectionString) { Pooling = false }.ConnectionString);
                await connection.OpenAsync(cancel);
                return bouncer;
            }
            catch (NpgsqlException) when (tries < 100 && !process.HasExited)
            {
                await Task.Delay(100, cancel);
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (!process.HasExited) process.Kill();
        await process.WaitForExitAsync();
        process.Dispose();
    }
}
