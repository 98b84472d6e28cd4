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

    static readonly string Asked = $"""
        from unnest($1, $2, $3) as u(email_id, n, project_id)
        join recipients r on r.email_id = u.email_id and r.n = u.n and r.project_id = u.project_id and r.email_id = any($1) and r.address <> '{EraseEmail.Erased}'
        """;

    /// <summary>Takes no row that others hold, so that it waits for nobody while it holds some, and the record path never waits for it in a circle.</summary>
    static readonly string Lock = $"select r.email_id, r.n, r.sequence {Asked} for update of r skip locked";

    /// <summary>A statement of its own: what others told before the lock is seen.</summary>
    static readonly string Know = $"""
        select r.email_id, r.n, r.project_id, p.keeps_ip, m.is_sensitive, now() - f.sent_at, f.has_opened, f.has_clicked, f.links
        {Asked}
        join emails m on m.id = r.email_id and m.id = any($1)
        join projects p on p.id = r.project_id
        cross join lateral (
            select max(e.at) filter (where e.type = 'email.sent') as sent_at, coalesce(bool_or(e.type = 'email.opened'), false) as has_opened, coalesce(bool_or(e.type = 'email.clicked'), false) as has_clicked,
                   array_agg(distinct (e.data ->> 'link')::int) filter (where e.type = 'email.clicked' and e.at > now() - $4) as links
            from events e where e.email_id = r.email_id and e.n = r.n
        ) f
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

    /// <param name="Sequence">Null: others hold the recipient.</param>
    sealed record Facts(int? Sequence, bool KeepsIp, bool IsSensitive, TimeSpan? SinceSent, bool HasOpened, bool HasClicked, int[] Links);

    /// <summary>Writes what it can; hits of mails that are gone or erased are forgotten.</summary>
    public static async Task<HitOutcome> WriteAsync(NpgsqlDataSource database, IReadOnlyList<Hit> hits, TimeProvider clock, CancellationToken cancel)
    {
        await using var connection = await database.OpenConnectionAsync(cancel);
        await using var transaction = await connection.BeginTransactionAsync(cancel);
        var known = await LockAsync(connection, transaction, [.. hits.Select(h => h.Copy).Distinct()], cancel);
        var told = new List<(Hit Hit, int Sequence, HitVerdict Verdict, EventData Data)>();
        foreach (var copy in hits.GroupBy(h => h.Copy))
            if (known.GetValueOrDefault(copy.Key) is { Sequence: { } sequence } facts) told.AddRange(Judge(facts, sequence, [.. copy], clock));
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
        return new([.. hits.Where(h => known.GetValueOrDefault(h.Copy) is { Sequence: null })], told.ConvertAll(t => (t.Hit, t.Verdict)));
    }

    /// <summary>Locks what others do not hold, and says what is known of all that are there.</summary>
    static async Task<Dictionary<CopyId, Facts>> LockAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, List<CopyId> copies, CancellationToken cancel)
    {
        await using var batch = new NpgsqlBatch(connection, transaction);
        batch.BatchCommands.Add(IndexPlans.Command());
        batch.BatchCommands.Add(new(Lock) { Parameters = { Emails(), Ns(), Projects() } });
        batch.BatchCommands.Add(new(Know) { Parameters = { Emails(), Ns(), Projects(), new() { Value = HitVerdict.Burst, NpgsqlDbType = NpgsqlDbType.Interval } } });
        await using var reader = await batch.ExecuteReaderAsync(cancel);
        await reader.NextResultAsync(cancel);
        var locked = new Dictionary<(Guid, int), int>();
        while (await reader.ReadAsync(cancel)) locked[(reader.GetGuid(0), reader.GetInt32(1))] = reader.GetInt32(2);
        await reader.NextResultAsync(cancel);
        var known = new Dictionary<CopyId, Facts>();
        while (await reader.ReadAsync(cancel))
        {
            var (email, n) = (reader.GetGuid(0), reader.GetInt32(1));
            known[new(reader.GetInt32(2), email, n)] = new(locked.TryGetValue((email, n), out var sequence) ? sequence : null, reader.GetBoolean(3), reader.GetBoolean(4),
                reader.IsDBNull(5) ? null : reader.GetFieldValue<TimeSpan>(5), reader.GetBoolean(6), reader.GetBoolean(7), reader.IsDBNull(8) ? [] : reader.GetFieldValue<int[]>(8));
        }

        return known;

        NpgsqlParameter Emails() => SqlArray.Of(copies.Select(c => c.EmailId));
        NpgsqlParameter Ns() => SqlArray.Of(copies.Select(c => c.N));
        NpgsqlParameter Projects() => SqlArray.Of(copies.Select(c => c.ProjectId));
    }

    /// <summary>The hits of one copy, which are judged together: links that were all followed in the same second are a scanner's from the first on.</summary>
    static IEnumerable<(Hit Hit, int Sequence, HitVerdict Verdict, EventData Data)> Judge(Facts facts, int sequence, List<Hit> hits, TimeProvider clock)
    {
        var (hasOpened, hasClicked) = (facts.HasOpened, facts.HasClicked);
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
                Url = facts.IsSensitive ? null : hit.Click?.Target,   // it may be what must not stay
                Link = hit.Click?.Link,
            };
            yield return (hit, ++sequence, verdict, data);
            if (hit.Click is null) hasOpened = true;
            else hasClicked = true;
        }
    }
}
