using EmailApi.Data;
using EmailApi.Delivery;
using EmailApi.Http;
using Npgsql;

namespace EmailApi.Restore;

/// <summary>What becomes of mail that was open in the backup, and may have left after the backup was made.</summary>
public enum OpenRule
{
    /// <summary>It is held in doubt: a person has each sent (retry), or says what became of it (resolve).</summary>
    InDoubt,
    /// <summary>It goes on as if nothing had happened; what left already leaves twice.</summary>
    Send,
    /// <summary>It ends.</summary>
    Cancel,
}

/// <summary>The open mail of a restored database: counted, and let go. What was accepted after the restore is not concerned by the rule, nor is what was
/// scheduled for a time that has not come, nor what a person had retried since.</summary>
static class OpenMail
{
    const int Step = 1000;

    /// <summary>Of queue row <c>q</c>, recipient <c>r</c> and email <c>e</c>, with the time of the hold as the placeholder.</summary>
    static string MayHaveLeft(string heldAt) => $"""
        e.created_at < {heldAt}
            and (q.lease_until is not null or r.state in ('queued', 'deferred', 'in_doubt') or r.state = 'scheduled' and q.due_at <= now() or r.state = 'held' and r.reason = 'paused')
            and not exists (select from events v where v.email_id = q.email_id and v.n = q.n and v.type = 'email.retried' and v.at >= {heldAt})
        """;

    const string OfQueue = """
        cross join lateral (select r.state, r.reason from recipients r where r.email_id = q.email_id and r.n = q.n offset 0) r
            cross join lateral (select e.* from emails e where e.id = q.email_id offset 0) e
        """;

    /// <summary>One step over the queue. Life that stood still while all was held begins anew; a limit of the mail's own passes all the same.</summary>
    static readonly string ReleaseStep = $"""
        with slice as materialized (
            select * from queue q where (q.email_id, q.n) > ($1, $2) order by q.email_id, q.n limit $3 for update
        ), seen as materialized (
            select q.email_id, q.n, $5 <> 'send' and {MayHaveLeft("$4")} as may_have_left,
                case when e.has_own_expiry then q.expires_at else greatest(q.expires_at, greatest(now(), e.send_at) + coalesce(m.life, $6)) end as expires_at, e.has_own_expiry
            from slice q {OfQueue} left join streams m on m.project_id = e.project_id and m.name = e.stream
        ), doubted as (
            update queue q set due_at = 'infinity', lease_until = null, lease_token = null, claims = 0, doubts = q.doubts + 1, expires_at = s.expires_at
            from seen s where s.may_have_left and $5 = 'in_doubt' and q.email_id = s.email_id and q.n = s.n
        ), ended as (
            delete from queue q using seen s where s.may_have_left and $5 = 'cancel' and q.email_id = s.email_id and q.n = s.n
        ), going as (
            update queue q set expires_at = s.expires_at from seen s where not s.may_have_left and q.email_id = s.email_id and q.n = s.n and q.expires_at < s.expires_at
        ), dated as (
            update emails e set expires_at = t.expires_at
            from (select email_id, max(expires_at) as expires_at from seen where not has_own_expiry and expires_at < 'infinity' group by email_id) t
            where e.id = t.email_id and e.expires_at < t.expires_at
        ), changed as (
            update recipients r set sequence = r.sequence + case $5 when 'in_doubt' then 2 else 1 end, state = case $5 when 'in_doubt' then 'held' else 'canceled' end,
                reason = case $5 when 'in_doubt' then 'in_doubt' else 'restored' end, final_at = case $5 when 'in_doubt' then null else now() end
            from seen s where s.may_have_left and r.email_id = s.email_id and r.n = s.n returning r.email_id, r.n, r.sequence, r.project_id
        ), facts as (
            select email_id, n, sequence - 1 as sequence, project_id, 'email.in_doubt' as type, 'restored' as reason from changed where $5 = 'in_doubt'
            union all
            select email_id, n, sequence, project_id, case $5 when 'in_doubt' then 'email.held' else 'email.canceled' end, case $5 when 'in_doubt' then 'in_doubt' else 'restored' end from changed
        ), told as (
            insert into events (email_id, n, sequence, project_id, type, data)
            select email_id, n, sequence, project_id, type, jsonb_build_object('reason', reason) from facts order by email_id, n, sequence
        )
        select (select count(*)::int from slice), (select count(*)::int from changed), last.email_id, last.n
        from (values (1)) one left join lateral (select email_id, n from slice order by email_id desc, n desc limit 1) last on true
        """;

    /// <summary>Recipients that may have left since the backup, and those that were accepted after the restore.</summary>
    public static async Task<(long Before, long After)> CountAsync(NpgsqlConnection connection, DateTimeOffset heldAt, CancellationToken cancel)
    {
        await using var command = new NpgsqlCommand($"""
            select count(*) filter (where {MayHaveLeft("$1")}), count(*) filter (where e.created_at >= $1) from queue q {OfQueue}
            """, connection)
        { CommandTimeout = 0, Parameters = { new() { Value = heldAt } } };
        await using var reader = await command.ExecuteReaderAsync(cancel);
        await reader.ReadAsync(cancel);
        return (reader.GetInt64(0), reader.GetInt64(1));
    }

    /// <summary>Walks over the queue in steps, each a transaction: broken off, it is begun again, and finds what it has done no more.</summary>
    /// <returns>How many recipients the rule changed.</returns>
    public static async Task<long> SettleAsync(NpgsqlConnection connection, DateTimeOffset heldAt, OpenRule rule, CancellationToken cancel)
    {
        var (email, n, changed) = (Guid.Empty, 0, 0L);
        while (true)
        {
            await using var batch = new NpgsqlBatch(connection)
            {
                BatchCommands =
                {
                    IndexPlans.Command(),
                    new(ReleaseStep)
                    {
                        Parameters =
                        {
                            new() { Value = email }, new() { Value = n }, new() { Value = Step }, new() { Value = heldAt }, new() { Value = rule.Word() },
                            new() { Value = Projects.Stream.DefaultLife },
                        },
                    },
                },
            };
            int rows;
            await using (var reader = await batch.ExecuteReaderAsync(cancel))
            {
                await reader.NextResultAsync(cancel);
                await reader.ReadAsync(cancel);
                rows = reader.GetInt32(0);
                changed += reader.GetInt32(1);
                if (rows > 0) (email, n) = (reader.GetGuid(2), reader.GetInt32(3));
            }

            if (rows == Step) continue;
            await RecordSql.DropSensitiveAsync(connection, emails: null, cancel);
            return changed;
        }
    }
}
