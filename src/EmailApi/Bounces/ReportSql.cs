using System.Text.Json;
using EmailApi.Data;
using EmailApi.Emails;
using EmailApi.Events;
using EmailApi.Http;
using EmailApi.Suppressions;
using Npgsql;
using NpgsqlTypes;

namespace EmailApi.Bounces;

/// <summary>The one place where a recipient that was sent changes its state by what came back.</summary>
static class ReportSql
{
    const string Find = """
        select r.project_id, r.n, r.address, e.stream, case when q.lease_until is not null then 'sending' else r.state end, k.mode = 'test'
        from recipients r join emails e on e.id = r.email_id join api_keys k on k.id = e.key_id left join queue q on q.email_id = r.email_id and q.n = r.n
        where r.email_id = $1 and ($2::int is null or r.project_id = $2) and ($3::text is null or e.key_id = $3) and (not $4 or k.mode = 'test')
        order by r.n
        """;

    const string Apply = """
        with target as materialized (
            select email_id, n from recipients where email_id = $1 and n = $2 and state = any($3) for update
        ), changed as (
            update recipients r set state = $4, reason = $5, sequence = r.sequence + 1, final_at = now(),
                reply_code = case when $8::text is null then r.reply_code else $6 end,
                reply_enhanced = case when $8::text is null then r.reply_enhanced else $7 end, reply_text = coalesce($8, r.reply_text)
            from target t where r.email_id = t.email_id and r.n = t.n returning r.email_id, r.n, r.sequence, r.project_id
        ), told as (
            insert into events (email_id, n, sequence, project_id, type, data) select email_id, n, sequence, project_id, 'email.' || $4, $9 from changed
        )
        select count(*)::int from changed
        """;

    /// <summary>A statement of its own, so that the next one sees what was told while this one waited.</summary>
    const string LockSent = "select from recipients where email_id = $1 and n = $2 for update";

    const string TellReceipt = """
        with changed as (
            update recipients r set sequence = r.sequence + 1
            where r.email_id = $1 and r.n = $2 and r.state in ('sent', 'delivered', 'bounced', 'complained')
                and not exists (select from events e where e.email_id = $1 and e.n = $2 and e.type = 'email.read_receipt' and e.data = $3)
            returning r.email_id, r.n, r.sequence, r.project_id
        ), told as (
            insert into events (email_id, n, sequence, project_id, type, data) select email_id, n, sequence, project_id, 'email.read_receipt', $3 from changed
        )
        select count(*)::int from changed
        """;

    /// <summary>The recipients of an email that a report may speak of.</summary>
    public static async Task<List<MatchedRecipient>> FindAsync(NpgsqlDataSource database, Guid emailId, bool isProven, ReportSource source, CancellationToken cancel)
    {
        await using var batch = database.CreateBatch();
        batch.BatchCommands.Add(IndexPlans.Command());
        batch.BatchCommands.Add(new(Find)
        {
            Parameters =
            {
                new() { Value = emailId }, new() { Value = (object?)source.ProjectId ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Integer },
                new() { Value = (object?)source.KeyId ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Text }, new() { Value = source.IsTest },
            },
        });
        await using var reader = await batch.ExecuteReaderAsync(cancel);
        await reader.NextResultAsync(cancel);
        var found = new List<MatchedRecipient>();
        while (await reader.ReadAsync(cancel))
            found.Add(new(reader.GetInt32(0), emailId, reader.GetInt32(1), reader.GetString(2), reader.GetString(3), Words.Parse<RecipientState>(reader.GetString(4)), isProven, reader.GetBoolean(5)));
        return found;
    }

    /// <returns>False when it has another state: the report says nothing new, or is of no use.</returns>
    public static async Task<bool> ApplyAsync(NpgsqlDataSource database, MatchedRecipient recipient, Change change, NewSuppression? suppression, CancellationToken cancel)
    {
        var reply = ReplyOf(change);
        var data = new EventData
        {
            Reply = reply,
            Bounce = change.State is RecipientState.Bounced ? new(change.Said!.Type.Word(), change.Reason.Word()) : null,
            Reason = change.State is RecipientState.Complained ? change.Reason.Word() : null,
        };
        await using var connection = await database.OpenConnectionAsync(cancel);
        await using var transaction = await connection.BeginTransactionAsync(cancel);
        await using var batch = new NpgsqlBatch(connection, transaction);
        batch.BatchCommands.Add(IndexPlans.Command());
        batch.BatchCommands.Add(new(Apply)
        {
            Parameters =
            {
                new() { Value = recipient.EmailId }, new() { Value = recipient.N }, new() { Value = change.From.Select(s => s.Word()).ToArray() }, new() { Value = change.State.Word() },
                new() { Value = change.State is RecipientState.Delivered ? DBNull.Value : change.Reason.Word(), NpgsqlDbType = NpgsqlDbType.Text },
                new() { Value = (object?)reply?.Code ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Integer },
                new() { Value = (object?)reply?.Enhanced ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Text },
                new() { Value = (object?)reply?.Text ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Text },
                new() { Value = JsonSerializer.Serialize(data, ApiJson.Wire.EventData), NpgsqlDbType = NpgsqlDbType.Jsonb },
            },
        });
        await using (var reader = await batch.ExecuteReaderAsync(cancel))
        {
            await reader.NextResultAsync(cancel);
            await reader.ReadAsync(cancel);
            if (reader.GetInt32(0) == 0) return false;
        }

        if (suppression is not null) await SuppressionSql.AddAsync(connection, [suppression], cancel);
        await transaction.CommitAsync(cancel);
        return true;
    }

    /// <summary>Tells once that a recipient's program has sent a receipt; the state stays.</summary>
    /// <returns>False when it was told before, or the mail never left.</returns>
    public static async Task<bool> TellReceiptAsync(NpgsqlDataSource database, MatchedRecipient recipient, Disposition disposition, CancellationToken cancel)
    {
        var data = new EventData { Receipt = new(disposition.Type, disposition.Action, disposition.Sending) };
        await using var batch = database.CreateBatch();
        batch.BatchCommands.Add(IndexPlans.Command());
        batch.BatchCommands.Add(new(LockSent) { Parameters = { new() { Value = recipient.EmailId }, new() { Value = recipient.N } } });
        batch.BatchCommands.Add(new(TellReceipt)
        {
            Parameters =
            {
                new() { Value = recipient.EmailId }, new() { Value = recipient.N },
                new() { Value = JsonSerializer.Serialize(data, ApiJson.Wire.EventData), NpgsqlDbType = NpgsqlDbType.Jsonb },
            },
        });
        await using var reader = await batch.ExecuteReaderAsync(cancel);
        await reader.NextResultAsync(cancel);
        await reader.NextResultAsync(cancel);
        await reader.ReadAsync(cancel);
        return reader.GetInt32(0) > 0;
    }

    /// <summary>What the remote server said; null when the report does not tell.</summary>
    static ReplyResponse? ReplyOf(Change change) => change.Said is { } said && (said.Diagnostic ?? said.Status) is not null
        ? new(said.ReplyCode, said.Status, said.Diagnostic ?? "")
        : null;
}
