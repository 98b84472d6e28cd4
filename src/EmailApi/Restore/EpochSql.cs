using EmailApi.Http;
using Npgsql;

namespace EmailApi.Restore;

/// <summary>The row as one node sees it.</summary>
/// <param name="IsReloaded">Its values are older than this version of it: they were loaded.</param>
/// <param name="AskedFor">How long the nodes have been asked to vouch.</param>
/// <param name="Server">Of <see cref="DatabaseIdentity.Server"/>, in the row's transaction.</param>
sealed record EpochRow(
    DateTimeOffset Since, long? SystemIdentifier, long DatabaseOid, int? Timeline, string? Place, bool IsReloaded, DateTimeOffset? HeldAt, HoldReason? HeldFor,
    TimeSpan? AskedFor, string Fingerprint, string Server);

/// <summary>The epoch's SQL. Every change of the row says whose transaction it is.</summary>
static class EpochSql
{
    /// <summary>A node that has not been seen for so long is no longer waited for: while the database was well, its leases have died and are settled.</summary>
    const string ForgetAfter = "interval '1 minute'";

    /// <param name="toChange">Locks it for the transaction.</param>
    public static async Task<EpochRow?> ReadAsync(NpgsqlConnection connection, bool toChange, CancellationToken cancel)
    {
        await using var command = new NpgsqlCommand($"""
            select e.since, e.system_identifier, e.database_oid, e.timeline, e.place, e.transaction::text::numeric % 4294967296 <> e.xmin::text::numeric,
                e.held_at, e.held_for, now() - e.asked_at, {Epoch.Fingerprint}, {DatabaseIdentity.ServerSql}
            from epoch e {(toChange ? "for update" : "")}
            """, connection);
        await using var reader = await command.ExecuteReaderAsync(cancel);
        if (!await reader.ReadAsync(cancel)) return null;
        return new(
            reader.GetFieldValue<DateTimeOffset>(0), Value<long>(1), reader.GetInt64(2), Value<int>(3), reader.IsDBNull(4) ? null : reader.GetString(4), reader.GetBoolean(5),
            Value<DateTimeOffset>(6), reader.IsDBNull(7) ? null : Words.Parse<HoldReason>(reader.GetString(7)), Value<TimeSpan>(8), reader.GetString(9), reader.GetString(10));

        T? Value<T>(int column) where T : struct => reader.IsDBNull(column) ? null : reader.GetFieldValue<T>(column);
    }

    /// <summary>The first start, or one of several.</summary>
    public static Task BeginAsync(NpgsqlConnection connection, DatabaseIdentity now, CancellationToken cancel) =>
        ExecuteAsync(connection, "insert into epoch (system_identifier, database_oid, timeline) values ($1, $2, $3) on conflict do nothing", cancel,
            Number(now.SystemIdentifier), new NpgsqlParameter<long> { TypedValue = now.DatabaseOid }, Number(now.Timeline));

    public static Task HoldAsync(NpgsqlConnection connection, HoldReason reason, CancellationToken cancel) =>
        ExecuteAsync(connection, "update epoch set held_at = now(), held_for = $1, asked_at = null, transaction = pg_current_xact_id() where held_at is null", cancel, new NpgsqlParameter { Value = reason.Word() });

    public static Task PlaceAsync(NpgsqlConnection connection, string place, CancellationToken cancel) =>
        ExecuteAsync(connection, "update epoch set place = $1, transaction = pg_current_xact_id()", cancel, new NpgsqlParameter { Value = place });

    public static Task AskAsync(NpgsqlConnection connection, CancellationToken cancel) =>
        ExecuteAsync(connection, "update epoch set asked_at = now(), transaction = pg_current_xact_id()", cancel);

    /// <returns>False when the database does not know the node: it is older than the node's start.</returns>
    public static async Task<bool> VouchAsync(NpgsqlConnection connection, Guid node, int? timeline, CancellationToken cancel) =>
        await ExecuteAsync(connection, "update delivering_nodes set timeline = $2, seen_at = now() where id = $1", cancel, new NpgsqlParameter { Value = node }, Number(timeline)) > 0;

    public static async Task<bool> AllVouchedAsync(NpgsqlConnection connection, int? timeline, CancellationToken cancel)
    {
        await using var command = new NpgsqlCommand("select coalesce(bool_and(timeline is not distinct from $1), false) from delivering_nodes", connection) { Parameters = { Number(timeline) } };
        return await command.ExecuteScalarAsync(cancel) is true;
    }

    public static Task GoOnAsync(NpgsqlConnection connection, int? timeline, CancellationToken cancel) =>
        ExecuteAsync(connection, "update epoch set timeline = $1, asked_at = null, transaction = pg_current_xact_id()", cancel, Number(timeline));

    /// <summary>Begins another epoch where the database now is.</summary>
    public static async Task ReleaseAsync(NpgsqlConnection connection, DatabaseIdentity now, CancellationToken cancel)
    {
        await ExecuteAsync(connection, """
            update epoch set since = now(), system_identifier = $1, database_oid = $2, timeline = $3, place = null, held_at = null, held_for = null, asked_at = null,
                transaction = pg_current_xact_id()
            """, cancel, Number(now.SystemIdentifier), new NpgsqlParameter<long> { TypedValue = now.DatabaseOid }, Number(now.Timeline));
        await ExecuteAsync(connection, "delete from delivering_nodes", cancel);
    }

    /// <returns>How far the database now is; null when it is not the one that was checked.</returns>
    public static async Task<Sight?> LookAsync(NpgsqlDataSource database, Sight before, string fingerprint, CancellationToken cancel)
    {
        var position = before.Position is null ? "null::bigint" : DatabaseIdentity.PositionSql;
        await using var command = database.CreateCommand($"select {position} from epoch e where {Epoch.Fingerprint} = $1");
        command.Parameters.Add(new() { Value = fingerprint });
        await using var reader = await command.ExecuteReaderAsync(cancel);
        if (!await reader.ReadAsync(cancel)) return null;
        return before with { Position = reader.IsDBNull(0) ? null : reader.GetInt64(0) };
    }

    public static async Task<bool> IsFitAsync(NpgsqlDataSource database, string fingerprint, CancellationToken cancel)
    {
        await using var command = database.CreateCommand($"select exists (select from epoch e where {Epoch.Fingerprint} = $1)");
        command.Parameters.Add(new() { Value = fingerprint });
        return await command.ExecuteScalarAsync(cancel) is true;
    }

    /// <summary>Puts a node on the list, or keeps it there, of the very database that was checked.</summary>
    public static async Task<bool> ListAsync(NpgsqlDataSource database, Guid node, int? timeline, string fingerprint, CancellationToken cancel)
    {
        await using var command = database.CreateCommand($"""
            with forgotten as (
                delete from delivering_nodes n using epoch e where {Epoch.Fingerprint} = $3 and n.seen_at < now() - {ForgetAfter} and n.id <> $1
            )
            insert into delivering_nodes (id, timeline) select $1, $2 from epoch e where {Epoch.Fingerprint} = $3
            on conflict (id) do update set seen_at = now(), timeline = excluded.timeline
            """);
        command.Parameters.AddRange(new[] { new NpgsqlParameter { Value = node }, Number(timeline), new NpgsqlParameter { Value = fingerprint } });
        return await command.ExecuteNonQueryAsync(cancel) > 0;
    }

    public static async Task UnlistAsync(NpgsqlDataSource database, Guid node, CancellationToken cancel)
    {
        await using var connection = await database.OpenConnectionAsync(cancel);
        await ExecuteAsync(connection, "delete from delivering_nodes where id = $1", cancel, new NpgsqlParameter { Value = node });
    }

    static async Task<int> ExecuteAsync(NpgsqlConnection connection, string sql, CancellationToken cancel, params NpgsqlParameter[] parameters)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        command.Parameters.AddRange(parameters);
        return await command.ExecuteNonQueryAsync(cancel);
    }

    static NpgsqlParameter Number(long? value) => new() { Value = (object?)value ?? DBNull.Value, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Bigint };

    static NpgsqlParameter Number(int? value) => new() { Value = (object?)value ?? DBNull.Value, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Integer };
}
