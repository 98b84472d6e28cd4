using System.Collections.Concurrent;
using System.Security.Cryptography;
using EmailApi.Data.Embedded;
using EmailApi.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

[assembly: AssemblyFixture(typeof(TestDatabase))]

namespace EmailApi.Tests.Support;

/// <summary>One embedded PostgreSQL for the whole test run, started by the first test that asks and stopped after the last;
/// each test class has a database of its own in it.</summary>
public sealed class TestDatabase : IAsyncDisposable
{
    static readonly TimeSpan Limit = TimeSpan.FromMinutes(1);
    static readonly Lazy<Task<(TemporaryFolder Folder, EmbeddedPostgres Postgres)>> Running = new(StartAsync);
    static readonly ConcurrentDictionary<string, Lazy<Task<string>>> Templates = new();

    /// <summary>Makes a fresh database.</summary>
    /// <param name="template">Name of the database to clone, as <see cref="TemplateAsync"/> gives it; null: an empty one.</param>
    /// <returns>Its connection string.</returns>
    public static async Task<string> CreateAsync(string? template = null, CancellationToken cancel = default)
    {
        var name = $"test_{RandomNumberGenerator.GetHexString(12, lowercase: true)}";
        await RunAsync($"create database {name} template {template ?? "template0"}", cancel);
        return await ConnectionStringAsync(name);
    }

    /// <summary>Makes a database once per run, to be cloned by many tests.</summary>
    /// <param name="fill">Gets its connection string (no pool: a template must have no connection) and puts into it what each clone starts with.</param>
    /// <returns>Its name, for <see cref="CreateAsync"/>.</returns>
    public static Task<string> TemplateAsync(string name, Func<string, Task> fill) =>
        Templates.GetOrAdd(name, _ => new Lazy<Task<string>>(async () =>
        {
            await RunAsync($"create database {name} template template0", CancellationToken.None);
            await fill(new NpgsqlConnectionStringBuilder(await ConnectionStringAsync(name)) { Pooling = false }.ConnectionString);
            return name;
        })).Value;

    /// <summary>Drops a database that was made here, whoever is still connected.</summary>
    public static async Task DropAsync(string connectionString, CancellationToken cancel = default)
    {
        await using (var pooled = new NpgsqlConnection(connectionString)) NpgsqlConnection.ClearPool(pooled);
        await RunAsync($"drop database if exists {new NpgsqlConnectionStringBuilder(connectionString).Database} with (force)", cancel);
    }

    /// <summary>Called by the test runner after the last test.</summary>
    public async ValueTask DisposeAsync()
    {
        if (!Running.IsValueCreated) return;

        var (folder, postgres) = await Running.Value;
        NpgsqlConnection.ClearAllPools();
        await postgres.DisposeAsync();
        folder.Dispose();
    }

    static async Task<(TemporaryFolder, EmbeddedPostgres)> StartAsync()
    {
        using var limit = new CancellationTokenSource(Limit);
        var folder = new TemporaryFolder();
        var options = new EmbeddedPostgresOptions
        {
            StateDirectory = folder["state"],
            ServerSettings = new Dictionary<string, string>
            {
                ["max_connections"] = "400",
                ["wal_level"] = "minimal",     // nobody replicates a test; fsync stays on, tests kill things
                ["max_wal_senders"] = "0",
                ["shared_buffers"] = "128MB",
                ["autovacuum_naptime"] = "5min",
            },
        };
        return (folder, await EmbeddedPostgres.StartAsync(folder["data"], NullLogger.Instance, limit.Token, options));
    }

    static async Task<string> ConnectionStringAsync(string database) =>
        new NpgsqlConnectionStringBuilder((await Running.Value).Postgres.ConnectionString) { Database = database }.ConnectionString;

    /// <summary>Runs a statement in the server's own database, as its superuser.</summary>
    public static async Task RunAsync(string sql, CancellationToken cancel)
    {
        var server = new NpgsqlConnectionStringBuilder(await ConnectionStringAsync("postgres")) { Pooling = false };
        await using var connection = new NpgsqlConnection(server.ConnectionString);
        await connection.OpenAsync(cancel);
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(cancel);
    }
}
