using System.ComponentModel;
using Hangfire;

namespace EmailApi.Webhooks;

/// <summary>Hands events out to webhooks and calls them, while the node lives. A crash between an endpoint's answer and the record makes the call again under the same id when its lease ends, so that no
/// event is lost; receivers tell repeats by the id.</summary>
[AutomaticRetry(Attempts = 0)]   // the queue's rows hold the retry schedule; KeepWebhooksRunning starts a run that ended
public sealed partial class WebhookRun(WebhookFanOut fanOut, WebhookQueue queue, WebhooksUnderWay calls, WebhookRuns runs, TimeProvider clock, ILogger<WebhookRun> logger)
{
    /// <summary>How often it looks for events: nothing on their way is asked to say that there are some.</summary>
    static readonly TimeSpan Look = TimeSpan.FromMilliseconds(200);
    static readonly TimeSpan LookIdle = TimeSpan.FromSeconds(1);
    /// <summary>Calls that end within it are made room of together.</summary>
    static readonly TimeSpan Gather = TimeSpan.FromMilliseconds(5);

    /// <summary>The Hangfire job. It ends when the node stops, or at once when the node already has its run.</summary>
    [DisplayName("Call webhooks")]
    public async Task RunAsync(CancellationToken cancel)
    {
        if (runs.TryBegin() is not { } run) return;
        using (run)
        using (var stop = CancellationTokenSource.CreateLinkedTokenSource(cancel, runs.Stopping))
        {
            try
            {
                while (true) await StepAsync(stop.Token);
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                // The node stops: KeepWebhooksRunning sees to what is under way.
            }
        }
    }

    async Task StepAsync(CancellationToken cancel)
    {
        try
        {
            cancel.ThrowIfCancellationRequested();
            var (hasWebhooks, hasMore) = await fanOut.TurnAsync(cancel);
            if (!hasWebhooks)
            {
                await Task.Delay(LookIdle, cancel);
                return;
            }

            var (turnedAt, look) = (clock.GetTimestamp(), hasMore ? TimeSpan.Zero : Look);
            do
            {
                var claimed = await queue.ClaimAsync(calls.ByWebhook, calls.Limit, WebhooksUnderWay.PerFailing, calls.Room, cancel);
                foreach (var call in claimed) calls.Start(call);
                var left = look - clock.GetElapsedTime(turnedAt);
                await calls.WaitAsync(left > TimeSpan.Zero ? left : TimeSpan.Zero, cancel);
                if (claimed.Count > 0) await Task.Delay(Gather, cancel);
            }
            while (clock.GetElapsedTime(turnedAt) < look);
        }
        catch (Exception error) when (!cancel.IsCancellationRequested)
        {
            LogFailed(logger, error.GetBaseException().Message);
            await Task.Delay(LookIdle, cancel);
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Webhooks could not be called ({Reason}); a second later again")]
    static partial void LogFailed(ILogger logger, string reason);
}

/// <summary>The one run of this node, whoever started it.</summary>
public sealed class WebhookRuns : IDisposable
{
    readonly CancellationTokenSource stopping = new();
    int running;

    public bool IsRunning => Volatile.Read(ref running) == 1;

    public CancellationToken Stopping => stopping.Token;

    /// <summary>Null when there is one, or the node stops.</summary>
    public IDisposable? TryBegin() => !stopping.IsCancellationRequested && Interlocked.CompareExchange(ref running, 1, 0) == 0 ? new Run(this) : null;

    public void Stop() => stopping.Cancel();

    public void Dispose() => stopping.Dispose();

    sealed class Run(WebhookRuns runs) : IDisposable
    {
        public void Dispose() => Volatile.Write(ref runs.running, 0);
    }
}
