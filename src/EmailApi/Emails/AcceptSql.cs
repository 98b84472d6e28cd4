using System.Globalization;
using EmailApi.Data;
using EmailApi.Http;
using EmailApi.Pauses;
using EmailApi.Projects;
using EmailApi.Suppressions;
using EmailApi.Tracking;
using Npgsql;

namespace EmailApi.Emails;

/// <summary>A stored idempotency key: what was asked, and what was answered.</summary>
sealed record StoredAnswer(byte[] Fingerprint, byte[] Body);

/// <summary>The accept path's SQL: set-based inserts over arrays, one round trip a group. All times are the database's.</summary>
static class AcceptSql
{
    static readonly Dictionary<Guid, Stop> NoStops = [];
    static readonly Dictionary<(Guid, int), Suppressed> NoneSuppressed = [];

    /// <summary>Writes the units in one transaction, those with a used idempotency key excepted.</summary>
    /// <param name="keyWait">How long to wait for another transaction that is just writing one of the keys.</param>
    /// <param name="shard">Which row of the usage to add to: the transactions that share one wait for each other.</param>
    /// <returns>The excepted ones with the answer that was stored for them; null where it is gone already.</returns>
    /// <exception cref="PostgresException"><see cref="PostgresErrorCodes.LockNotAvailable"/>: the wait was too long.</exception>
    public static async Task<Dictionary<AcceptUnit, StoredAnswer?>> WriteAsync(
        NpgsqlConnection connection, List<AcceptUnit> units, PausesInForce pauses, SuppressedProjects suppressions, TimeSpan keyWait, short shard, CancellationToken cancel)
    {
        var repeats = new Dictionary<AcceptUnit, StoredAnswer?>();
        var mayBeStopped = units.Exists(u => pauses.MayConcern(u.Drafts));
        // Outside the transaction that stores: what is suppressed between the two, the claim finds.
        var looked = units.SelectMany(u => u.Drafts).Where(suppressions.MayConcern).ToList();
        var suppressed = looked.Count == 0 ? NoneSuppressed : await SuppressionSql.FindAsync(connection, looked, cancel);
        if (!mayBeStopped) units.ForEach(u => u.Learn(NoStops, suppressed));
        if (!mayBeStopped && units.All(u => u.Idempotency is null))
        {
            await using var alone = Inserts(connection, null, units, shard);   // one implicit transaction
            await alone.ExecuteNonQueryAsync(cancel);
            return repeats;
        }

        await using var transaction = await connection.BeginTransactionAsync(cancel);
        if (mayBeStopped)
        {
            var stops = await PauseSql.StopsAsync(connection, units.SelectMany(u => u.Drafts), cancel);
            units.ForEach(u => u.Learn(stops, suppressed));
        }

        var won = await ClaimKeysAsync(connection, transaction, units, keyWait, cancel);
        var fresh = units.FindAll(u => u.Idempotency is null || won.Contains(u.Drafts[0].Id));
        if (fresh.Count > 0)
        {
            await using var batch = Inserts(connection, transaction, fresh, shard);
            await batch.ExecuteNonQueryAsync(cancel);
        }

        await transaction.CommitAsync(cancel);
        foreach (var unit in units.Except(fresh)) repeats[unit] = await FindAnswerAsync(connection, unit.ProjectId, unit.Idempotency!, cancel);
        return repeats;
    }

    public static async Task<StoredAnswer?> FindAnswerAsync(NpgsqlConnection connection, int projectId, Idempotency idempotency, CancellationToken cancel)
    {
        await using var command = new NpgsqlCommand("""
            select fingerprint, response from idempotency_keys where project_id = $1 and key = $2 and expires_at > now()
            """, connection)
        { Parameters = { new() { Value = projectId }, new() { Value = idempotency.Key } } };
        await using var reader = await command.ExecuteReaderAsync(cancel);
        return await reader.ReadAsync(cancel) ? new(reader.GetFieldValue<byte[]>(0), reader.GetFieldValue<byte[]>(1)) : null;
    }

    public static async Task<bool> IsStoredAsync(NpgsqlConnection connection, Guid emailId, CancellationToken cancel)
    {
        await using var command = new NpgsqlCommand("select exists(select from emails where id = $1)", connection) { Parameters = { new() { Value = emailId } } };
        return await command.ExecuteScalarAsync(cancel) is true;
    }

    /// <summary>Inserts the keys, in one order on every node (two orders would deadlock). A key that another transaction is just writing
    /// makes this one wait for its commit. An expired key is taken over.</summary>
    /// <returns>The first email ids of the units whose keys are theirs.</returns>
    static async Task<HashSet<Guid>> ClaimKeysAsync(
        NpgsqlConnection connection, NpgsqlTransaction transaction, List<AcceptUnit> units, TimeSpan keyWait, CancellationToken cancel)
    {
        if (units.TrueForAll(u => u.Idempotency is null)) return [];
        var keyed = units.Where(u => u.Idempotency is not null)
            .DistinctBy(u => (u.ProjectId, u.Idempotency!.Key))
            .OrderBy(u => u.ProjectId).ThenBy(u => u.Idempotency!.Key, StringComparer.Ordinal)
            .ToList();
        await using var batch = new NpgsqlBatch(connection, transaction);
        batch.BatchCommands.Add(new("select set_config('lock_timeout', $1, true)")
        {
            Parameters = { new() { Value = keyWait.TotalMilliseconds.ToString(CultureInfo.InvariantCulture) } },
        });
        batch.BatchCommands.Add(new("""
            insert into idempotency_keys as k (project_id, key, fingerprint, email_id, response, expires_at)
            select project_id, key, fingerprint, email_id, response, now() + interval '24 hours'
            from unnest($1, $2, $3, $4, $5) as u(project_id, key, fingerprint, email_id, response)
            on conflict (project_id, key) do update
                set fingerprint = excluded.fingerprint, email_id = excluded.email_id, response = excluded.response,
                    created_at = now(), expires_at = excluded.expires_at
                where k.expires_at <= now()
            returning email_id
            """)
        {
            Parameters =
            {
                SqlArray.Of(keyed.Select(u => u.ProjectId)), SqlArray.Of(keyed.Select(u => u.Idempotency!.Key)),
                SqlArray.Of(keyed.Select(u => u.Idempotency!.Fingerprint)), SqlArray.Of(keyed.Select(u => u.Drafts[0].Id)), SqlArray.Of(keyed.Select(u => u.Answer)),
            },
        });
        batch.BatchCommands.Add(new("select set_config('lock_timeout', '0', true)"));
        var won = new HashSet<Guid>();
        await using var reader = await batch.ExecuteReaderAsync(cancel);
        await reader.NextResultAsync(cancel);
        while (await reader.ReadAsync(cancel)) won.Add(reader.GetGuid(0));
        return won;
    }

    static NpgsqlBatch Inserts(NpgsqlConnection connection, NpgsqlTransaction? transaction, List<AcceptUnit> units, short shard)
    {
        var drafts = units.SelectMany(u => u.Drafts).ToList();
        var recipients = drafts.SelectMany(d => d.Recipients.Select(r => (Draft: d, Recipient: r))).ToList();
        var batch = new NpgsqlBatch(connection, transaction);

        batch.BatchCommands.Add(new("""
            insert into emails (id, project_id, key_id, stream, from_address, from_name, subject, internet_message_id, envelope, is_sensitive,
                                tags, metadata, created_at, send_at, expires_at, has_own_expiry, overrides_suppression, tracked, trace_parent)
            select id, project_id, key_id, stream, from_address, from_name, subject, internet_message_id, envelope, is_sensitive,
                   tags, metadata, now(), send_at, coalesce(expires_at, coalesce(send_at, now()) + life), expires_at is not null, overrides_suppression, tracked, trace_parent
            from unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
                as u(id, project_id, key_id, stream, from_address, from_name, subject, internet_message_id, envelope, is_sensitive,
                     tags, metadata, send_at, expires_at, life, overrides_suppression, tracked, trace_parent)
            """)
        {
            Parameters =
            {
                SqlArray.Of(drafts.Select(d => d.Id)), SqlArray.Of(drafts.Select(d => d.Caller.ProjectId)), SqlArray.Of(drafts.Select(d => d.Caller.KeyId)),
                SqlArray.Of(drafts.Select(d => d.Stream.Name)), SqlArray.Of(drafts.Select(d => d.Content.From.Email)), SqlArray.Of(drafts.Select(d => d.Content.From.Name)),
                SqlArray.Of(drafts.Select(d => d.IsSensitive ? null : d.Content.Subject)), SqlArray.Of(drafts.Select(d => d.InternetMessageId)), SqlArray.Of(drafts.Select(d => d.Envelope.Word())),
                SqlArray.Of(drafts.Select(d => d.IsSensitive)), SqlArray.Jsonb(drafts.Select(d => d.Tags)), SqlArray.Json(drafts.Select(d => d.Metadata)),
                SqlArray.Of(drafts.Select(d => d.SendAt)), SqlArray.Of(drafts.Select(d => d.ExpiresAt)), SqlArray.Of(drafts.Select(d => d.Stream.Life)),
                SqlArray.Of(drafts.Select(d => d.OverridesSuppression)), SqlArray.Of(drafts.Select(d => d.Tracked is Tracked.None ? (short?)null : (short)d.Tracked)),
                SqlArray.Of(drafts.Select(d => d.TraceParent)),
            },
        });
        batch.BatchCommands.Add(new("""
            insert into contents (email_id, project_id, document, is_protected)
            select * from unnest($1, $2, $3, $4)
            """)
        {
            Parameters =
            {
                SqlArray.Of(drafts.Select(d => d.Id)), SqlArray.Of(drafts.Select(d => d.Caller.ProjectId)),
                SqlArray.Of(drafts.Select(d => d.Packed.Document)), SqlArray.Of(drafts.Select(d => d.IsSensitive)),
            },
        });
        AddBlobs(batch, [.. drafts.SelectMany(d => d.Packed.Blobs.Select(b => (d, b)))]);

        NpgsqlParameter emailIds = SqlArray.Of(recipients.Select(r => r.Draft.Id)), ns = SqlArray.Of(recipients.Select(r => r.Recipient.N)),
            projects = SqlArray.Of(recipients.Select(r => r.Draft.Caller.ProjectId)), states = SqlArray.Of(recipients.Select(r => r.Draft.StateOf(r.Recipient).Word()));
        batch.BatchCommands.Add(new("""
            insert into recipients (email_id, n, project_id, address, address_key, name, kind, state, reason, attempts, sequence, final_at)
            select email_id, n, project_id, address, address_key, name, kind, state, case state when 'held' then 'paused' else reason end, 0,
                   case when state = 'queued' then 1 else 2 end, case state when 'suppressed' then now() end
            from unnest($1, $2, $3, $4, $5, $6, $7, $8, $9) as u(email_id, n, project_id, state, address, address_key, name, kind, reason)
            """)
        {
            Parameters =
            {
                emailIds, ns, projects, states, SqlArray.Of(recipients.Select(r => r.Recipient.Address)),
                SqlArray.Of(recipients.Select(r => Address.KeyIfOther(r.Recipient.Address))), SqlArray.Of(recipients.Select(r => r.Recipient.Name)),
                SqlArray.Of(recipients.Select(r => r.Recipient.Kind.Word())), SqlArray.Of(recipients.Select(r => r.Draft.Suppressed.GetValueOrDefault(r.Recipient.N)?.Reason)),
            },
        });
        batch.BatchCommands.Add(new("""
            insert into queue (email_id, n, project_id, lane, priority, due_at, expires_at, claims, doubts)
            select email_id, n, project_id, lane, priority, case state when 'held' then 'infinity' else coalesce(send_at, now()) end,
                   coalesce(expires_at, case state when 'held' then 'infinity' else coalesce(send_at, now()) + life end), 0, 0
            from unnest($1, $2, $3, $4, $5, $6, $7, $8, $9) as u(email_id, n, project_id, state, lane, priority, send_at, expires_at, life)
            where state <> 'suppressed'
            """)
        {
            Parameters =
            {
                emailIds.Clone(), ns.Clone(), projects.Clone(), states.Clone(), SqlArray.Of(recipients.Select(r => r.Draft.Lane)),
                SqlArray.Of(recipients.Select(r => r.Draft.Stream.Priority)), SqlArray.Of(recipients.Select(r => r.Draft.SendAt)),
                SqlArray.Of(recipients.Select(r => r.Draft.ExpiresAt)), SqlArray.Of(recipients.Select(r => r.Draft.Stream.Life)),
            },
        });
        batch.BatchCommands.Add(new("""
            insert into events (email_id, n, sequence, project_id, type, data)
            select email_id, n, sequence, project_id, type, data::jsonb
            from unnest($1, $2, $3, $4, $5) as u(email_id, n, project_id, state, told),
                 lateral (values (1, 'email.accepted', null), (2, 'email.' || state, told)) as e(sequence, type, data)
            where sequence = 1 or state <> 'queued'
            """)
        { Parameters = { emailIds.Clone(), ns.Clone(), projects.Clone(), states.Clone(), SqlArray.Of(recipients.Select(r => r.Draft.DataOf(r.Recipient))) } });
        AddUsage(batch, drafts, shard);
        return batch;
    }

    /// <summary>The last statement, as its row locks last until the commit.</summary>
    static void AddUsage(NpgsqlBatch batch, List<EmailDraft> drafts, short shard)
    {
        var projects = drafts.Where(d => d.Caller.Mode is KeyMode.Live).GroupBy(d => d.Caller.ProjectId).OrderBy(g => g.Key).ToList();
        if (projects.Count == 0) return;
        batch.BatchCommands.Add(new("""
            insert into usage as u (project_id, day, shard, emails, recipients, bytes)
            select project_id, (now() at time zone 'utc')::date, $1, emails, recipients, bytes from unnest($2, $3, $4, $5) as g(project_id, emails, recipients, bytes)
            on conflict (project_id, day, shard) do update
                set emails = u.emails + excluded.emails, recipients = u.recipients + excluded.recipients, bytes = u.bytes + excluded.bytes
            """)
        {
            Parameters =
            {
                new() { Value = shard }, SqlArray.Of(projects.Select(p => p.Key)), SqlArray.Of(projects.Select(p => p.LongCount())),
                SqlArray.Of(projects.Select(p => p.Sum(d => (long)d.Recipients.Count))), SqlArray.Of(projects.Select(p => p.Sum(d => d.Packed.SizeBytes))),
            },
        });
    }

    static void AddBlobs(NpgsqlBatch batch, List<(EmailDraft Draft, BlobDraft Blob)> uses)
    {
        if (uses.Count == 0) return;
        // Sorted as the primary key is, so that two nodes lock in one order.
        var blobs = uses.DistinctBy(u => (u.Draft.Caller.ProjectId, u.Blob.Hex))
            .OrderBy(u => u.Draft.Caller.ProjectId).ThenBy(u => u.Blob.Hex, StringComparer.Ordinal).ToList();
        batch.BatchCommands.Add(new("""
            insert into blobs as b (project_id, hash, bytes) select * from unnest($1, $2, $3)
            on conflict (project_id, hash) do update set used_at = now() where b.used_at < now() - interval '10 minutes'
            """)
        {
            Parameters =
            {
                SqlArray.Of(blobs.Select(b => b.Draft.Caller.ProjectId)), SqlArray.Of(blobs.Select(b => b.Blob.Hash)), SqlArray.Of(blobs.Select(b => b.Blob.Bytes)),
            },
        });
        batch.BatchCommands.Add(new("insert into blob_uses (email_id, hash, project_id) select * from unnest($1, $2, $3)")
        {
            Parameters =
            {
                SqlArray.Of(uses.Select(u => u.Draft.Id)), SqlArray.Of(uses.Select(u => u.Blob.Hash)), SqlArray.Of(uses.Select(u => u.Draft.Caller.ProjectId)),
            },
        });
    }
}
