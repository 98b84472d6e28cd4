using Npgsql;

namespace EmailApi.Data;

/// <summary>The hot paths' own connections: ordinary reads, however many, never keep a mail from being accepted or recorded.</summary>
public sealed record EngineDatabase(NpgsqlDataSource Source) : IAsyncDisposable
{
    public ValueTask DisposeAsync() => Source.DisposeAsync();
}
