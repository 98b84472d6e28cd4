using System.Net;
using System.Net.Sockets;
using Npgsql;

namespace EmailApi.Data.Embedded;

/// <summary>A PostgreSQL of the app's own, for a first run with nothing set up: started and stopped with the app, loopback
/// only, <c>fsync</c> on. Should its server die, it is started again on the same port.</summary>
/// <remarks>A kill -9 of the app leaves nothing in the way: a shell that waits for the app's end stops the server
/// (<see cref="Watchdog"/>), and a server that is left all the same is found and stopped by the next start.</remarks>
public sealed class EmbeddedPostgres : IAsyncDisposable
{
    const string Database = "emailapi";
    const int Attempts = 3;   // a free port may be taken between looking and starting

    readonly string dataDirectory;
    readonly EmbeddedPostgresOptions options;
    readonly ILogger logger;
    readonly List<DirectoryLock> locks = [];
    readonly CancellationTokenSource stopping = new();
    PostgresCluster? cluster;
    Task watching = Task.CompletedTask;

    EmbeddedPostgres(string dataDirectory, EmbeddedPostgresOptions options, ILogger logger) =>
        (this.dataDirectory, this.options, this.logger) = (dataDirectory, options, logger);

    /// <summary>For Npgsql: host, port, user, password and database, no other option.</summary>
    public string ConnectionString { get; private set; } = "";

    /// <summary>The cluster's folder as the file system knows it: a copy of it is another.</summary>
    internal string? Place { get; private set; }

    /// <summary>Process id of the server.</summary>
    internal int ServerProcessId => cluster!.ProcessId;

    /// <summary>Folder that holds the cluster, its log and any fetched binaries.</summary>
    internal string Home => cluster!.Home.Path;

    /// <summary>Starts the cluster that belongs to the data directory; makes both when there is none yet.</summary>
    /// <param name="dataDirectory">Full, or relative to the working directory.</param>
    /// <exception cref="StartRefusedException">It cannot be; the sentence says why and what would help.</exception>
    public static async Task<EmbeddedPostgres> StartAsync(
        string dataDirectory, ILogger logger, CancellationToken cancel, EmbeddedPostgresOptions? options = null)
    {
        var postgres = new EmbeddedPostgres(Path.GetFullPath(dataDirectory), options ?? new(), logger);
        try
        {
            await postgres.StartAsync(cancel);
            return postgres;
        }
        catch (Exception e)
        {
            await postgres.DisposeAsync();
            if (e is IOException or UnauthorizedAccessException or NpgsqlException)
                throw new StartRefusedException($"The embedded PostgreSQL in {postgres.dataDirectory} cannot start: {e.Message}", e);
            throw;
        }
    }

    /// <summary>Stops the server: fast (within 30 s), then without waiting for its checkpoint; committed work stays either way.</summary>
    public async ValueTask DisposeAsync()
    {
        if (stopping.IsCancellationRequested) return;

        await stopping.CancelAsync();
        await watching;
        if (cluster is not null) await cluster.StopAsync();
        Unlock();
        stopping.Dispose();
    }

    /// <summary>What a kill -9 of the app would do if no watchdog looked: the locks are free, the server runs on.</summary>
    internal async Task AbandonForTestAsync()
    {
        await stopping.CancelAsync();
        await watching;
        cluster?.AbandonForTest();
        Unlock();
    }

    internal static string ConnectionStringOf(int port, string password) =>
        $"Host=127.0.0.1;Port={port};Username={PostgresCluster.Superuser};Password={password};Database={Database}";

    async Task StartAsync(CancellationToken cancel)
    {
        locks.Add(DirectoryLock.Take(dataDirectory));
        var home = await ClusterHome.FindAsync(dataDirectory, options, cancel);
        if (!home.IsInside) locks.Add(DirectoryLock.Take(home.Path));   // a copied data directory points to the same cluster

        home.DeleteLeftovers();
        var binaries = await PostgresBinaries.FindAsync(home, options, logger, cancel);
        cluster = new PostgresCluster(home, binaries, options.ServerSettings, logger);
        if (!home.HasCluster) await cluster.CreateAsync(cancel);
        home.MarkCreated();

        await cluster.StopOrphanAsync(cancel);
        var port = await StartOnFreePortAsync(cluster, cancel);
        ConnectionString = ConnectionStringOf(port, home.Password);
        await CreateDatabaseAsync(cancel);
        Place = await home.PlaceAsync(cancel);
        watching = WatchAsync(cluster, port, stopping.Token);
        logger.LogInformation("PostgreSQL {Major} runs on 127.0.0.1:{Port}, its data in {Cluster}.", binaries.Major, port, home.Cluster);
    }

    static async Task<int> StartOnFreePortAsync(PostgresCluster cluster, CancellationToken cancel)
    {
        for (var attempt = 1; ; attempt++)
        {
            var port = FreePort();
            try
            {
                await cluster.StartAsync(port, cancel);
                return port;
            }
            catch (StartRefusedException e) when (attempt < Attempts && e.Message.Contains("Address already in use", StringComparison.Ordinal)) { }
        }
    }

    static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    async Task CreateDatabaseAsync(CancellationToken cancel)
    {
        var server = new NpgsqlConnectionStringBuilder(ConnectionString) { Database = "postgres", Pooling = false };
        await using var connection = new NpgsqlConnection(server.ConnectionString);
        await connection.OpenAsync(cancel);

        await using var exists = new NpgsqlCommand($"select 1 from pg_database where datname = '{Database}'", connection);
        if (await exists.ExecuteScalarAsync(cancel) is not null) return;

        await using var create = new NpgsqlCommand($"create database {Database} template template0 encoding 'UTF8'", connection);
        await create.ExecuteNonQueryAsync(cancel);
    }

    /// <summary>Looks every second whether the server lives; one that died (kill -9, out of memory) is started again.</summary>
    async Task WatchAsync(PostgresCluster cluster, int port, CancellationToken cancel)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(1));
        try
        {
            while (await timer.WaitForNextTickAsync(cancel))
            {
                if (cluster.IsRunning) continue;
                logger.LogError("PostgreSQL has ended by itself and is started again; its log is {Log}.", cluster.Home.Log);
                try
                {
                    await cluster.StopOrphanAsync(cancel);
                    await cluster.StartAsync(port, cancel);
                }
                catch (Exception e) when (e is StartRefusedException or IOException or UnauthorizedAccessException)
                {
                    logger.LogError("{Reason} It is tried again in 10 s.", e.Message);
                    await Task.Delay(TimeSpan.FromSeconds(10), cancel);
                }
            }
        }
        catch (OperationCanceledException) { }   // the app ends
    }

    void Unlock()
    {
        locks.ForEach(held => held.Dispose());
        locks.Clear();
    }
}
