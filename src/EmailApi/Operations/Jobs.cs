using EmailApi.Capture;
using EmailApi.Data;
using EmailApi.Delivery;
using Hangfire;
using Npgsql;

namespace EmailApi.Operations;

/// <summary>Hourly: makes partitions ahead of the time they are for.</summary>
public sealed class PartitionsJob(Partitions partitions)
{
    public Task RunAsync(CancellationToken cancel) => partitions.EnsureAsync(cancel);
}

/// <summary>Hourly: attachments and large bodies that no mail uses any more. One used within the hour may belong to an accept that is not
/// committed yet.</summary>
public sealed class UnusedBlobsJob(EngineDatabase database)
{
    public async Task RunAsync(CancellationToken cancel)
    {
        await using var connection = await database.Source.OpenConnectionAsync(cancel);
        await using var command = new NpgsqlCommand("""
            delete from blobs where (project_id, hash) in (
                select b.project_id, b.hash from blobs b where b.used_at < now() - interval '1 hour'
                    and not exists (select from blob_uses u where u.project_id = b.project_id and u.hash = b.hash) limit 500)
                and used_at < now() - interval '1 hour'
            """, connection);
        while (await command.ExecuteNonQueryAsync(cancel) > 0) cancel.ThrowIfCancellationRequested();
    }
}

/// <summary>Every 10 minutes: idempotency keys, suppressions and webhook calls given up whose time is over, calls of webhooks that were removed, captured mail beyond its limit, and runs of
/// nodes that are gone.</summary>
public sealed class HousekeepingJob(EngineDatabase database, CaptureStore captures, JobStorage storage, IBackgroundJobClient jobs)
{
    public async Task RunAsync(CancellationToken cancel)
    {
        await DeleteAsync("delete from idempotency_keys where (project_id, key) in (select project_id, key from idempotency_keys where expires_at <= now() limit 5000)", cancel);
        await DeleteAsync("delete from suppressions where (project_id, id) in (select project_id, id from suppressions where expires_at <= now() limit 5000) and expires_at <= now()", cancel);
        await DeleteAsync("delete from webhook_queue where ctid = any(array(select ctid from webhook_queue where failed_at <= now() - interval '30 days' limit 5000)) and failed_at <= now() - interval '30 days'", cancel);
        await DeleteAsync(CallsOfNone, cancel);
        await captures.TrimAsync(cancel);
        DropRunsOfDeadNodes();
    }

    /// <summary>Walks from webhook to webhook, so that its cost does not grow with what waits.</summary>
    const string CallsOfNone = """
        with recursive queued as (
            (select webhook_id from webhook_queue order by webhook_id limit 1)
            union all
            select next.webhook_id from queued cross join lateral (select q.webhook_id from webhook_queue q where q.webhook_id > queued.webhook_id order by q.webhook_id limit 1) next
        ), gone as (
            select webhook_id from queued where not exists (select from webhooks w where w.id = queued.webhook_id) limit 1
        )
        delete from webhook_queue q using (select q.webhook_id, q.email_id, q.n, q.sequence from gone join webhook_queue q on q.webhook_id = gone.webhook_id limit 5000) x
        where q.webhook_id = x.webhook_id and q.email_id = x.email_id and q.n = x.n and q.sequence = x.sequence
        """;

    async Task DeleteAsync(string sql, CancellationToken cancel)
    {
        await using var connection = await database.Source.OpenConnectionAsync(cancel);
        await using var command = new NpgsqlCommand(sql, connection);
        // In steps, so that no transaction stays open over 5 s.
        while (await command.ExecuteNonQueryAsync(cancel) > 0) cancel.ThrowIfCancellationRequested();
    }

    /// <summary>A run waits in its node's own queue; when no server serves that queue any more, nobody would ever take it out.</summary>
    void DropRunsOfDeadNodes()
    {
        var monitoring = storage.GetMonitoringApi();
        var served = monitoring.Servers().SelectMany(s => s.Queues ?? []).ToHashSet(StringComparer.Ordinal);
        foreach (var queue in monitoring.Queues().Select(q => q.Name).Where(q => q.StartsWith(JobServers.DeliveryQueuePrefix, StringComparison.Ordinal) && !served.Contains(q)))
        {
            foreach (var job in monitoring.EnqueuedJobs(queue, 0, 100)) jobs.Delete(job.Key);
            foreach (var job in monitoring.FetchedJobs(queue, 0, 100)) jobs.Delete(job.Key);
        }
    }
}
