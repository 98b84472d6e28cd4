using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using EmailApi.Data.Embedded;
using EmailApi.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace EmailApi.Faults;

/// <summary>A PostgreSQL of the scenario's own, that is stopped, killed, filled and started again on its port. <c>fsync</c> is on.</summary>
sealed class OwnCluster : IAsyncDisposable
{
    readonly TemporaryFolder folder = new();
    readonly PostgresCluster cluster;
    readonly ClusterHome home;
    readonly int port = FreePort();

    OwnCluster(PostgresCluster cluster, ClusterHome home, TemporaryFolder folder) => (this.cluster, this.home, this.folder) = (cluster, home, folder);

    public int ServerProcessId => cluster.ProcessId;

    /// <summary>False once it has ended by itself.</summary>
    public bool IsRunning => cluster.IsRunning;

    /// <summary>The folder that the server writes to.</summary>
    public string Directory => home.Cluster;

    /// <param name="settings">Of the server, beside the usual ones.</param>
    /// <param name="wal">A folder that takes its write-ahead log.</param>
    public static async Task<OwnCluster> StartAsync(CancellationToken cancel, Dictionary<string, string>? settings = null, string? wal = null)
    {
        var folder = new TemporaryFolder();
        var options = new EmbeddedPostgresOptions { StateDirectory = folder["state"] };
        System.IO.Directory.CreateDirectory(folder["data"]);
        TemporaryFolder.Open(folder["data"]);
        var home = await ClusterHome.FindAsync(folder["data"], options, cancel);
        var binaries = await PostgresBinaries.FindAsync(home, options, NullLogger.Instance, cancel);
        var cluster = new PostgresCluster(home, binaries, new Dictionary<string, string>(settings ?? []) { ["max_connections"] = "200" }, NullLogger.Instance);
        await cluster.CreateAsync(cancel);
        if (wal is not null) await Shell.RunAsync($"mv '{home.Cluster}/pg_wal' '{wal}/wal' && ln -s '{wal}/wal' '{home.Cluster}/pg_wal' && chown -h --reference='{home.Cluster}' '{home.Cluster}/pg_wal'", cancel);
        var own = new OwnCluster(cluster, home, folder);
        await own.StartAsync(cancel);
        return own;
    }

    /// <returns>The connection string of a new database with today's schema.</returns>
    /// <param name="tablespace">A folder that takes its tables; null: where the cluster lies.</param>
    public async Task<string> CreateDatabaseAsync(string? tablespace = null)
    {
        var name = $"app_{Guid.NewGuid():n}"[..12];
        var server = new NpgsqlConnectionStringBuilder(EmbeddedPostgres.ConnectionStringOf(port, home.Password)) { Database = "postgres", Pooling = false };
        await using (var connection = new NpgsqlConnection(server.ConnectionString))
        {
            await connection.OpenAsync();
            if (tablespace is not null)
            {
                await using var place = new NpgsqlCommand($"create tablespace elsewhere location '{tablespace}'", connection);
                await place.ExecuteNonQueryAsync();
            }

            await using var create = new NpgsqlCommand($"create database {name} template template0 {(tablespace is null ? "" : "tablespace elsewhere")}", connection);
            await create.ExecuteNonQueryAsync();
        }

        var made = new NpgsqlConnectionStringBuilder(EmbeddedPostgres.ConnectionStringOf(port, home.Password)) { Database = name };
        await TestApp.MigrateAsync(new NpgsqlConnectionStringBuilder(made.ConnectionString) { Pooling = false }.ConnectionString);
        return made.ConnectionString;
    }

    /// <summary>Returns when it answers, after what recovery takes.</summary>
    public Task StartAsync(CancellationToken cancel) => cluster.StartAsync(port, cancel);

    /// <summary>As <c>pg_ctl stop -m fast</c>.</summary>
    public Task StopAsync() => cluster.StopAsync();

    /// <summary>As <c>pg_ctl stop -m immediate</c>: it recovers at the next start.</summary>
    public async Task StopImmediatelyAsync(CancellationToken cancel)
    {
        using (var quit = Process.Start("kill", ["-QUIT", $"{cluster.ProcessId}"])) await quit.WaitForExitAsync(cancel);
        while (cluster.IsRunning) await Task.Delay(5, cancel);
        await cluster.StopAsync();   // nothing is left to stop but what watches over it
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        folder.Dispose();
    }

    static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
