using System.Text.Json;
using EmailApi.Data;
using EmailApi.Emails;
using EmailApi.Events;
using EmailApi.Http;
using Npgsql;
using NpgsqlTypes;

namespace EmailApi.Tracking;

/// <summary>What became of a group of hits.</summary>
/// <param name="Locked">Their recipients were being written by others: to be tried again.</param>
/// <param name="Told">What became events, with what they were taken for.</param>
sealed record HitOutcome(List<Hit> Locked, List<(Hit Hit, HitVerdict Verdict)> Told);

/// <summary>The SQL of opens and clicks: a group of them in one transaction.</summary>
static class HitSql
{
    /// <summary>Events that a recipient of a mail may have: whoever has its link can call it as often as he likes.</summary>
    public const int MaxEvents = 10_000;

    /// <summary>Takes no row that others hold, so that it waits for nobody while it holds some, and the record path never waits for it in a circle.</summary>
    static readonly string Lock = $"""
        select r.email_id, r.n, r.sequence, p.keeps_ip, now() - f.sent_at, f.has_opened, f.has_clicked, f.links
        from unnest($1, $2, $3) as u(email_id, n, project_id)
        join recipients r on r.email_id = u.email_id and r.n = u.n and r.project_id = u.project_id
        join projects p on p.id = r.project_id
        cross join lateral (
            select max(e.at) filter (where e.type = 'email.sent') as sent_at, coalesce(bool_or(e.type = 'email.opened'), false) as has_opened, coalesce(bool_or(e.type = 'email.clicked'), false) as has_clicked,
                   array_agg(distinct (e.data ->> 'link')::int) filter (where e.type = 'email.clicked' and e.at > now() - $4) as links
            from events e where e.email_id = r.email_id and e.n = r.n
        ) f
        where r.email_id = any($1) and r.address <> '{EraseEmail.Erased}'
        for update of r skip locked
        """;

    static readonly string Exists = $"""
        select r.email_id, r.n, r.project_id from unnest($1, $2, $3) as u(email_id, n, project_id)
        join recipients r on r.email_id = u.email_id and r.n = u.n and r.project_id = u.project_id
        where r.email_id = any($1) and r.address <> '{EraseEmail.Erased}'
        """;

    const string Tell = """
        with hit as materialized (
            select * from unnest($1, $2, $3, $4, $5, $6, $7) as u(email_id, n, sequence, project_id, type, ago, data)
        ), counted as (
            update recipients r set sequence = last.sequence from (select email_id, n, max(sequence) as sequence from hit group by 1, 2) last
            where r.email_id = any($1) and r.email_id = last.email_id and r.n = last.n
        )
        insert into events (email_id, n, sequence, project_id, type, at, data) select email_id, n, sequence, project_id, type, now() - ago, data from hit order by ago desc, sequence
        """;

    sealed record Facts(int Sequence, bool KeepsIp, TimeSpan? SinceSent, bool HasOpened, bool HasClicked, int[] Links);

    /// <summary>Writes what it can; hits of mails that are gone or erased are forgotten.</summary>
    public static async Task<HitOutcome> WriteAsync(NpgsqlDataSource database, IReadOnlyList<Hit> hits, TimeProvider clock, CancellationToken cancel)
    {
        await using var connection = await database.OpenConnectionAsync(cancel);
        await using var transaction = await connection.BeginTransactionAsync(cancel);
        var (facts, existing) = await LockAsync(connection, transaction, [.. hits.Select(h => h.Copy).Distinct()], cancel);
        var told = new List<(Hit Hit, int Sequence, HitVerdict Verdict, EventData Data)>();
        foreach (var copy in hits.GroupBy(h => h.Copy).Where(g => facts.ContainsKey(g.Key)))
            told.AddRange(Judge(facts[copy.Key], [.. copy], clock));
        if (told.Count > 0)
        {
            await using var batch = new NpgsqlBatch(connection, transaction);
            batch.BatchCommands.Add(new(Tell)
            {
                Parameters =
                {
                    SqlArray.Of(told.Select(t => t.Hit.Copy.EmailId)), SqlArray.Of(told.Select(t => t.Hit.Copy.N)), SqlArray.Of(told.Select(t => t.Sequence)),
                    SqlArray.Of(told.Select(t => t.Hit.Copy.ProjectId)), SqlArray.Of(told.Select(t => t.Hit.Type)), SqlArray.Of(told.Select(t => clock.GetElapsedTime(t.Hit.At))),
                    SqlArray.Jsonb(told.Select(t => JsonSerializer.Serialize(t.Data, ApiJson.Wire.EventData))),
                },
            });
            await batch.ExecuteNonQueryAsync(cancel);
        }

        await transaction.CommitAsync(cancel);
        return new([.. hits.Where(h => !facts.ContainsKey(h.Copy) && existing.Contains(h.Copy))], told.ConvertAll(t => (t.Hit, t.Verdict)));
    }

    static async Task<(Dictionary<CopyId, Facts> Facts, HashSet<CopyId> Existing)> LockAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, List<CopyId> copies, CancellationToken cancel)
    {
        var (facts, existing) = (new Dictionary<CopyId, Facts>(), new HashSet<CopyId>());
        var projects = copies.ToDictionary(c => (c.EmailId, c.N), c => c.ProjectId);
        await using var batch = new NpgsqlBatch(connection, transaction);
        batch.BatchCommands.Add(IndexPlans.Command());
        batch.BatchCommands.Add(new(Lock) { Parameters = { Emails(), Ns(), Projects(), new() { Value = HitVerdict.Burst, NpgsqlDbType = NpgsqlDbType.Interval } } });
        batch.BatchCommands.Add(new(Exists) { Parameters = { Emails(), Ns(), Projects() } });
        await using var reader = await batch.ExecuteReaderAsync(cancel);
        await reader.NextResultAsync(cancel);
        while (await reader.ReadAsync(cancel))
        {
            var (email, n) = (reader.GetGuid(0), reader.GetInt32(1));
            facts[new(projects[(email, n)], email, n)] = new(reader.GetInt32(2), reader.GetBoolean(3), reader.IsDBNull(4) ? null : reader.GetFieldValue<TimeSpan>(4),
                reader.GetBoolean(5), reader.GetBoolean(6), reader.IsDBNull(7) ? [] : reader.GetFieldValue<int[]>(7));
        }

        await reader.NextResultAsync(cancel);
        while (await reader.ReadAsync(cancel)) existing.Add(new(reader.GetInt32(2), reader.GetGuid(0), reader.GetInt32(1)));
        return (facts, existing);

        NpgsqlParameter Emails() => SqlArray.Of(copies.Select(c => c.EmailId));
        NpgsqlParameter Ns() => SqlArray.Of(copies.Select(c => c.N));
        NpgsqlParameter Projects() => SqlArray.Of(copies.Select(c => c.ProjectId));
    }

    /// <summary>The hits of one copy, which are judged together: links that were all followed in the same second are a scanner's from the first on.</summary>
    static IEnumerable<(Hit Hit, int Sequence, HitVerdict Verdict, EventData Data)> Judge(Facts facts, List<Hit> hits, TimeProvider clock)
    {
        var (sequence, hasOpened, hasClicked) = (facts.Sequence, facts.HasOpened, facts.HasClicked);
        var links = hits.Select(h => h.Click?.Link).OfType<int>().Union(facts.Links).Count();
        foreach (var hit in hits.OrderBy(h => h.At))
        {
            if (sequence >= MaxEvents) yield break;
            var verdict = HitVerdict.Of(new(hit.Click is not null, hit.UserAgent, hit.IsHead, hit.IsPrefetch, facts.SinceSent - clock.GetElapsedTime(hit.At), hit.Click is null ? 1 : links));
            var data = new EventData
            {
                First = hit.Click is null ? !hasOpened : !hasClicked,
                Class = verdict.Class.Word(),
                Confidence = verdict.Confidence,
                Reasons = verdict.Reasons,
                UserAgentFamily = verdict.Family,
                Ip = facts.KeepsIp ? hit.Ip?.ToString() : null,
                Url = hit.Click?.Target,
                Link = hit.Click?.Link,
            };
            yield return (hit, ++sequence, verdict, data);
            if (hit.Click is null) hasOpened = true;
            else hasClicked = true;
        }
    }
}
