using EmailApi.Data;
using EmailApi.Delivery;
using Hangfire;
using Hangfire.States;

namespace EmailApi.Webhooks;

/// <summary>Sees to it that the node has its run. One that Hangfire cannot start runs in this process: losing the whole hangfire schema stops no webhook.</summary>
public sealed partial class KeepWebhooksRunning(
    DatabaseGate gate, JobServers servers, IBackgroundJobClient jobs, WebhookRuns runs, WebhooksUnderWay calls, IServiceScopeFactory scopes, TimeProvider clock, ILogger<KeepWebhooksRunning> logger)
    : BackgroundService
{
    static readonly TimeSpan HangfireMayTake = TimeSpan.FromSeconds(5);
    /// <summary>For calls under way once the node stops; mail in dialogue needs the rest of the time.</summary>
    static readonly TimeSpan FinishWithin = TimeSpan.FromSeconds(2);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await gate.WaitAsync(stoppingToken);
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(1), clock);
        long? asked = null;
        var isAsked = false;   // Hangfire is asked first, each time that a run is missing; then this process does it
        do
        {
            if (runs.IsRunning)
            {
                (asked, isAsked) = (null, false);
                continue;
            }

            asked ??= clock.GetTimestamp();
            if (!isAsked && servers.IsRunning) isAsked = TryEnqueue();
            else if (clock.GetElapsedTime(asked.Value) >= HangfireMayTake) _ = Task.Run(() => RunHereAsync(stoppingToken), stoppingToken);
        }
        while (await timer.WaitForNextTickAsync(stoppingToken));
    }

    bool TryEnqueue()
    {
        try
        {
            jobs.Create<WebhookRun>(run => run.RunAsync(CancellationToken.None), new EnqueuedState(servers.DeliveryQueue));
        }
        catch (Exception error)
        {
            LogHangfireFailed(logger, error.GetBaseException().Message);
        }

        return true;
    }

    async Task RunHereAsync(CancellationToken cancel)
    {
        await using var scope = scopes.CreateAsyncScope();
        await scope.ServiceProvider.GetRequiredService<WebhookRun>().RunAsync(cancel);
    }

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        runs.Stop();
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(FinishWithin);
        while ((runs.IsRunning || calls.Count > 0) && !limit.IsCancellationRequested) await Task.Delay(20, CancellationToken.None);
        await calls.CutAsync(cancellationToken);
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Hangfire could not start the run of webhooks ({Reason}); it runs in this process")]
    static partial void LogHangfireFailed(ILogger logger, string reason);
}
