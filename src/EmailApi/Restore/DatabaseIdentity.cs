using Npgsql;

namespace EmailApi.Restore;

/// <summary>What PostgreSQL says of itself. What an ordinary user may not ask, or a provider's server does not offer, is null.</summary>
/// <param name="Timeline">The current one; that of the last checkpoint would lag behind a failover.</param>
/// <param name="Position">Up to where its log is on disk, in bytes: on one timeline it never goes back.</param>
/// <param name="Server">The server process: since when it runs.</param>
sealed record DatabaseIdentity(long? SystemIdentifier, long DatabaseOid, int? Timeline, long? Position, string Server)
{
    internal const string PositionSql = "(pg_current_wal_flush_lsn() - '0/0')::bigint";
    internal const string ServerSql = "extract(epoch from pg_postmaster_start_time())::text";

    public static async Task<DatabaseIdentity> ReadAsync(NpgsqlConnection connection, CancellationToken cancel)
    {
        var system = await TryAsync<long?>("select system_identifier from pg_control_system()");
        var oid = await TryAsync<long?>("select oid::bigint from pg_database where datname = current_database()");
        var timeline = await TryAsync<int?>("select ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int");
        var position = await TryAsync<long?>($"select {PositionSql}");
        return new(system, oid ?? 0, timeline, position, await TryAsync<string>($"select {ServerSql}") ?? "");

        async Task<T?> TryAsync<T>(string sql)
        {
            try
            {
                await using var command = new NpgsqlCommand(sql, connection);
                return (T?)await command.ExecuteScalarAsync(cancel);
            }
            catch (PostgresException refused) when (refused.SqlState is
                PostgresErrorCodes.InsufficientPrivilege or PostgresErrorCodes.UndefinedFunction or PostgresErrorCodes.FeatureNotSupported)
            {
                return default;
            }
        }
    }

    /// <summary>What it does not tell, for people; empty when all is known.</summary>
    public IEnumerable<string> Unknown()
    {
        if (SystemIdentifier is null) yield return "its system identifier, so a dump loaded into another server is told by its rows alone";
        if (Timeline is null) yield return "its timeline, so a recovery to a point in time is not seen";
        if (Position is null) yield return "its log position, so files that were laid back are not seen";
    }
}
