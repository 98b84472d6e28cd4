using EmailApi.Data;
using EmailApi.Emails;
using Npgsql;

namespace EmailApi.Pauses;

/// <summary>The SQL of pauses: what one matches, how a recipient is held, and how it is let go. Who holds or claims does so under a shared lock and looks at the
/// pauses in a later statement; who pauses or resumes takes the lock alone. So once a pause is committed, every claim sees it.</summary>
static class PauseSql
{
    /// <summary>Which of new mails a pause stops, and what is told of it.</summary>
    const string Stops = $"""
        select e.id, (select jsonb_strip_nulls(jsonb_build_object('reason', 'paused', 'note', x.note))::text from pauses x
            where x.resumed_at is null and {Matches} order by x.id limit 1)
        from unnest($1, $2, $3, $4, $5, $6) as e(id, project_id, lane, stream, key_id, tags) cross join lateral (select e.project_id, e.lane) q
        """;

    /// <summary>Rows of the queue that one step of a walk looks at: no transaction of ours stays open long, and claims wait for a new pause that waits for a step.</summary>
    public const int Step = 1000;

    /// <summary>Before a statement that looks at pauses, in its transaction.</summary>
    public const string LockShared = "select pg_advisory_xact_lock_shared(hashtextextended('emailapi.pauses', 0))";
    /// <summary>Before a change of what is paused: waits for the claims under way, a few milliseconds.</summary>
    public const string LockAlone = "select pg_advisory_xact_lock(hashtextextended('emailapi.pauses', 0))";

    /// <summary>Whether pause <c>x</c> matches the recipient <c>q</c> (lane, project_id) of the email <c>e</c>.</summary>
    public const string Matches = """
        case x.by
            when 'relay' then x.value = q.lane
            when 'project' then x.project_id = q.project_id
            when 'stream' then x.project_id = q.project_id and x.value = e.stream
            when 'key' then x.project_id = q.project_id and x.value = e.key_id
            when 'tag' then x.project_id = q.project_id and case position(':' in x.value)
                when 0 then jsonb_exists(e.tags, x.value)
                else e.tags @> jsonb_build_object(split_part(x.value, ':', 1), substr(x.value, position(':' in x.value) + 1)) end
            end
        """;

    /// <summary>Holds the locked rows of the CTE <c>stopped</c> (email_id, n, has_own_expiry, note). Their life stands still, but for a limit of the mail's own.</summary>
    public const string Hold = """
        parked as (
            update queue q set due_at = 'infinity', expires_at = case when s.has_own_expiry then q.expires_at else 'infinity' end
            from stopped s where q.email_id = s.email_id and q.n = s.n
        ), held as (
            update recipients r set state = 'held', reason = 'paused', sequence = r.sequence + 1
            from stopped s where r.email_id = s.email_id and r.n = s.n returning r.email_id, r.n, r.sequence, r.project_id, s.note
        ), told as (
            insert into events (email_id, n, sequence, project_id, type, data)
            select email_id, n, sequence, project_id, 'email.held', jsonb_strip_nulls(jsonb_build_object('reason', 'paused', 'note', note)) from held order by email_id, n
        )
        """;

    /// <summary>The next rows of the queue as they stand. All else is looked up row by row, through the keys (<c>offset 0</c> keeps the planner from turning it
    /// round), and what is wanted is then locked so: as one join it would read whole tables whenever it guessed wrong how many are held.</summary>
    const string Slice = "slice as materialized (select * from queue q where (q.email_id, q.n) > ($1, $2) order by q.email_id, q.n limit $3)";
    const string OfSlice = """
        cross join lateral (select r.state, r.reason from recipients r where r.email_id = q.email_id and r.n = q.n offset 0) r
            cross join lateral (select e.* from emails e where e.id = q.email_id offset 0) e
        """;
    const string Walked = """
        select (select count(*)::int from slice), last.email_id, last.n
        from (values (1)) one left join lateral (select email_id, n from slice order by email_id desc, n desc limit 1) last on true
        """;

    /// <summary>One step of holding what a pause found open. A row that is locked is being claimed, or decided about by a person; if it stays, a claim holds it.</summary>
    const string HoldStep = $"""
        with {Slice}, wanted as materialized (
            select q.email_id, q.n, e.has_own_expiry, x.note
            from slice q {OfSlice} join pauses x on x.id = $4
            where {Matches} and (q.due_at <= now() or r.state <> 'scheduled')
        ), stopped as materialized (
            select w.* from wanted w cross join lateral (
                select from queue q where q.email_id = w.email_id and q.n = w.n and q.lease_until is null and q.due_at < 'infinity' and q.expires_at > now()
                for update skip locked) q
        ), {Hold}
        {Walked}
        """;

    /// <summary>One step of a release: what is held by a pause and matched by none that is left, whichever it was. Each row is waited for, as nobody comes by again.</summary>
    const string ReleaseStep = $"""
        with {Slice}, wanted as materialized (
            select q.email_id, q.n, e.send_at, e.has_own_expiry, p.note, greatest(now(), e.send_at) + coalesce(m.life, $5) as life_ends_at
            from slice q {OfSlice} join pauses p on p.id = $4
            left join streams m on m.project_id = e.project_id and m.name = e.stream
            where q.due_at = 'infinity' and r.state = 'held' and r.reason = 'paused' and not exists (select from pauses x where x.resumed_at is null and {Matches})
            order by q.email_id, q.n
        ), target as materialized (
            select w.*, case when w.has_own_expiry then q.expires_at else w.life_ends_at end as expires_at from wanted w cross join lateral (
                select q.expires_at from queue q where q.email_id = w.email_id and q.n = w.n and q.lease_until is null and q.due_at = 'infinity' and q.expires_at > now()
                for update) q
        ), released as (
            update recipients r set state = case when t.send_at > now() then 'scheduled' else 'queued' end, reason = null, sequence = r.sequence + 1
            from target t where r.email_id = t.email_id and r.n = t.n and r.state = 'held' and r.reason = 'paused'
            returning r.email_id, r.n, r.sequence, r.project_id, t.send_at, t.expires_at, t.has_own_expiry, t.note
        ), queued as (
            update queue q set due_at = greatest(now(), r.send_at), expires_at = r.expires_at, claims = 0 from released r where q.email_id = r.email_id and q.n = r.n
        ), dated as (
            update emails e set expires_at = t.expires_at
            from (select email_id, max(expires_at) as expires_at from released where not has_own_expiry group by email_id) t where e.id = t.email_id
        ), told as (
            insert into events (email_id, n, sequence, project_id, type, data)
            select email_id, n, sequence, project_id, 'email.released', case when note is not null then jsonb_build_object('note', note) end
            from released order by email_id, n
        )
        {Walked}
        """;

    /// <summary>Looks at the pauses for mail that the open transaction is about to store. A resume waits for its commit, and then finds what it held.</summary>
    public static async Task<Dictionary<Guid, Stop>> StopsAsync(NpgsqlConnection connection, IEnumerable<EmailDraft> mails, CancellationToken cancel)
    {
        var drafts = mails.Where(d => d.SendAt is null).ToList();
        await using var batch = new NpgsqlBatch(connection)
        {
            BatchCommands =
            {
                new(LockShared),
                new(Stops)
                {
                    Parameters =
                    {
                        SqlArray.Of(drafts.Select(d => d.Id)), SqlArray.Of(drafts.Select(d => d.Caller.ProjectId)), SqlArray.Of(drafts.Select(d => d.Lane)),
                        SqlArray.Of(drafts.Select(d => d.Stream.Name)), SqlArray.Of(drafts.Select(d => d.Caller.KeyId)), SqlArray.Jsonb(drafts.Select(d => d.Tags)),
                    },
                },
            },
        };
        var stops = new Dictionary<Guid, Stop>();
        await using var reader = await batch.ExecuteReaderAsync(cancel);
        await reader.NextResultAsync(cancel);
        while (await reader.ReadAsync(cancel))
            if (!reader.IsDBNull(1)) stops[reader.GetGuid(0)] = new(reader.GetString(1));
        return stops;
    }

    /// <summary>Takes one step of a walk that is not over; two nodes never walk for the same pause at once.</summary>
    /// <param name="only">The pause to walk for; null: any.</param>
    /// <returns>Null when there is nothing to walk over, or another node is at it.</returns>
    public static async Task<WalkStep?> WalkAsync(NpgsqlDataSource database, long? only, CancellationToken cancel)
    {
        await using var connection = await database.OpenConnectionAsync(cancel);
        await using var transaction = await connection.BeginTransactionAsync(cancel);
        if (await NextAsync(connection, only, cancel) is not { } pause) return null;

        await using var command = new NpgsqlCommand(pause.IsResumed ? ReleaseStep : HoldStep, connection)
        {
            Parameters = { new() { Value = pause.WalkedTo }, new() { Value = pause.WalkedN }, new() { Value = Step }, new() { Value = pause.Id } },
        };
        if (pause.IsResumed) command.Parameters.Add(new() { Value = Projects.Stream.DefaultLife });
        int rows;
        (Guid Id, int N) last = default;
        await using (var reader = await command.ExecuteReaderAsync(cancel))
        {
            await reader.ReadAsync(cancel);
            rows = reader.GetInt32(0);
            if (rows > 0) last = (reader.GetGuid(1), reader.GetInt32(2));
        }

        var isLast = rows < Step;
        await using var progress = new NpgsqlCommand(
            !isLast ? "update pauses set walked_to = $2, walked_n = $3 where id = $1"
            : pause.IsResumed ? "delete from pauses where id = $1" : "update pauses set walked_to = null, walked_n = 0 where id = $1", connection)
        { Parameters = { new() { Value = pause.Id } } };
        if (!isLast) progress.Parameters.AddRange(new NpgsqlParameter[] { new() { Value = last.Id }, new() { Value = last.N } });
        await progress.ExecuteNonQueryAsync(cancel);
        await transaction.CommitAsync(cancel);
        return new(isLast, pause.IsResumed);
    }

    static async Task<(long Id, bool IsResumed, Guid WalkedTo, int WalkedN)?> NextAsync(NpgsqlConnection connection, long? only, CancellationToken cancel)
    {
        await using var batch = new NpgsqlBatch(connection)
        {
            BatchCommands =
            {
                IndexPlans.Command(),
                new(LockShared),
                new("""
                    select id, resumed_at is not null, walked_to, walked_n from pauses
                    where walked_to is not null and ($1::bigint is null or id = $1) order by id limit 1 for update skip locked
                    """)
                { Parameters = { new() { Value = (object?)only ?? DBNull.Value, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Bigint } } },
            },
        };
        await using var reader = await batch.ExecuteReaderAsync(cancel);
        await reader.NextResultAsync(cancel);
        await reader.NextResultAsync(cancel);
        return await reader.ReadAsync(cancel) ? (reader.GetInt64(0), reader.GetBoolean(1), reader.GetGuid(2), reader.GetInt32(3)) : null;
    }
}

/// <param name="IsLast">The walk is over.</param>
/// <param name="IsRelease">It released, so that there may be something due.</param>
readonly record struct WalkStep(bool IsLast, bool IsRelease);

/// <summary>A pause stops a new mail.</summary>
/// <param name="Data">Of its event <c>email.held</c>, as JSON.</param>
sealed record Stop(string Data);
