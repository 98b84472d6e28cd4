using Npgsql;

namespace EmailApi.Limits;

/// <summary>The shared side of the limits: a row for each bucket, changed by one statement a lease, with the database's clock.</summary>
static class LeaseSql
{
    /// <summary>From a token bucket: at least <paramref name="need"/> tokens or none; what about 100 ms bring when there are so many. The
    /// commit does not wait for the disk: a crash of the server lets some mails more pass.</summary>
    public static async Task<Lease> OfRateAsync(NpgsqlDataSource database, string id, RateLimit limit, int need, CancellationToken cancel)
    {
        await using var batch = database.CreateBatch();
        batch.BatchCommands.Add(new("select set_config('synchronous_commit', 'off', true)"));
        batch.BatchCommands.Add(new("""
            insert into rate_buckets as b (id, level, at, given) values ($1, $3 - least($3, $5), now(), least($3, $5))
            on conflict (id) do update set (level, at, given) = (
                select filled - taken, greatest(b.at, now()), taken
                from (select least($3, b.level + $2 * extract(epoch from greatest(now() - b.at, interval '0'))) as filled) f,
                     lateral (select case when filled >= $4 then floor(least(filled, $5)) else 0 end as taken) t)
            returning given, level
            """)
        {
            Parameters =
            {
                new() { Value = id }, new() { Value = (double)limit.PerSecond }, new() { Value = (double)limit.Burst },
                new() { Value = (double)need }, new() { Value = (double)Math.Max(need, limit.PerSecond / 10) },
            },
        });
        await using var reader = await batch.ExecuteReaderAsync(cancel);
        await reader.NextResultAsync(cancel);
        await reader.ReadAsync(cancel);
        return new((int)reader.GetDouble(0), reader.GetDouble(1), default);
    }

    /// <summary>From a project's quota, whose level is what is spent: at least <paramref name="need"/> or none, a hundredth of what is left when
    /// that is more. A new period begins with what the usage says of it.</summary>
    /// <param name="period"><c>day</c> or <c>month</c>.</param>
    public static async Task<Lease> OfQuotaAsync(NpgsqlDataSource database, int project, string period, int quota, int need, CancellationToken cancel)
    {
        await using var command = database.CreateCommand("""
            with now as (select date_trunc($3, now() at time zone 'utc') as start), spent as (
                select coalesce(sum(emails), 0)::float8 as emails from usage, now where project_id = $2 and day >= start::date)
            insert into rate_buckets as b (id, level, at, given)
            select $1, emails + taken, start at time zone 'utc', taken
            from now, spent, lateral (select case when $4 - emails >= $5 then least($4 - emails, greatest($5, least(100, floor(($4 - emails) / 100)))) else 0 end as taken) t
            on conflict (id) do update set (level, at, given) = (
                select spent + taken, excluded.at, taken
                from (select case when b.at < excluded.at then excluded.level - excluded.given else b.level end as spent) s,
                     lateral (select case when $4 - spent >= $5 then least($4 - spent, greatest($5, least(100, floor(($4 - spent) / 100)))) else 0 end as taken) t)
            returning given, $4 - level, (at at time zone 'utc' + ('1 ' || $3)::interval) at time zone 'utc'
            """);
        command.Parameters.Add(new() { Value = QuotaId(project, period) });
        command.Parameters.Add(new() { Value = project });
        command.Parameters.Add(new() { Value = period });
        command.Parameters.Add(new() { Value = (double)quota });
        command.Parameters.Add(new() { Value = (double)need });
        await using var reader = await command.ExecuteReaderAsync(cancel);
        await reader.ReadAsync(cancel);
        return new((int)reader.GetDouble(0), reader.GetDouble(1), reader.GetFieldValue<DateTimeOffset>(2));
    }

    /// <summary>Gives back what a node leased and did not use: tokens that a rate has gained, or that a quota has not spent.</summary>
    public static async Task ReturnAsync(NpgsqlDataSource database, string id, double gained, CancellationToken cancel)
    {
        await using var command = database.CreateCommand("update rate_buckets set level = greatest(0, level + $2) where id = $1");
        command.Parameters.Add(new() { Value = id });
        command.Parameters.Add(new() { Value = gained });
        await command.ExecuteNonQueryAsync(cancel);
    }

    public static string QuotaId(int project, string period) => $"prj_{project}/{period}";
}
