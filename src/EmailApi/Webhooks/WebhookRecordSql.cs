using EmailApi.Data;
using EmailApi.Http;
using Npgsql;
using NpgsqlTypes;

namespace EmailApi.Webhooks;

/// <summary>A call that was made.</summary>
/// <param name="EndedAt">A timestamp of the node's monotonic clock.</param>
/// <param name="Token">The lease that it was made under; null for a test, of which only the call is kept.</param>
/// <param name="Wait">After which it is made again; null: it is not.</param>
public sealed record MadeCall(
    Guid Id, Guid WebhookId, int ProjectId, Guid? Token, int Attempt, string Url, ToldEvent Event, CallAnswer Answer, long EndedAt, CallOutcome Outcome, TimeSpan? Wait)
{
    /// <summary>The event was gone before it could be told.</summary>
    public bool IsWithoutEvent { get; init; }
}

/// <summary>Writes calls, what becomes of their rows in the queue, and how their webhooks fare, in one transaction. A row whose lease is another's by now is left to that one; the call was made all the
/// same, and is kept.</summary>
static class WebhookRecordSql
{
    /// <summary>Holds back records from now on, until the transaction ends, and waits for those under way.</summary>
    public const string WaitForRecords = "select pg_advisory_xact_lock(hashtextextended('emailapi.webhook_calls', 0))";

    /// <summary>In a statement of its own: the next one sees what was committed before.</summary>
    const string Recording = "select pg_advisory_xact_lock_shared(hashtextextended('emailapi.webhook_calls', 0))";

    /// <summary>An erased mail's calls are kept without what they said, one that was under way meanwhile too.</summary>
    static readonly string Record = $"""
        with made as materialized (
            select * from unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)
                as u(id, webhook_id, project_id, token, email_id, n, sequence, event_id, type, attempt, ago, duration_ms, url, timestamp, request, status, answer, error, outcome, wait, is_gone)
        ), kept as (
            insert into {WebhookCall.Table} (id, webhook_id, project_id, email_id, event_id, type, attempt, at, duration_ms, url, timestamp, request, status, answer, error, outcome, next_at)
            select u.id, u.webhook_id, u.project_id, case when u.n > 0 then u.email_id end, u.event_id, u.type, u.attempt, now() - u.ago, u.duration_ms, u.url, u.timestamp,
                   case when not x.is_erased then u.request end, u.status, case when not x.is_erased then u.answer end, u.error, u.outcome, now() + u.wait
            from made u cross join lateral (
                select exists (select from emails m where m.id = u.email_id and m.from_address = '{Emails.EraseEmail.Erased}') as is_erased) x
            where u.request is not null
        ), told as (
            delete from webhook_queue q using made u
            where q.webhook_id = u.webhook_id and q.email_id = u.email_id and q.n = u.n and q.sequence = u.sequence and q.lease_token = u.token and u.outcome = 'succeeded'
        ), untold as (
            update webhook_queue q set attempts = u.attempt, lease_token = null, due_at = coalesce(now() + u.wait, 'infinity'), failed_at = case when u.wait is null then now() end
            from made u
            where q.webhook_id = u.webhook_id and q.email_id = u.email_id and q.n = u.n and q.sequence = u.sequence and q.lease_token = u.token and u.outcome <> 'succeeded'
        ), fares as (
            select webhook_id, bool_or(outcome = 'succeeded') as is_well from made where request is not null and token is not null group by webhook_id
        )
        update webhooks w set failing_since = case when not f.is_well then now() end
        from fares f where w.id = f.webhook_id and f.is_well = (w.failing_since is not null)
        """;

    /// <summary>Switches off what wants no more, or has failed for too long, and tells so.</summary>
    static readonly string SwitchOff = $"""
        with off as (
            update webhooks w set disabled_at = now(), disabled_reason = case when u.is_gone then '{WebhookOff.Gone.Word()}' else '{WebhookOff.Failing.Word()}' end, disabled_note = u.note
            from unnest($1, $2, $3, $4) u(id, event, note, is_gone)
            where w.id = u.id and w.disabled_at is null and (u.is_gone or w.failing_since <= now() - $5)
            returning w.id, w.project_id, w.disabled_reason, w.disabled_note, u.event
        )
        insert into events (email_id, n, sequence, project_id, type, data)
        select o.event, 0, 1, o.project_id, 'webhook.disabled', jsonb_build_object('webhook', 'wh_' || replace(o.id::text, '-', ''), 'reason', o.disabled_reason, 'note', o.disabled_note) from off o
        """;

    public static async Task WriteAsync(NpgsqlDataSource database, IReadOnlyList<MadeCall> calls, TimeProvider clock, CancellationToken cancel)
    {
        await using var batch = database.CreateBatch();
        batch.BatchCommands.Add(IndexPlans.Command());
        batch.BatchCommands.Add(new(Recording));
        var record = new NpgsqlBatchCommand(Record);
        record.Parameters.AddRange(new NpgsqlParameter[]
        {
            SqlArray.Of(calls.Select(c => c.Id)), SqlArray.Of(calls.Select(c => c.WebhookId)), SqlArray.Of(calls.Select(c => c.ProjectId)), SqlArray.Of(calls.Select(c => c.Token)),
            SqlArray.Of(calls.Select(c => c.Event.EmailId)), SqlArray.Of(calls.Select(c => c.Event.N)), SqlArray.Of(calls.Select(c => c.Event.Sequence)),
            SqlArray.Of(calls.Select(c => c.Event.Id)), SqlArray.Of(calls.Select(c => c.Event.Type)), SqlArray.Of(calls.Select(c => c.Attempt)),
            SqlArray.Of(calls.Select(c => clock.GetElapsedTime(c.EndedAt) + c.Answer.Duration)), SqlArray.Of(calls.Select(c => (int)c.Answer.Duration.TotalMilliseconds)),
            SqlArray.Of(calls.Select(c => c.Url)), SqlArray.Of(calls.Select(c => c.Answer.Timestamp)),
            SqlArray.Of(calls.Select(c => c.IsWithoutEvent ? null : System.Text.Encoding.UTF8.GetString(c.Answer.Body))),
            SqlArray.Of(calls.Select(c => c.Answer.Status)), SqlArray.Of(calls.Select(c => c.Answer.Answer)), SqlArray.Of(calls.Select(c => c.Answer.Error)),
            SqlArray.Of(calls.Select(c => c.Outcome.Word())), SqlArray.Of(calls.Select(c => c.Wait)), SqlArray.Of(calls.Select(c => c.Answer.IsGone)),
        });
        batch.BatchCommands.Add(record);

        var failed = calls.Where(c => c.Token is not null && !c.IsWithoutEvent && !c.Answer.IsSuccess).GroupBy(c => c.WebhookId).Select(g => g.FirstOrDefault(c => c.Answer.IsGone) ?? g.Last()).ToList();
        if (failed.Count > 0)
        {
            var off = new NpgsqlBatchCommand(SwitchOff);
            off.Parameters.AddRange(new NpgsqlParameter[]
            {
                SqlArray.Of(failed.Select(c => c.WebhookId)), SqlArray.Of(failed.Select(_ => Guid.CreateVersion7(clock.GetUtcNow()))),
                SqlArray.Of(failed.Select(c => c.Answer.Words)), SqlArray.Of(failed.Select(c => c.Answer.IsGone)), new() { Value = WebhookRetry.OffAfter, NpgsqlDbType = NpgsqlDbType.Interval },
            });
            batch.BatchCommands.Add(off);
        }

        await batch.ExecuteNonQueryAsync(cancel);
    }

    /// <summary>Gives back what was claimed and not called: a node that stops leaves no lease behind.</summary>
    public static async Task ReleaseAsync(NpgsqlDataSource database, IReadOnlyList<ClaimedCall> calls, CancellationToken cancel)
    {
        await using var command = database.CreateCommand("""
            update webhook_queue q set due_at = now(), lease_token = null from unnest($1, $2, $3, $4, $5) u(webhook_id, email_id, n, sequence, token)
            where q.webhook_id = u.webhook_id and q.email_id = u.email_id and q.n = u.n and q.sequence = u.sequence and q.lease_token = u.token
            """);
        command.Parameters.AddRange(new NpgsqlParameter[]
        {
            SqlArray.Of(calls.Select(c => c.WebhookId)), SqlArray.Of(calls.Select(c => c.EmailId)), SqlArray.Of(calls.Select(c => c.N)), SqlArray.Of(calls.Select(c => c.Sequence)), SqlArray.Of(calls.Select(c => c.Token)),
        });
        await command.ExecuteNonQueryAsync(cancel);
    }
}
