using EmailApi.Delivery;

namespace EmailApi.Relays;

/// <summary>Says in the log which relays cannot be used, at the start too, when no mail has tried yet. One that could not be connected to is looked at every 10 s, besides
/// what mail does.</summary>
public sealed partial class WatchRelays(LaneRuns runs, TimeProvider clock, ILogger<WatchRelays> logger) : BackgroundService
{
    static readonly TimeSpan Every = TimeSpan.FromSeconds(1);
    const int LookEveryRounds = 10;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!runs.Names.Any()) await Task.Delay(Every, clock, stoppingToken);
        await Task.WhenAll(runs.Configured.Select(relay => WatchAsync(relay, stoppingToken)));
    }

    async Task WatchAsync(RelayConnections relay, CancellationToken stopping)
    {
        using var timer = new PeriodicTimer(Every, clock);
        var (rounds, wasDown) = (0, false);
        do
        {
            if (rounds == 0 || relay.IsAway && rounds % LookEveryRounds == 0) await relay.LookAsync(stopping);
            rounds++;
            var trouble = relay.Trouble;
            if (trouble is not null && !wasDown) LogDown(logger, relay.Relay.Name, trouble);
            if (trouble is null && wasDown) LogBack(logger, relay.Relay.Name);
            wasDown = trouble is not null;
        }
        while (await timer.WaitForNextTickAsync(stopping));
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Relay {Relay} cannot be used ({Trouble}); its mail waits, or leaves through the next relay")]
    static partial void LogDown(ILogger logger, string relay, string trouble);

    [LoggerMessage(Level = LogLevel.Information, Message = "Relay {Relay} can be used again")]
    static partial void LogBack(ILogger logger, string relay);
}
