using System.Globalization;
using Npgsql;

namespace EmailApi.Data;

/// <summary>Makes the partitions of the tables that grow with the mail, ahead of the time they are for. A partition holds the emails
/// accepted in one week (UTC, from Monday); its bounds lie in the partition, so another length later needs no change of the rows.</summary>
public sealed class Partitions(NpgsqlDataSource database, TimeProvider clock)
{
    /// <summary>Whole partitions that always lie ahead: the job that makes them may fail for this long before an accept would.</summary>
    public const int WeeksAhead = 4;

    static readonly string[] Tables = ["emails", "recipients", "contents", "blob_uses", "attempts", "events"];

    /// <summary>Those of the mails, and what has weeks of its own.</summary>
    static readonly string[] All = [.. Tables, Webhooks.WebhookCall.Table];

    /// <summary>Makes what is missing from last week (a node's clock may be behind) to <see cref="WeeksAhead"/>. Safe to call from several
    /// nodes at once.</summary>
    public async Task EnsureAsync(CancellationToken cancel)
    {
        await using var connection = await database.OpenConnectionAsync(cancel);
        await using var transaction = await connection.BeginTransactionAsync(cancel);
        await ExecuteAsync("set local lock_timeout = '5s'; select pg_advisory_xact_lock(hashtextextended('emailapi.partitions', 0))");

        var thisWeek = WeekOf(clock.GetUtcNow());
        for (var week = thisWeek.AddDays(-7); week <= thisWeek.AddDays(7 * WeeksAhead); week = week.AddDays(7))
        {
            foreach (var table in All)
            {
                // Names, not values: both come from this file.
                var name = NameOf(table, week);
                if (await ScalarAsync($"select to_regclass('{name}') is not null") is true) continue;
                await ExecuteAsync($"""
                    create table {name} partition of {table} for values from ('{FirstId(week)}') to ('{FirstId(week.AddDays(7))}')
                    """);
            }
        }

        await transaction.CommitAsync(cancel);

        async Task ExecuteAsync(string sql)
        {
            await using var command = new NpgsqlCommand(sql, connection, transaction);
            await command.ExecuteNonQueryAsync(cancel);
        }

        async Task<object?> ScalarAsync(string sql)
        {
            await using var command = new NpgsqlCommand(sql, connection, transaction);
            return await command.ExecuteScalarAsync(cancel);
        }
    }

    /// <summary>How many whole weeks lie ready after this one, in every table; -1 when this week's is missing.</summary>
    public async Task<int> WeeksReadyAsync(CancellationToken cancel)
    {
        var thisWeek = WeekOf(clock.GetUtcNow());
        for (var weeks = 0; weeks <= WeeksAhead; weeks++)
        {
            await using var command = database.CreateCommand("select bool_and(to_regclass(name) is not null) from unnest($1) name");
            command.Parameters.Add(new NpgsqlParameter<string[]> { TypedValue = [.. All.Select(table => NameOf(table, thisWeek.AddDays(7 * weeks)))] });
            if (await command.ExecuteScalarAsync(cancel) is not true) return weeks - 1;
        }

        return WeeksAhead;
    }

    /// <summary>The weeks that have partitions, oldest first.</summary>
    public async Task<IReadOnlyList<PartitionWeek>> WeeksAsync(CancellationToken cancel, string table = "emails")
    {
        await using var command = database.CreateCommand($"""
            select substring(c.relname from '_([0-9]+)$'), substring(b.bound from $$FROM \('([^']+)'$$)::uuid, substring(b.bound from $$TO \('([^']+)'$$)::uuid
            from pg_inherits i join pg_class c on c.oid = i.inhrelid cross join lateral (select pg_get_expr(c.relpartbound, c.oid) as bound) b
            where i.inhparent = '{table}'::regclass and b.bound is not null order by 2   -- null: just dropped
            """);
        var weeks = new List<PartitionWeek>();
        await using var reader = await command.ExecuteReaderAsync(cancel);
        while (await reader.ReadAsync(cancel)) weeks.Add(new(reader.GetString(0), reader.GetGuid(1), reader.GetGuid(2)));
        return weeks;
    }

    /// <summary>Drops a week, unless one of its recipients is open or became final after <paramref name="finalBefore"/>. Accepts, claims and reads
    /// wait at most <see cref="DropWait"/> for each table; when it cannot have them in that time, the drop gives way and tries again a few times.</summary>
    public async Task<DropResult> DropAsync(PartitionWeek week, DateTimeOffset finalBefore, CancellationToken cancel)
    {
        await using var connection = await database.OpenConnectionAsync(cancel);
        // Reads all of the week, so before any lock is taken. What is opened again meanwhile leaves an event of a later transaction.
        var since = await ScalarAsync("select pg_snapshot_xmin(pg_current_snapshot())", null);
        var isNeeded = await ScalarAsync("select exists (select from recipients where email_id >= $1 and email_id < $2 and (final_at is null or final_at > $3))", null, week.First, week.End, finalBefore);
        if (isNeeded is true) return DropResult.Needed;

        for (var tries = 0; tries < DropTries; tries++)
        {
            if (tries > 0) await Task.Delay(TimeSpan.FromSeconds(1), cancel);
            await using var transaction = await connection.BeginTransactionAsync(cancel);
            try
            {
                await ScalarAsync($"set local lock_timeout = '{DropWait.TotalMilliseconds:0}ms'; lock table {string.Join(", ", Tables.Select(t => $"only {t}"))} in access exclusive mode", transaction);
                var changed = await ScalarAsync($"""
                    select exists (select from queue where email_id >= $1 and email_id < $2)
                        or exists (select from projects p where exists (select from events_{week.Name} e where e.project_id = p.id and e.transaction >= $3))
                    """, transaction, week.First, week.End, since!);
                if (changed is true) return DropResult.Needed;
                await ScalarAsync($"drop table {string.Join(", ", Tables.Select(table => $"{table}_{week.Name}"))}", transaction);
                await transaction.CommitAsync(cancel);
                return DropResult.Dropped;
            }
            catch (PostgresException error) when (error.SqlState is PostgresErrorCodes.LockNotAvailable or PostgresErrorCodes.DeadlockDetected)
            {
                // Others use it.
            }
            catch (PostgresException error) when (error.SqlState is PostgresErrorCodes.UndefinedTable)
            {
                return DropResult.Dropped;   // by another node
            }
        }

        return DropResult.Busy;

        async Task<object?> ScalarAsync(string sql, NpgsqlTransaction? transaction, params object[] values)
        {
            await using var command = new NpgsqlCommand(sql, connection, transaction) { CommandTimeout = 0 };
            foreach (var value in values)
                command.Parameters.Add(value is ulong ? new() { Value = value, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Xid8 } : new() { Value = value });
            return await command.ExecuteScalarAsync(cancel);
        }
    }

    /// <summary>Drops the weeks of webhook calls that are over since a time. One that is in use stays until the next run.</summary>
    public async Task DropCallsAsync(DateTimeOffset before, CancellationToken cancel)
    {
        foreach (var week in await WeeksAsync(cancel, Webhooks.WebhookCall.Table))
        {
            if (week.EndsAt > before) return;
            try
            {
                await using var batch = database.CreateBatch();   // one transaction
                batch.BatchCommands.Add(new($"set local lock_timeout = '{DropWait.TotalMilliseconds:0}ms'"));
                batch.BatchCommands.Add(new($"drop table if exists {Webhooks.WebhookCall.Table}_{week.Name}"));
                await batch.ExecuteNonQueryAsync(cancel);
            }
            catch (PostgresException error) when (error.SqlState is PostgresErrorCodes.LockNotAvailable or PostgresErrorCodes.DeadlockDetected)
            {
                // Others use it.
            }
        }
    }

    const int DropTries = 5;

    /// <summary>Shorter than PostgreSQL's <c>deadlock_timeout</c>: should others wait for us in turn, it is the drop that gives way.</summary>
    static readonly TimeSpan DropWait = TimeSpan.FromMilliseconds(100);

    /// <summary>The smallest UUIDv7 of an instant: its 48 bits of Unix milliseconds, and nothing else.</summary>
    public static Guid FirstId(DateTimeOffset at)
    {
        Span<byte> bytes = stackalloc byte[16];
        System.Buffers.Binary.BinaryPrimitives.WriteInt64BigEndian(bytes, at.ToUnixTimeMilliseconds() << 16);
        return new Guid(bytes, bigEndian: true);
    }

    static string NameOf(string table, DateTimeOffset week) => string.Create(CultureInfo.InvariantCulture, $"{table}_{week:yyyyMMdd}");

    static DateTimeOffset WeekOf(DateTimeOffset at)
    {
        var day = new DateTimeOffset(at.UtcDateTime.Date, TimeSpan.Zero);
        return day.AddDays(-(((int)day.DayOfWeek + 6) % 7));
    }
}

/// <summary>A week of partitions: the end of their names, and the ids that lie in them.</summary>
/// <param name="End">The first id of the week after.</param>
public sealed record PartitionWeek(string Name, Guid First, Guid End)
{
    public DateTimeOffset EndsAt =>
        DateTimeOffset.FromUnixTimeMilliseconds(System.Buffers.Binary.BinaryPrimitives.ReadInt64BigEndian(End.ToByteArray(bigEndian: true)) >> 16);
}

public enum DropResult
{
    Dropped,
    /// <summary>Others use its tables all the time; the next run tries again.</summary>
    Busy,
    /// <summary>It holds what may not go yet.</summary>
    Needed,
}
