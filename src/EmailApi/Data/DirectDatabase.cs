using Npgsql;

namespace EmailApi.Data;

/// <summary>Connections to PostgreSQL itself, for what needs its session: LISTEN, and the lock that migrations hold. Of <c>ConnectionStrings__EmailApiDirect</c>; without it
/// those of <c>ConnectionStrings__EmailApi</c>, which then must not go through a pooler that shares sessions.</summary>
/// <param name="IsGiven">The setting is there: <c>ConnectionStrings__EmailApi</c> goes through a pooler.</param>
public sealed record DirectDatabase(NpgsqlDataSource Source, bool IsGiven) : IAsyncDisposable
{
    /// <summary>Whether a session is one's own: a pooler gives its clients other process ids than PostgreSQL's.</summary>
    public async Task<bool> HasSessionAsync(NpgsqlConnection connection, CancellationToken cancel)
    {
        if (IsGiven) return true;
        await using var command = new NpgsqlCommand("select pg_backend_pid()", connection);
        return await command.ExecuteScalarAsync(cancel) is int process && process == connection.ProcessID;
    }

    public ValueTask DisposeAsync() => Source.DisposeAsync();
}
