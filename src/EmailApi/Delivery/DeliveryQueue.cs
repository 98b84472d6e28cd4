using System.Collections.Concurrent;
using EmailApi.Data;
using EmailApi.Emails;
using EmailApi.Http;
using EmailApi.Pauses;
using EmailApi.Restore;
using EmailApi.Suppressions;
using EmailApi.Tracking;
using Npgsql;

namespace EmailApi.Delivery;

/// <summary>A recipient that this node has a lease on: it is being sent.</summary>
/// <param name="Claims">This one, and those before it in a row that broke.</param>
/// <param name="Suppressed">It was suppressed since it was accepted: it ends without an attempt.</param>
public sealed record Claimed(Guid EmailId, int N, int ProjectId, string Address, string? Name, int Attempts, int Doubts, int Claims, Suppressed? Suppressed = null);

/// <summary>Claimed recipients of one email, with what is needed to send to them.</summary>
/// <param name="Date">The Date field: acceptance or <c>send_at</c>.</param>
/// <param name="Document">Null when the content is gone.</param>
public sealed record ClaimedEmail(
    Guid Id, Guid Token, int ProjectId, string Stream, string FromAddress, string InternetMessageId, DateTimeOffset Date,
    EnvelopeKind Envelope, byte[]? Document, bool IsProtected, IReadOnlyList<Claimed> Recipients)
{
    /// <summary>What is noticed of it; null: nothing.</summary>
    public Tracked? Tracked { get; init; }
    public string? TraceParent { get; init; }
}

/// <summary>Takes due recipients and keeps the leases on them alive. Every later write proves its lease by the token.</summary>
public sealed class DeliveryQueue(EngineDatabase database, EpochCheck epoch, LastWork lastWork)
{
    public static readonly TimeSpan Lease = TimeSpan.FromSeconds(30);

    /// <summary>Of a database that this node has not checked nothing is taken. What is paused is held instead. One statement: the highest priority that has due mail,
    /// projects in equal shares, within each new mail and retries in equal shares, oldest first; walks the index from one to the next, so that its cost does not grow
    /// with anybody's backlog (<c>+ interval '0'</c>: by the index of the ends of life all of the queue would be read, and while the queue is short it looks as good).</summary>
    static readonly string Claim = $"""
        with recursive checked as materialized (
            select from epoch e where {Epoch.Fingerprint} = $6
        ), kinds as (
            (select priority, project_id, is_retry from queue where lane = $1 and lease_until is null and exists (select from checked) order by priority, project_id, is_retry limit 1)
            union all
            select next.priority, next.project_id, next.is_retry from kinds cross join lateral (
                select q.priority, q.project_id, q.is_retry from queue q
                where q.lane = $1 and q.lease_until is null and (q.priority, q.project_id, q.is_retry) > (kinds.priority, kinds.project_id, kinds.is_retry)
                order by q.priority, q.project_id, q.is_retry limit 1) next
        ), due as materialized (
            select kinds.priority, kinds.project_id, kinds.is_retry from kinds cross join lateral (   -- "exists" would be planned as a join with all that is due
                select from queue q where q.lane = $1 and q.lease_until is null and q.priority = kinds.priority
                    and q.project_id = kinds.project_id and q.is_retry = kinds.is_retry and q.due_at <= now() and q.expires_at + interval '0' > now() limit 1) any_due
        ), first as materialized (
            select priority, project_id, is_retry,
                   ceil(ceil($2::numeric / (select count(distinct project_id) from due d where d.priority = due.priority)) / count(*) over (partition by project_id))::int as share,
                   case when exists (select from pauses where resumed_at is null) then {MorePaused} / count(*) over () else 0 end as more   -- to hold on the way
            from due where priority = (select min(priority) from due)
        ), seen as materialized (
            select row.*, first.share, first.more from first cross join lateral (
                select q.email_id, q.n, q.lane, q.project_id, q.is_retry, q.due_at from queue q
                where q.lane = $1 and q.lease_until is null and q.priority = first.priority and q.project_id = first.project_id and q.is_retry = first.is_retry
                    and q.due_at <= now() and q.expires_at + interval '0' > now()
                order by q.due_at limit first.share + first.more for update skip locked) row
        ), stopped as materialized (
            select q.email_id, q.n, e.has_own_expiry, x.note from seen q join emails e on e.id = q.email_id
                cross join lateral (select x.note from pauses x where x.resumed_at is null and {PauseSql.Matches} order by x.id limit 1) x
            where (select max(more) from first) > 0
        ), {PauseSql.Hold}, free as (
            select q.email_id, q.n, q.share, row_number() over (partition by q.project_id, q.is_retry order by q.due_at) as place
            from seen q where not exists (select from stopped s where s.email_id = q.email_id and s.n = q.n)
        ), picked as materialized (
            select email_id, n from free where place <= share order by case when (select count(*) from first) > $2 then random() end limit $2
        ), leased as (
            update queue q set lease_until = now() + $4, lease_token = $3, claims = claims + 1, stand_in = $5
            from picked p where q.email_id = p.email_id and q.n = p.n returning q.email_id, q.n, q.project_id, q.doubts, q.claims
        )
        select l.email_id, l.n, l.project_id, r.address, r.name, r.attempts, l.doubts, e.stream, e.from_address, e.internet_message_id,
               coalesce(e.send_at, e.created_at), e.envelope, c.is_protected,
               case when row_number() over (partition by l.email_id order by l.n) = 1 then c.document end, l.claims, x.reason, x.source, x.created_at, e.tracked, e.trace_parent
        from leased l   -- what belongs to it is looked up row by row: as joins, all that was ever mailed would be read whenever the planner guesses many
        cross join lateral (select r.* from recipients r where r.email_id = l.email_id and r.n = l.n limit 1) r
        cross join lateral (select e.* from emails e where e.id = l.email_id limit 1) e
        left join lateral (select c.is_protected, c.document from contents c where c.email_id = l.email_id limit 1) c on true
        left join lateral ({SuppressionSql.OfRecipient}) x on not e.overrides_suppression
        union all
        select s.email_id, 0, 0, null, null, 0, 0::smallint, null, null, null, null, null, null, null, 0::smallint, null, null, null, null, null
        from (select email_id from stopped where not exists (select from leased) limit 1) s   -- says only: look again
        union all
        select null, null, null, null, null, 0, 0::smallint, null, null, null, null, null, null, null, 0::smallint, null, null, null, null, null where not exists (select from checked)
        order by 1, 2
        """;

    /// <summary>What a claim looks at beyond its share while something is paused, so that others' mail does not wait behind a paused backlog.</summary>
    const string MorePaused = "200";

    readonly ConcurrentDictionary<Guid, int> live = new();
    readonly ConcurrentQueue<Guid> unanswered = new();

    /// <param name="free">Free connections of the lane: a claimed recipient is on its way, so none waits behind another.</param>
    /// <param name="standIn">The relay that it is claimed for, if it is not the lane's own.</param>
    public async Task<IReadOnlyList<ClaimedEmail>> ClaimAsync(string lane, int free, CancellationToken cancel, string? standIn = null)
    {
        while (epoch.State is EpochState.Fit)
        {
            var (claimed, isUnchecked) = await TryClaimAsync(lane, free, standIn, cancel);
            if (claimed is not null) return claimed;
            if (isUnchecked) await epoch.CheckAsync(cancel);
        }

        return [];   // WatchEpoch looks each second whether the database is fit again
    }

    /// <returns>Null when all that was seen is paused, and now held: there may be more behind it; or when the database is not the one that was checked.</returns>
    async Task<(List<ClaimedEmail>? Emails, bool IsUnchecked)> TryClaimAsync(string lane, int free, string? standIn, CancellationToken cancel)
    {
        var token = Guid.NewGuid();
        live[token] = free;   // before the statement: renewing starts with the lease
        try
        {
            await using var connection = await database.Source.OpenConnectionAsync(cancel);
            await ReleaseUnansweredAsync(connection, cancel);
            await using var batch = new NpgsqlBatch(connection)
            {
                BatchCommands =
                {
                    IndexPlans.Command(),
                    new(PauseSql.LockShared),
                    new(Claim)
                    {
                        Parameters =
                        {
                            new() { Value = lane }, new() { Value = free }, new() { Value = token }, new() { Value = Lease },
                            new() { Value = (object?)standIn ?? DBNull.Value, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Text },
                            new() { Value = epoch.Fingerprint },
                        },
                    },
                },
            };
            await using var reader = await batch.ExecuteReaderAsync(CancellationToken.None);   // an answer that is not read is a claim that nobody has
            await reader.NextResultAsync(CancellationToken.None);
            await reader.NextResultAsync(CancellationToken.None);
            var (emails, isUnchecked) = await ReadAsync(reader, token);
            var count = emails?.Sum(e => e.Recipients.Count) ?? 0;
            if (count == 0) live.TryRemove(token, out _);
            else live[token] = count;
            if (emails is not null) lastWork.Claimed(lane, emails);
            return (emails, isUnchecked);
        }
        catch
        {
            // The claim may have been committed though its answer was lost; nothing of it was sent.
            live.TryRemove(token, out _);
            unanswered.Enqueue(token);
            throw;
        }
    }

    /// <summary>One recipient of a claim is recorded.</summary>
    public void Settled(Guid token)
    {
        if (live.AddOrUpdate(token, 0, (_, count) => count - 1) <= 0) live.TryRemove(token, out _);
    }

    /// <summary>Renews every lease of this node in one statement.</summary>
    public async Task RenewAsync(CancellationToken cancel)
    {
        var tokens = live.Keys.ToArray();
        if (tokens.Length == 0) return;
        await using var command = database.Source.CreateCommand(
            "update queue set lease_until = now() + $2 where lease_until is not null and lease_token = any($1)");
        command.Parameters.Add(new() { Value = tokens });
        command.Parameters.Add(new() { Value = Lease });
        await command.ExecuteNonQueryAsync(cancel);
    }

    async Task ReleaseUnansweredAsync(NpgsqlConnection connection, CancellationToken cancel)
    {
        while (unanswered.TryPeek(out var token))
        {
            await using var command = new NpgsqlCommand(
                "update queue set lease_until = null, lease_token = null, claims = claims - 1 where lease_token = $1 and lease_until is not null", connection)
            { Parameters = { new() { Value = token } } };
            await command.ExecuteNonQueryAsync(cancel);
            unanswered.TryDequeue(out _);
        }
    }

    static async Task<(List<ClaimedEmail>? Emails, bool IsUnchecked)> ReadAsync(NpgsqlDataReader reader, Guid token)
    {
        var emails = new List<ClaimedEmail>();
        var recipients = new List<Claimed>();
        while (await reader.ReadAsync())
        {
            if (reader.IsDBNull(3)) return (null, IsUnchecked: reader.IsDBNull(0));
            var emailId = reader.GetGuid(0);
            if (emails.Count == 0 || emails[^1].Id != emailId)
            {
                recipients = [];
                emails.Add(new(emailId, token, reader.GetInt32(2), reader.GetString(7), reader.GetString(8), reader.GetString(9),
                    reader.GetFieldValue<DateTimeOffset>(10), Words.Parse<EnvelopeKind>(reader.GetString(11)),
                    reader.IsDBNull(13) ? null : reader.GetFieldValue<byte[]>(13), !reader.IsDBNull(12) && reader.GetBoolean(12), recipients)
                { Tracked = reader.IsDBNull(18) ? null : (Tracked)reader.GetInt16(18), TraceParent = reader.IsDBNull(19) ? null : reader.GetString(19) });
            }

            recipients.Add(new(emailId, reader.GetInt32(1), reader.GetInt32(2), reader.GetString(3),
                reader.IsDBNull(4) ? null : reader.GetString(4), reader.GetInt32(5), reader.GetInt16(6), reader.GetInt16(14),
                reader.IsDBNull(15) ? null : SuppressionSql.Read(reader, 15)));
        }

        return (emails, IsUnchecked: false);
    }
}
