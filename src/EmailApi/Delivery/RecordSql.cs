using System.Text.Json;
using EmailApi.Bounces;
using EmailApi.Data;
using EmailApi.Delivery.Journal;
using EmailApi.Emails;
using EmailApi.Events;
using EmailApi.Http;
using EmailApi.Suppressions;
using Npgsql;

namespace EmailApi.Delivery;

/// <summary>What must still be true of a recipient's lease when a result is written.</summary>
public enum LeaseProof
{
    /// <summary>The token is the last one and its lease not settled yet; a 2yz counts even then, as long as nobody claimed the recipient since.</summary>
    Token,
    /// <summary>The lease ran out and was not renewed since.</summary>
    Dead,
    /// <summary>Nobody is sending it, and its time is over.</summary>
    Expired,
}

/// <summary>How an attempt ended for a recipient, and what becomes of it.</summary>
public sealed record Result(Guid EmailId, int N, Guid Token, Transition Transition, LeaseProof Proof = LeaseProof.Token)
{
    /// <summary>Null when no relay was asked.</summary>
    public AttemptFacts? Attempt { get; init; }
    public RelayReply? Reply { get; init; }
    public bool IsDoubt { get; init; }
    /// <summary>Its claim counts towards the three that make a mail poison.</summary>
    public bool IsBroken { get; init; }
    /// <summary>The content goes with the last recipient.</summary>
    public bool IsSensitive { get; init; }
    /// <summary>Of the attempt, counted from 1; 0 when no claim of this node's led to it.</summary>
    public int Number { get; init; }
    /// <summary>Why it was not tried.</summary>
    public Suppressed? Suppressed { get; init; }
    /// <summary>What the relay's verdict says of the address, in whatever mail.</summary>
    public NewSuppression? Suppress { get; init; }
    /// <summary>Where the relay's answer waits, in case this node dies, for the database to have it.</summary>
    public TakenFile? Kept { get; init; }
}

/// <param name="StartedAt">A timestamp of the node's monotonic clock; the database makes a time of it.</param>
public sealed record AttemptFacts(string Relay, SmtpStep Step, long StartedAt, long EndedAt, string? Tls)
{
    public string? Conversation { get; init; }
}

/// <summary>The record path's SQL: the one place where a recipient that is open changes its state.</summary>
static class RecordSql
{
    static readonly string Open = string.Join(", ", Enum.GetValues<RecipientState>().Where(s => s.IsOpen()).Select(s => $"'{s.Word()}'"));

    static readonly string Record = $"""
        with result as materialized (
            select u.*, case when u.wait is not null and now() + u.wait >= q.expires_at then 'expired' else u.state end as next, q.project_id
            from unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
                as u(email_id, n, token, proof, state, wait, reason, is_doubt, code, enhanced, text, relay, step, started_ago, ended_ago, tls, data, conversation, is_broken)
            join queue q on q.email_id = u.email_id and q.n = u.n
            where case u.proof
                when 'token' then q.lease_token = u.token and (q.lease_until is not null or u.state = 'sent')
                when 'dead' then q.lease_token = u.token and q.lease_until < now()
                else q.lease_until is null and q.expires_at <= now() end
            for update of q
        ), gone as (
            delete from queue q using result r where q.email_id = r.email_id and q.n = r.n and r.next not in ({Open})
        ), kept as (
            update queue q set lease_until = null, is_retry = q.is_retry or r.wait is distinct from interval '0', due_at = case when r.wait = interval '0' then least(q.due_at, now()) else coalesce(now() + r.wait, 'infinity') end,   -- at once: not behind the backlog
                claims = case when r.proof = 'dead' or r.is_broken then q.claims else 0 end, doubts = q.doubts + r.is_doubt::int
            from result r where q.email_id = r.email_id and q.n = r.n and r.next in ({Open})
        ), changed as (
            update recipients p set state = r.next, reason = r.reason, attempts = p.attempts + (r.relay is not null)::int,
                sequence = p.sequence + 1 + (r.is_doubt and r.next <> 'in_doubt')::int,
                final_at = case when r.next in ({Open}) then null else now() end,
                reply_code = case when r.text is null then p.reply_code else r.code end,
                reply_enhanced = case when r.text is null then p.reply_enhanced else r.enhanced end, reply_text = coalesce(r.text, p.reply_text), relay = coalesce(r.relay, p.relay)
            from result r where p.email_id = r.email_id and p.n = r.n
            returning p.email_id, p.n, p.sequence, p.attempts
        ), attempted as (
            insert into attempts (email_id, n, number, project_id, relay, started_at, ended_at, step, reply_code, reply_enhanced, reply_text, tls, conversation, outcome)
            select r.email_id, r.n, c.attempts, r.project_id, r.relay, now() - r.started_ago, now() - r.ended_ago, r.step, r.code, r.enhanced, r.text,
                   r.tls, r.conversation, case when r.is_doubt then 'in_doubt' when r.next = 'expired' then r.state else r.next end
            from result r join changed c on c.email_id = r.email_id and c.n = r.n where r.relay is not null
        ), facts as (
            select r.email_id, r.n, c.sequence - 1 as sequence, r.project_id, 'email.in_doubt' as type, r.data
            from result r join changed c on c.email_id = r.email_id and c.n = r.n where r.is_doubt and r.next <> 'in_doubt'
            union all
            select r.email_id, r.n, c.sequence, r.project_id, 'email.' || r.next, r.data
            from result r join changed c on c.email_id = r.email_id and c.n = r.n
        ), told as (
            insert into events (email_id, n, sequence, project_id, type, data)
            select email_id, n, sequence, project_id, type, data from facts order by email_id, n, sequence   -- their ordinals are the feed's order
        )
        select count(*)::int from changed
        """;

    /// <returns>How many were recorded; the others were claimed anew meanwhile, and their new claim decides.</returns>
    public static async Task<int> WriteAsync(NpgsqlDataSource database, IReadOnlyList<Result> results, TimeProvider clock, CancellationToken cancel)
    {
        await using var batch = database.CreateBatch();
        batch.BatchCommands.Add(IndexPlans.Command());
        var record = new NpgsqlBatchCommand(Record);
        record.Parameters.AddRange(new NpgsqlParameter[]
        {
            SqlArray.Of(results.Select(r => r.EmailId)), SqlArray.Of(results.Select(r => r.N)), SqlArray.Of(results.Select(r => r.Token)),
            SqlArray.Of(results.Select(r => r.Proof.Word())), SqlArray.Of(results.Select(r => r.Transition.State.Word())),
            SqlArray.Of(results.Select(r => r.Transition.Wait)), SqlArray.Of(results.Select(r => r.Transition.Reason ?? BounceOf(r)?.Reason)), SqlArray.Of(results.Select(r => r.IsDoubt)),
            SqlArray.Of(results.Select(r => r.Reply?.Code)), SqlArray.Of(results.Select(r => r.Reply?.Enhanced)), SqlArray.Of(results.Select(r => Storable(r.Reply?.Text))),
            SqlArray.Of(results.Select(r => r.Attempt?.Relay)), SqlArray.Of(results.Select(r => r.Attempt?.Step.Word())),
            SqlArray.Of(results.Select(r => r.Attempt is { } a ? clock.GetElapsedTime(a.StartedAt) : (TimeSpan?)null)),
            SqlArray.Of(results.Select(r => r.Attempt is { } a ? clock.GetElapsedTime(a.EndedAt) : (TimeSpan?)null)),
            SqlArray.Of(results.Select(r => r.Attempt?.Tls)), SqlArray.Jsonb(results.Select(Data)),
            SqlArray.Of(results.Select(r => Storable(r.Attempt?.Conversation))), SqlArray.Of(results.Select(r => r.IsBroken)),
        });
        batch.BatchCommands.Add(record);
        if (SuppressionSql.Add(results.Select(r => r.Suppress).OfType<NewSuppression>()) is { } suppress) batch.BatchCommands.Add(suppress);
        await using var reader = await batch.ExecuteReaderAsync(cancel);
        await reader.NextResultAsync(cancel);
        await reader.ReadAsync(cancel);
        var recorded = reader.GetInt32(0);
        while (await reader.NextResultAsync(cancel)) { }   // what fails there undoes all of it
        return recorded;
    }

    /// <summary>Drops the content of sensitive mail that has no open recipient any more.</summary>
    /// <param name="emails">Which to look at; null: all.</param>
    public static async Task DropSensitiveAsync(NpgsqlConnection connection, Guid[]? emails, CancellationToken cancel)
    {
        await using var command = new NpgsqlCommand("""
            with gone as (
                delete from contents c where c.is_protected and ($1::uuid[] is null or c.email_id = any($1))
                    and not exists (select from queue q where q.email_id = c.email_id) returning c.email_id
            ), unused as (
                delete from blob_uses u using gone where u.email_id = gone.email_id returning u.project_id, u.hash
            )
            delete from blobs b using unused u where b.project_id = u.project_id and b.hash = u.hash
            """, connection);
        command.Parameters.Add(new() { Value = (object?)emails ?? DBNull.Value, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Array | NpgsqlTypes.NpgsqlDbType.Uuid });
        await command.ExecuteNonQueryAsync(cancel);
    }

    /// <summary>The same for mail that may just have ended. While the database is away nothing is dropped: the sweeper does it later.</summary>
    public static async Task DropEndedAsync(NpgsqlDataSource database, Guid[] emails)
    {
        if (emails.Length == 0) return;
        try
        {
            await using var connection = await database.OpenConnectionAsync();
            await DropSensitiveAsync(connection, emails, CancellationToken.None);
        }
        catch (Exception error) when (DatabaseTrouble.IsUnavailable(error))
        {
            // See above.
        }
    }

    static string? Data(Result result)
    {
        var data = new EventData
        {
            Reply = result.Reply is { } reply ? new(reply.Code, reply.Enhanced, Storable(reply.Text)!) : null,
            Bounce = BounceOf(result),
            Reason = result.Transition.Reason,
            Relay = result.Attempt?.Relay,
            Source = result.Suppressed?.Source.Word(),
            Since = result.Suppressed?.Since,
        };
        return data == new EventData() ? null : JsonSerializer.Serialize(data, ApiJson.Wire.EventData);
    }

    /// <summary>What a refusal for good says of the recipient, in the words of reports.</summary>
    static BounceResponse? BounceOf(Result result) => result is { Transition.State: RecipientState.Bounced, Reply: { } reply }
        ? new(ReportType.Permanent.Word(), Reasons.Of(reply.Enhanced, reply.Code, reply.Text, recipient: null).Word())
        : null;

    /// <summary>A relay may answer with anything; the database takes no U+0000.</summary>
    static string? Storable(string? text) => text?.Replace('\0', '\uFFFD');
}
