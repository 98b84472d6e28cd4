using EmailApi.Benchmarks.Servers;
using EmailApi.Data.Embedded;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace EmailApi.Interop;

/// <summary>One PostgreSQL; each app that is started gets a database of its own in it.</summary>
sealed class Database : IAsyncDisposable
{
    readonly EmbeddedPostgres postgres;
    int made;

    Database(EmbeddedPostgres postgres) => this.postgres = postgres;

    public static async Task<Database> StartAsync(WorkFolder folder, CancellationToken cancel) =>
        new(await EmbeddedPostgres.StartAsync(folder.NewFolder("postgres"), NullLogger.Instance, cancel));

    /// <returns>Its connection string.</returns>
    public async Task<string> CreateAsync(CancellationToken cancel)
    {
        var name = $"app_{++made}";
        await using var connection = new NpgsqlConnection(postgres.ConnectionString);
        await connection.OpenAsync(cancel);
        await using var create = new NpgsqlCommand($"create database {name} template template0", connection);
        await create.ExecuteNonQueryAsync(cancel);
        return new NpgsqlConnectionStringBuilder(postgres.ConnectionString) { Database = name }.ConnectionString;
    }

    public ValueTask DisposeAsync() => postgres.DisposeAsync();
}
