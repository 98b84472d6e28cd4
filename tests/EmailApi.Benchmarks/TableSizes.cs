using Npgsql;

namespace EmailApi.Benchmarks;

/// <param name="Rows">As PostgreSQL's statistics know them; they lag by a second or so.</param>
/// <param name="Bytes">With indexes and TOAST, over all partitions.</param>
readonly record struct TableSize(long Rows, long DeadRows, long Bytes);

/// <summary>The size of each table, partitions under their parent's name.</summary>
static class TableSizes
{
    /// <summary>They hold what was mailed and may grow; the keys go after 24 hours, the counts after 400 days.</summary>
    static readonly HashSet<string> Archive = ["emails", "contents", "recipients", "attempts", "events", "stats", "idempotency_keys"];

    public static bool MayGrow(string table) => Archive.Contains(table);

    public static async Task<SortedDictionary<string, TableSize>> ReadAsync(NpgsqlDataSource database, CancellationToken cancel)
    {
        await using var command = database.CreateCommand("""
            select coalesce(parent.relname, c.relname), sum(s.n_live_tup)::bigint, sum(s.n_dead_tup)::bigint, sum(pg_total_relation_size(c.oid))::bigint
            from pg_stat_user_tables s join pg_class c on c.oid = s.relid
            left join pg_inherits i on i.inhrelid = c.oid left join pg_class parent on parent.oid = i.inhparent
            group by 1
            """);
        var sizes = new SortedDictionary<string, TableSize>(StringComparer.Ordinal);
        await using var reader = await command.ExecuteReaderAsync(cancel);
        while (await reader.ReadAsync(cancel)) sizes[reader.GetString(0)] = new(reader.GetInt64(1), reader.GetInt64(2), reader.GetInt64(3));
        return sizes;
    }
}
