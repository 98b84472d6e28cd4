using EmailApi.Relays;
using Hangfire;

namespace EmailApi.Delivery;

/// <summary>Sends a lane's due recipients while the node lives. A crash between the relay's 250 and the record leaves the recipient leased; the
/// sweeper then treats it as in doubt, so it is never lost and never silently doubled.</summary>
[AutomaticRetry(Attempts = 0)]   // the queue's rows hold the retry schedule; LaneRuns starts a run that ended
public sealed partial class DeliveryRun(
    DeliveryQueue queue, LaneRuns runs, DeliverySignals signals, EmailSender sender, ILogger<DeliveryRun> logger)
{
    static readonly TimeSpan Look = TimeSpan.FromSeconds(1);
    /// <summary>While it stands in for others: new mail wakes their runs, not this one.</summary>
    static readonly TimeSpan LookForOthers = TimeSpan.FromMilliseconds(100);

    /// <summary>The Hangfire job. It ends when the node stops, or at once when the lane already has its run.</summary>
    [System.ComponentModel.DisplayName("Deliver through {0}")]
    public async Task RunAsync(string lane, CancellationToken cancel)
    {
        if (runs.TryBegin(lane) is not { } run) return;
        using (run)
        using (var stop = CancellationTokenSource.CreateLinkedTokenSource(cancel, run.Stopping))
        {
            try
            {
                await DeliverAsync(run.Connections, stop.Token);
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                // The node stops: what is in dialogue goes on under EmailSender's own time limit.
            }
        }
    }

    async Task DeliverAsync(RelayConnections relay, CancellationToken cancel)
    {
        while (!cancel.IsCancellationRequested)
        {
            var look = Look;
            var claimed = 0;
            try
            {
                foreach (var lane in runs.LanesOf(relay))
                {
                    if (lane != relay.Relay.Name) look = LookForOthers;
                    if (relay.Free is > 0 and var free) claimed += await ClaimAsync(relay, lane, free, cancel);
                }
            }
            catch (Exception error) when (!cancel.IsCancellationRequested)
            {
                LogClaimFailed(logger, error, relay.Relay.Name);
                await Task.Delay(Look, cancel);
                continue;
            }

            if (claimed == 0) await signals.WaitAsync(relay.Relay.Name, relay.Wait is { } wait && wait < look ? wait + TimeSpan.FromMilliseconds(1) : look, cancel);
        }
    }

    async Task<int> ClaimAsync(RelayConnections relay, string lane, int free, CancellationToken cancel)
    {
        var claimed = await queue.ClaimAsync(lane, free, cancel, standIn: lane == relay.Relay.Name ? null : relay.Relay.Name);
        relay.Take(claimed.Sum(e => e.Recipients.Count));
        foreach (var email in claimed) sender.Send(relay, email);
        return claimed.Count;
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "No mail could be claimed for {Lane}")]
    static partial void LogClaimFailed(ILogger logger, Exception error, string lane);
}
