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

/// <summary>Every 10 minutes: idempotency keys whose time is over, captured mail beyond its limit, and runs of nodes that are gone.</summary>
public sealed class HousekeepingJob(EngineDatabase database, CaptureStore captures, JobStorage storage, IBackgroundJobClient jobs)
{
    public async Task RunAsync(CancellationToken cancel)
    {
        await DeleteAsync("delete from idempotency_keys where (project_id, key) in (select project_id, key from idempotency_keys where expires_at <= now() limit 5000)", cancel);
        await captures.TrimAsync(cancel);
        DropRunsOfDeadNodes();
    }

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
