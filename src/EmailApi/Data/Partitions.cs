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
            foreach (var table in Tables)
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
            command.Parameters.Add(new NpgsqlParameter<string[]> { TypedValue = [.. Tables.Select(table => NameOf(table, thisWeek.AddDays(7 * weeks)))] });
            if (await command.ExecuteScalarAsync(cancel) is not true) return weeks - 1;
        }

        return WeeksAhead;
    }

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
