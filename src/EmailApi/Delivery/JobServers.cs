using System.Globalization;
using EmailApi.Bounces;
using EmailApi.Http;
using EmailApi.Operations;
using EmailApi.Statistics;
using Hangfire;
using Hangfire.AspNetCore;
using Microsoft.Extensions.Options;

namespace EmailApi.Delivery;

/// <summary>Two Hangfire servers: one of its own for the resident runs, with a worker for each lane, and one for everything else, so that
/// neither waits for the other.</summary>
public sealed partial class JobServers(
    JobStorage storage, IRecurringJobManager recurring, IServiceScopeFactory scopes, IOptions<AppOptions> options, ILogger<JobServers> logger) : IDisposable
{
    const string Ordinary = "default";
    readonly string node = $"{Environment.MachineName.ToLowerInvariant()}-{Environment.ProcessId.ToString(CultureInfo.InvariantCulture)}-{Guid.NewGuid().ToString("n")[..8]}";
    readonly Lock gate = new();
    readonly List<BackgroundJobServer> servers = [];
    bool isStopped;

    public bool IsRunning => servers.Count > 0;

    /// <summary>Runs belong to a node: its queue has a name that no other node serves.</summary>
    public string DeliveryQueue => NameOf(node);

    internal const string DeliveryQueuePrefix = "run-";

    /// <summary>Starts the servers unless they run. The storage may be away, and a call then last for half a minute; the next call tries again.</summary>
    public void TryStart(int lanes)
    {
        if (IsRunning) return;
        try
        {
            recurring.AddOrUpdate<PartitionsJob>("partitions", job => job.RunAsync(CancellationToken.None), Cron.Hourly);
            recurring.AddOrUpdate<UnusedBlobsJob>("unused-blobs", job => job.RunAsync(CancellationToken.None), Cron.Hourly);
            recurring.AddOrUpdate<LedgerJob>("ledger", job => job.RunAsync(CancellationToken.None), Cron.Hourly(15));
            recurring.AddOrUpdate<RetentionJob>("retention", job => job.RunAsync(CancellationToken.None), Cron.Hourly(30));
            recurring.AddOrUpdate<HousekeepingJob>("housekeeping", job => job.RunAsync(CancellationToken.None), "*/10 * * * *");
            recurring.AddOrUpdate<RollUpJob>("statistics", job => job.RunAsync(CancellationToken.None), Cron.Minutely);
            recurring.AddOrUpdate<RollUpJob>("statistics-retention", job => job.DropOldAsync(CancellationToken.None), Cron.Hourly(45));
            if (options.Value.Bounce.Mailbox.IsOn) recurring.AddOrUpdate<MailboxJob>("bounce-mailbox", job => job.RunAsync(CancellationToken.None), Cron.Minutely);
            else recurring.RemoveIfExists("bounce-mailbox");
            lock (gate)
            {
                if (isStopped) return;
                servers.Add(Start(DeliveryQueue, $"{node}:delivery", lanes + 2));   // one for webhooks
                servers.Add(Start(Ordinary, node, 3));   // the statistics take one
            }
        }
        catch (Exception error)
        {
            LogNotStarted(logger, error);
        }
    }

    BackgroundJobServer Start(string queue, string name, int workers) => new(new BackgroundJobServerOptions
    {
        ServerName = name,
        Queues = [queue],
        WorkerCount = workers,
        Activator = new AspNetCoreJobActivator(scopes),
        SchedulePollingInterval = TimeSpan.FromSeconds(5),
        HeartbeatInterval = TimeSpan.FromSeconds(10),
        ServerTimeout = TimeSpan.FromMinutes(1),
        ShutdownTimeout = TimeSpan.FromSeconds(5),
        StopTimeout = TimeSpan.FromSeconds(1),
    }, storage);

    public void Stop()
    {
        lock (gate)
        {
            isStopped = true;
            foreach (var server in servers) server.SendStop();
            foreach (var server in servers) server.Dispose();
            servers.Clear();
        }
    }

    public void Dispose() => Stop();

    static string NameOf(string node) =>
        DeliveryQueuePrefix + string.Concat(node.Select(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) ? c : '_'));

    [LoggerMessage(Level = LogLevel.Warning, Message = "Hangfire is not there yet")]
    static partial void LogNotStarted(ILogger logger, Exception error);
}
