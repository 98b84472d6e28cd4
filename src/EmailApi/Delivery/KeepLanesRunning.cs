using EmailApi.Capture;
using EmailApi.Data;
using EmailApi.Http;
using EmailApi.Relays;
using Hangfire;
using Hangfire.States;

namespace EmailApi.Delivery;

/// <summary>Starts the Hangfire servers, sees to it that each lane has its run, and renews the leases. A run that Hangfire cannot start
/// runs in this process: losing the whole hangfire schema stops no mail.</summary>
public sealed partial class KeepLanesRunning(
    DatabaseGate gate, JobServers servers, IBackgroundJobClient jobs, LaneRuns runs, RelayCatalog relays, CaptureRelay capture,
    DeliveryQueue queue, DeliverySignals signals, EmailSender sender, OutcomeRecorder recorder, IServiceScopeFactory scopes, TimeProvider clock, ILogger<KeepLanesRunning> logger)
    : BackgroundService
{
    static readonly TimeSpan RenewEvery = TimeSpan.FromSeconds(10);
    static readonly TimeSpan HangfireMayTake = TimeSpan.FromSeconds(5);
    /// <summary>How long dialogues may go on once the node stops: 25 s, of which the clients' connections may have taken some.</summary>
    public static readonly TimeSpan FinishWithin = TimeSpan.FromSeconds(25) - QuietStop.Limit;

    readonly Dictionary<string, long> askedAt = new(StringComparer.Ordinal);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await gate.WaitAsync(stoppingToken);
        foreach (var relay in relays.Relays) runs.Add(relay, standIn: true);
        runs.Add(capture.AsRelay(), standIn: false);
        signals.HasRuns = true;
        await Task.WhenAll(SuperviseAsync(stoppingToken), RenewAsync(stoppingToken));
    }

    async Task SuperviseAsync(CancellationToken stopping)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(1), clock);
        var starting = StartServers();
        await Task.WhenAny(starting, Task.Delay(HangfireMayTake, clock, stopping));   // mail does not wait for Hangfire's storage
        do
        {
            if (starting.IsCompleted && !servers.IsRunning) starting = StartServers();
            foreach (var lane in runs.Names.Where(lane => !runs.IsRunning(lane))) StartRun(lane, stopping);
        }
        while (await timer.WaitForNextTickAsync(stopping) && !runs.IsStopping);
    }

    Task StartServers() => Task.Run(() => servers.TryStart(runs.Names.Count()));

    void StartRun(string lane, CancellationToken stopping)
    {
        var isFirst = !askedAt.TryGetValue(lane, out var asked);
        if (!isFirst && clock.GetElapsedTime(asked) < HangfireMayTake) return;

        askedAt[lane] = clock.GetTimestamp();
        try
        {
            if (isFirst && servers.IsRunning)
            {
                jobs.Create<DeliveryRun>(run => run.RunAsync(lane, CancellationToken.None), new EnqueuedState(servers.DeliveryQueue));
                return;
            }
        }
        catch (Exception error)
        {
            LogHangfireFailed(logger, error, lane);
        }

        _ = Task.Run(async () =>
        {
            await using var scope = scopes.CreateAsyncScope();
            await scope.ServiceProvider.GetRequiredService<DeliveryRun>().RunAsync(lane, stopping);
        }, stopping);
        askedAt.Remove(lane);   // when this one ends, Hangfire is asked first again
    }

    async Task RenewAsync(CancellationToken stopping)
    {
        // Goes on while the node stops: dialogues still under way keep their leases.
        using var timer = new PeriodicTimer(RenewEvery, clock);
        while (!stopping.IsCancellationRequested || sender.Sending > 0 || recorder.Pending > 0)
        {
            try
            {
                if (!await timer.WaitForNextTickAsync(stopping)) return;
            }
            catch (OperationCanceledException)
            {
                await Task.Delay(200, CancellationToken.None);
                if (sender.Sending == 0) return;
            }

            try
            {
                await queue.RenewAsync(CancellationToken.None);
            }
            catch (Exception error)
            {
                LogNotRenewed(logger, error);
            }
        }
    }

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        runs.Stop();
        signals.WakeAll();
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(FinishWithin);
        // A run that is still there may be about to get what it claimed: that is sent and recorded too.
        while ((runs.AreRunning || sender.Sending > 0) && !limit.IsCancellationRequested) await Task.Delay(20, CancellationToken.None);
        sender.Cut();
        while (sender.Sending > 0 && !cancellationToken.IsCancellationRequested) await Task.Delay(20, CancellationToken.None);
        await base.StopAsync(cancellationToken);   // before the servers: it would start them again
        servers.Stop();
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Hangfire could not start the run of {Lane}; it runs in this process")]
    static partial void LogHangfireFailed(ILogger logger, Exception error, string lane);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Leases were not renewed")]
    static partial void LogNotRenewed(ILogger logger, Exception error);
}
