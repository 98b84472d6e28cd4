using EmailApi.Data;
using EmailApi.Restore;
using Npgsql;

namespace EmailApi.Webhooks;

/// <summary>A call that this node has a lease on.</summary>
/// <param name="Attempts">Calls made before.</param>
/// <param name="Event">Null when retention took it.</param>
/// <param name="Secret">As it is kept, as are those that it replaced.</param>
public sealed record ClaimedCall(Guid WebhookId, int ProjectId, Guid EmailId, int N, int Sequence, Guid Token, int Attempts, string Url, byte[] Secret, byte[]? Previous, ToldEvent? Event);

/// <summary>Takes calls that are due, for each webhook no more than it has room for, so that none waits behind another's.</summary>
public sealed class WebhookQueue(EngineDatabase database, EpochCheck epoch)
{
    /// <summary>Longer than a call lasts: it is not renewed. A call whose node died is made again after it, under the same id.</summary>
    public static readonly TimeSpan Lease = WebhookCaller.Limit + TimeSpan.FromSeconds(15);

    /// <summary>Of a database that was restored and not released nothing is taken.</summary>
    static readonly string Claim = $"""
        with checked as materialized (
            select from epoch e where {Epoch.Fingerprint} = $1
        ), called as materialized (
            select w.id, case when w.failing_since is null then $4 else $5 end - coalesce(busy.calls, 0) as free
            from webhooks w left join unnest($2, $3) busy(id, calls) on busy.id = w.id where w.disabled_at is null and exists (select from checked)
            order by random()   -- in turn, when there is not room for all
        ), due as materialized (
            select q.* from called c cross join lateral (
                select q.webhook_id, q.email_id, q.n, q.sequence from webhook_queue q where q.webhook_id = c.id and q.due_at <= now()
                order by q.due_at limit greatest(c.free, 0) for update skip locked) q
            limit $8
        ), leased as (
            update webhook_queue q set due_at = now() + $6, lease_token = $7 from due d
            where q.webhook_id = d.webhook_id and q.email_id = d.email_id and q.n = d.n and q.sequence = d.sequence
            returning q.webhook_id, q.email_id, q.n, q.sequence, q.attempts
        )
        select l.webhook_id, w.project_id, l.email_id, l.n, l.sequence, l.attempts, w.url, w.secret, case when w.previous_until > now() then w.previous_secret end,
               e.type, e.at, e.data, r.address, m.stream, m.tags, m.metadata, m.trace_parent
        from leased l
        join webhooks w on w.id = l.webhook_id
        left join events e on e.email_id = l.email_id and e.n = l.n and e.sequence = l.sequence
        left join recipients r on r.email_id = l.email_id and r.n = l.n
        left join emails m on m.id = l.email_id
        """;

    /// <param name="busy">Calls under way, by webhook.</param>
    /// <param name="perWebhook">How many a webhook may have under way at once.</param>
    /// <param name="perFailing">The same for one whose last call failed.</param>
    /// <param name="room">How many in all.</param>
    public async Task<IReadOnlyList<ClaimedCall>> ClaimAsync(IReadOnlyDictionary<Guid, int> busy, int perWebhook, int perFailing, int room, CancellationToken cancel)
    {
        if (epoch.State is not EpochState.Fit || room <= 0) return [];   // WatchEpoch looks each second whether it is
        var token = Guid.NewGuid();
        await using var batch = database.Source.CreateBatch();
        batch.BatchCommands.Add(IndexPlans.Command());
        batch.BatchCommands.Add(new(Claim)
        {
            Parameters =
            {
                new() { Value = epoch.Fingerprint }, SqlArray.Of(busy.Keys), SqlArray.Of(busy.Values), new() { Value = perWebhook }, new() { Value = perFailing },
                new() { Value = Lease }, new() { Value = token }, new() { Value = room },
            },
        });
        await using var reader = await batch.ExecuteReaderAsync(CancellationToken.None);   // an answer that is not read is a claim that waits for its lease
        await reader.NextResultAsync(CancellationToken.None);
        var claimed = new List<ClaimedCall>();
        while (await reader.ReadAsync(CancellationToken.None)) claimed.Add(Read(reader, token));
        return claimed;
    }

    static ClaimedCall Read(NpgsqlDataReader reader, Guid token)
    {
        var (email, n, sequence) = (reader.GetGuid(2), reader.GetInt32(3), reader.GetInt32(4));
        return new(reader.GetGuid(0), reader.GetInt32(1), email, n, sequence, token, reader.GetInt32(5), reader.GetString(6),
            reader.GetFieldValue<byte[]>(7), reader.IsDBNull(8) ? null : reader.GetFieldValue<byte[]>(8),
            reader.IsDBNull(9) ? null : new(email, n, sequence, reader.GetString(9), reader.GetFieldValue<DateTimeOffset>(10), Text(11), Text(12), Text(13), Text(14), Text(15)) { TraceParent = Text(16) });

        string? Text(int column) => reader.IsDBNull(column) ? null : reader.GetString(column);
    }
}
