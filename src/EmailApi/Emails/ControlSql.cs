using EmailApi.Data;
using EmailApi.Delivery;
using EmailApi.Http;
using EmailApi.Suppressions;
using Microsoft.EntityFrameworkCore;
using Npgsql;

namespace EmailApi.Emails;

/// <summary>What a person makes of recipients that are open and not being sent.</summary>
/// <param name="From">Those that are in one of these states.</param>
/// <param name="State">The state they get.</param>
/// <param name="Event">The word of the event, which is not always the state's.</param>
sealed record Decision(RecipientState[] From, RecipientState State, string Event)
{
    /// <summary>Only those that are where they are for this reason.</summary>
    public string? OnlyReason { get; init; }
    public string? Reason { get; init; }
    /// <summary>When they are due; null: now.</summary>
    public DateTimeOffset? DueAt { get; init; }
    /// <summary>Their time limit; null: as before.</summary>
    public DateTimeOffset? ExpiresAt { get; init; }
}

/// <summary>The one statement by which people's decisions reach recipients. It takes the row's lock and looks again: what a worker has just
/// claimed is not touched, and what is decided here no worker claims. So a cancel and a claim never both win.</summary>
static class ControlSql
{
    static readonly string Open = string.Join(", ", Enum.GetValues<RecipientState>().Where(s => s.IsOpen()).Select(s => $"'{s.Word()}'"));

    static readonly string Decide = $"""
        with target as materialized (
            select q.email_id, q.n, q.project_id from queue q join recipients r on r.email_id = q.email_id and r.n = q.n
            where q.project_id = $1 and q.email_id = any($2) and q.lease_until is null and r.state = any($3) and ($4::text is null or r.reason = $4)
            order by q.email_id, q.n for update of q
        ), gone as (
            delete from queue q using target t where $5 not in ({Open}) and q.email_id = t.email_id and q.n = t.n
        ), kept as (
            update queue q set due_at = coalesce($8, now()), expires_at = coalesce($9, q.expires_at), claims = 0
            from target t where $5 in ({Open}) and q.email_id = t.email_id and q.n = t.n
        ), changed as (
            update recipients r set state = $5, reason = $6, sequence = r.sequence + 1, final_at = case when $5 in ({Open}) then null else now() end
            from target t where r.email_id = t.email_id and r.n = t.n returning r.email_id, r.n, r.sequence, r.project_id
        )
        insert into events (email_id, n, sequence, project_id, type, data)
        select email_id, n, sequence, project_id, $7, case when $6::text is not null then jsonb_build_object('reason', $6::text) end from changed
        """;

    /// <summary>Opens recipients again that had ended without being sent, but for those that are suppressed now.</summary>
    static readonly string Reopen = $"""
        with target as materialized (
            select r.email_id, r.n, r.project_id from recipients r join emails e on e.id = r.email_id
            where r.project_id = $1 and r.email_id = any($2) and r.state = any($3) and (e.overrides_suppression or not exists ({SuppressionSql.OfRecipient}))
            order by r.n for update of r
        ), queued as (
            insert into queue (email_id, n, project_id, lane, priority, due_at, expires_at, claims, doubts)
            select email_id, n, project_id, $4, $5, now(), now() + $6, 0, 0 from target on conflict do nothing
        ), changed as (
            update recipients r set state = 'queued', reason = null, sequence = r.sequence + 1, final_at = null
            from target t where r.email_id = t.email_id and r.n = t.n returning r.email_id, r.n, r.sequence, r.project_id
        )
        insert into events (email_id, n, sequence, project_id, type) select email_id, n, sequence, project_id, 'email.retried' from changed
        """;

    /// <returns>How many recipients were changed.</returns>
    public static async Task<int> DecideAsync(this EmailDb db, int projectId, Guid[] emails, Decision decision, CancellationToken cancel)
    {
        await using var command = await db.CommandAsync(Decide, cancel);
        command.Parameters.AddRange(new NpgsqlParameter[]
        {
            new() { Value = projectId }, SqlArray.Of(emails), SqlArray.Of(decision.From.Select(s => s.Word())), Text(decision.OnlyReason),
            new() { Value = decision.State.Word() }, Text(decision.Reason), new() { Value = $"email.{decision.Event}" }, Time(decision.DueAt), Time(decision.ExpiresAt),
        });
        return await command.ExecuteNonQueryAsync(cancel);
    }

    /// <returns>How many recipients were opened again.</returns>
    public static async Task<int> ReopenAsync(
        this EmailDb db, int projectId, Guid email, RecipientState[] from, string lane, short priority, TimeSpan life, CancellationToken cancel)
    {
        await using var command = await db.CommandAsync(Reopen, cancel);
        command.Parameters.AddRange(new NpgsqlParameter[]
        {
            new() { Value = projectId }, SqlArray.Of([email]), SqlArray.Of(from.Select(s => s.Word())), new() { Value = lane }, new() { Value = priority }, new() { Value = life },
        });
        return await command.ExecuteNonQueryAsync(cancel);
    }

    /// <summary>Sensitive content goes with the last recipient, whoever ended it.</summary>
    public static async Task DropSensitiveAsync(this EmailDb db, Guid[] emails, CancellationToken cancel)
    {
        await db.Database.OpenConnectionAsync(cancel);
        await RecordSql.DropSensitiveAsync((NpgsqlConnection)db.Database.GetDbConnection(), emails, cancel);
    }

    static async Task<NpgsqlCommand> CommandAsync(this EmailDb db, string sql, CancellationToken cancel)
    {
        await db.Database.OpenConnectionAsync(cancel);   // closed with the context
        return new(sql, (NpgsqlConnection)db.Database.GetDbConnection());
    }

    static NpgsqlParameter Text(string? value) => new() { Value = (object?)value ?? DBNull.Value, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Text };

    static NpgsqlParameter Time(DateTimeOffset? value) => new() { Value = (object?)value ?? DBNull.Value, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.TimestampTz };
}
