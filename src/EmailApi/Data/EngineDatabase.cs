using Npgsql;

namespace EmailApi.Data;

/// <summary>The hot paths' own connections: ordinary reads, however many, never keep a mail from being accepted or recorded.</summary>
public sealed record EngineDatabase(NpgsqlDataSource Source) : IAsyncDisposable
{
    /// <summary>The database's clock, which all nodes share.</summary>
    public async Task<DateTimeOffset> NowAsync(CancellationToken cancel)
    {
        await using var command = Source.CreateCommand("select now()");
        await using var reader = await command.ExecuteReaderAsync(cancel);
        await reader.ReadAsync(cancel);
        return reader.GetFieldValue<DateTimeOffset>(0);
    }

    public ValueTask DisposeAsync() => Source.DisposeAsync();
}
