using System.Globalization;
using EmailApi.Data;
using Npgsql;

namespace EmailApi.Statistics;

/// <summary>Counts a project's events into hours and days, each exactly once: one statement reads the events behind the project's cursor as the feed does (below the oldest transaction still open),
/// adds them to the counts and moves the cursor. A kill leaves all of it or nothing, a late event counts where its own time is, and two that count at once wait for each other. Test keys' mail is left out, as in usage.</summary>
public sealed class RollUp(EngineDatabase database, TimeProvider clock)
{
    const int MaxEvents = 5_000;

    /// <summary>Of tags so many are counted for themselves in an hour or a day, so that one that is different in each mail cannot make a row for each; the others together.
    /// Those that hold an address are among the others: counts stay when its mail is erased.</summary>
    public const int MaxTags = 500;
    public const string OtherTags = "*";

    /// <summary>Whatever size the tables had when the statement was planned.</summary>
    const string ByIndex = "select set_config('enable_seqscan', 'off', true), set_config('jit', 'off', true)";

    static readonly string Count = $$"""
        with cursor as materialized (
            select transaction, ordinal from stat_cursors where project_id = $1 for update
        ), news as materialized (
            select e.* from cursor c cross join lateral (
                select e.email_id, e.n, e.sequence, e.type, e.at, e.data, e.transaction, e.ordinal from events e
                where e.project_id = $1 and (e.transaction, e.ordinal) > (c.transaction, c.ordinal) and e.transaction < pg_snapshot_xmin(pg_current_snapshot())
                order by e.transaction, e.ordinal limit {{MaxEvents.ToString(CultureInfo.InvariantCulture)}}) e
        ), facts as materialized (
            select e.at, m.stream, m.tags, e.data ->> 'relay' as relay, nullif(lower(split_part(r.address, '@', -1)), '') as domain, measure, bucket
            from news e
            left join lateral (select m.stream, m.tags, m.send_at, m.created_at, m.key_id from emails m where m.id = e.email_id limit 1) m on true   -- limit: looked up by the key, never joined as a whole
            left join lateral (select r.address from recipients r where r.email_id = e.email_id and r.n = e.n limit 1) r on true
            cross join lateral (
                select substr(e.type, 7) as measure, 0::smallint as bucket
                union all select 'bounced_late', 0 where e.type = 'email.bounced' and not coalesce(e.data ? 'relay', false)
                union all select substr(e.type, 7) || '_first', 0 where (e.data ->> 'first')::boolean
                union all select substr(e.type, 7) || '_human', 0 where e.data ->> 'class' = 'human'
                union all select substr(e.type, 7) || '_human_first', 0 where case when e.data ->> 'class' = 'human' then not exists (   -- case: looked for only then, as a recipient may have 10,000 events
                    select from events p where p.email_id = e.email_id and p.n = e.n and p.sequence < e.sequence and p.type = e.type and p.data ->> 'class' = 'human') end
                union all select '{{TimeToRelay.Measure}}', floor(ln(greatest(1, extract(epoch from e.at - coalesce(m.send_at, m.created_at)) * 1000)) / ln({{TimeToRelay.Step.ToString(CultureInfo.InvariantCulture)}}))::smallint
                    where e.type = 'email.sent' and m.created_at is not null
            ) measured
            where e.type like 'email.%' and not exists (select from api_keys k where k.id = m.key_id and k.mode = 'test')
        ), alike as materialized (
            select date_trunc('hour', f.at, 'UTC') as at, f.stream, f.tags, f.relay, f.domain, f.measure, f.bucket, count(*) as count from facts f group by 1, 2, 3, 4, 5, 6, 7
        ), counted as materialized (
            select d.by, s.span, date_trunc(s.span, f.at, 'UTC') as at, d.value, f.measure, f.bucket, sum(f.count) as count
            from alike f
            cross join lateral (
                select 'time' as by, '' as value
                union all select 'stream', f.stream
                union all select 'domain', f.domain
                union all select 'relay', f.relay
                union all select 'tag', case when t.key || t.value like '%@%' then '{{OtherTags}}' else t.key || ':' || t.value end from jsonb_each_text(f.tags) t
            ) d
            cross join (values ('hour'), ('day')) s(span)
            where d.value is not null group by 1, 2, 3, 4, 5, 6
        ), known as materialized (
            select distinct s.span, s.at, s.value from (select distinct span, at from counted where by = 'tag') k
            join stats s on s.project_id = $1 and s.by = 'tag' and s.span = k.span and s.at = k.at and s.value <> ''
        ), added as (
            select a.*, row_number() over (partition by a.span, a.at order by a.value) + (select count(*) from known k where k.span = a.span and k.at = a.at) as place
            from (select span, at, value from counted where by = 'tag' except select span, at, value from known) a
        ), written as (
            insert into stats as s (project_id, by, span, at, value, measure, bucket, count)
            select $1, c.by, c.span, c.at, case when a.place > {{MaxTags.ToString(CultureInfo.InvariantCulture)}} then '{{OtherTags}}' else c.value end as value, c.measure, c.bucket, sum(c.count)
            from counted c left join added a on c.by = 'tag' and a.span = c.span and a.at = c.at and a.value = c.value
            group by 2, 3, 4, 5, 6, 7
            union all
            select $1, by, span, at, '', measure, bucket, sum(count) from counted where by <> 'time' group by 2, 3, 4, 6, 7   -- all of them together
            on conflict (project_id, by, span, at, value, measure, bucket) do update set count = s.count + excluded.count
        ), moved as (
            update stat_cursors c set (transaction, ordinal) = (select n.transaction, n.ordinal from news n order by n.transaction desc, n.ordinal desc limit 1)
            where c.project_id = $1 and exists (select from news)
        )
        select count(*)::int, max(at) from news
        """;

    /// <summary>Counts what there is.</summary>
    /// <param name="within">It may take no longer; null: however long.</param>
    /// <returns>Whether all is counted that was committed when it began, but for events of transactions that overlap one still open.</returns>
    public async Task<bool> CountAsync(int project, TimeSpan? within, CancellationToken cancel)
    {
        var startedAt = clock.GetTimestamp();
        await using var connection = await database.Source.OpenConnectionAsync(cancel);
        await using (var begin = new NpgsqlCommand("insert into stat_cursors (project_id, transaction, ordinal) values ($1, '0', 0) on conflict do nothing", connection) { Parameters = { new() { Value = project } } })
            await begin.ExecuteNonQueryAsync(cancel);
        while (within is null || clock.GetElapsedTime(startedAt) < within)
        {
            await using var batch = new NpgsqlBatch(connection) { BatchCommands = { new(ByIndex), new(Count) { Parameters = { new() { Value = project } } } } };
            await using var reader = await batch.ExecuteReaderAsync(cancel);
            await reader.NextResultAsync(cancel);
            await reader.ReadAsync(cancel);
            if (reader.GetInt32(0) < MaxEvents) return true;
        }

        return false;
    }

    /// <summary>Counts what there is of every project.</summary>
    public async Task CountAllAsync(CancellationToken cancel)
    {
        foreach (var project in await BehindAsync(cancel)) await CountAsync(project, within: null, cancel);
    }

    /// <summary>Projects that have events which are not counted.</summary>
    async Task<List<int>> BehindAsync(CancellationToken cancel)
    {
        await using var batch = database.Source.CreateBatch();
        batch.BatchCommands.Add(new(ByIndex));
        batch.BatchCommands.Add(new("""
            select p.id from projects p left join stat_cursors c on c.project_id = p.id
            cross join lateral (   -- "exists" would be planned as a join with every event there is
                select from events e where e.project_id = p.id and (e.transaction, e.ordinal) > (coalesce(c.transaction, '0'), coalesce(c.ordinal, 0)) limit 1) news
            """));
        var behind = new List<int>();
        await using var reader = await batch.ExecuteReaderAsync(cancel);
        await reader.NextResultAsync(cancel);
        while (await reader.ReadAsync(cancel)) behind.Add(reader.GetInt32(0));
        return behind;
    }
}
