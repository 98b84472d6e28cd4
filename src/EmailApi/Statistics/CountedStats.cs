using EmailApi.Http;
using Npgsql;

namespace EmailApi.Statistics;

/// <summary>Reads the counts of one project, in one of the ways that statistics are asked by. Only what is shown is read: a month of some hundred tags has a hundred thousand rows.</summary>
/// <param name="connection">On which the project may be read.</param>
sealed class CountedStats(NpgsqlConnection connection, int project, StatsBy by, StatsRange range)
{
    /// <summary>Stands for all values together where there are any.</summary>
    const string All = "";

    /// <summary>By relay nothing is accepted. Those without mail, such as a relay that has only refused, are looked for where there is room for them.</summary>
    const string Most = """
        with most as materialized (
            select s.value from stats s
            where s.project_id = $1 and s.by = $2 and s.span = $3 and s.at >= $4 and s.at < $5 and s.measure in ('accepted', 'sent') and s.value <> ''
            group by s.value order by greatest(sum(s.count) filter (where s.measure = 'accepted'), sum(s.count) filter (where s.measure = 'sent')) desc, s.value limit $6
        )
        select value from most
        union all
        (select distinct s.value from stats s
        where (select count(*) from most) < $6
            and s.project_id = $1 and s.by = $2 and s.span = $3 and s.at >= $4 and s.at < $5 and s.value <> '' and s.value not in (select value from most) limit $6)
        """;

    const string OfOne = "from stats s where s.project_id = $1 and s.by = $2 and s.span = $3 and s.value = v.value and s.at >= $4 and s.at < $5";

    /// <summary>As they are stored. The offset: value by value along the index, never a join.</summary>
    const string Hours = $"""
        select s.at, v.value, s.measure, s.bucket, s.count from unnest($6) v(value)
        cross join lateral (select s.at, s.measure, s.bucket, s.count {OfOne} offset 0) s
        """;

    const string Points = $"""
        select s.point, v.value, s.measure, s.bucket, s.count from unnest($6) v(value)
        cross join lateral (
            select case when $7 = '' or v.value = '' and $2 <> 'time' then null else date_trunc($7, s.at, $8) end as point, s.measure, s.bucket, sum(s.count)::bigint as count
            {OfOne} group by 1, 2, 3) s
        """;

    /// <param name="value">Only this one; null: those with most mail, and all together.</param>
    /// <param name="limit">Of values.</param>
    public async Task<StatsTally> TallyAsync(string? value, int limit, CancellationToken cancel)
    {
        var hasTotal = by is not StatsBy.Time && value is null;
        string[] values = by is StatsBy.Time ? [All] : value is null ? [.. await MostAsync(limit, cancel), All] : value == All ? [] : [value];
        var tally = new StatsTally();
        await using var command = range.Interval is StatsInterval.Hour ? About(Hours, [values]) : About(Points, [values, range.Interval?.Word() ?? "", range.Zone.Id]);
        await using var reader = await command.ExecuteReaderAsync(cancel);
        while (await reader.ReadAsync(cancel))
        {
            var (of, measure, bucket, count) = (reader.GetString(1), reader.GetString(2), reader.GetInt16(3), reader.GetInt64(4));
            var isTotal = hasTotal && of == All;
            if (!isTotal) tally.Add(reader.IsDBNull(0) ? null : reader.GetFieldValue<DateTimeOffset>(0), of, measure, bucket, count);
            if (isTotal || !hasTotal) tally.AddToTotal(measure, bucket, count);
        }

        return tally;
    }

    async Task<List<string>> MostAsync(int limit, CancellationToken cancel)
    {
        var values = new List<string>();
        await using var command = About(Most, [limit]);
        await using var reader = await command.ExecuteReaderAsync(cancel);
        while (await reader.ReadAsync(cancel)) values.Add(reader.GetString(0));
        return values;
    }

    NpgsqlCommand About(string sql, object[] more)
    {
        var command = new NpgsqlCommand(sql, connection);
        foreach (var value in (object[])[project, by.Word(), range.Span, range.From, range.To, .. more]) command.Parameters.Add(new() { Value = value });
        return command;
    }
}
