using System.Diagnostics.Metrics;
using EmailApi.Data;
using EmailApi.Operations;

namespace EmailApi.Restore;

/// <summary>Each second on every node: sees that the database is still the one that was checked, also where nothing is claimed, and checks it again where not.</summary>
public sealed partial class WatchEpoch : BackgroundService
{
    static readonly TimeSpan Every = TimeSpan.FromSeconds(1);
    const int ListEveryRounds = 10;

    readonly DatabaseGate gate;
    readonly EpochCheck epoch;
    readonly TimeProvider clock;
    readonly ILogger<WatchEpoch> logger;

    public WatchEpoch(IMeterFactory meters, DatabaseGate gate, EpochCheck epoch, TimeProvider clock, ILogger<WatchEpoch> logger)
    {
        (this.gate, this.epoch, this.clock, this.logger) = (gate, epoch, clock, logger);
        meters.Create(Metrics.Meter).CreateObservableGauge("emailapi.restore.held", () => epoch.State is EpochState.Held ? 1 : 0, "{database}", "1 while the database is restored and not released: nothing leaves");
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await gate.WaitAsync(stoppingToken);
        using var timer = new PeriodicTimer(Every, clock);
        var rounds = 0;
        do
        {
            try
            {
                if (await epoch.IsSameAsync(list: rounds % ListEveryRounds == 0, stoppingToken)) rounds++;
                else await epoch.CheckAsync(stoppingToken);
            }
            catch (Exception error) when (!stoppingToken.IsCancellationRequested)
            {
                LogNotSeen(logger, error.GetBaseException().Message);
            }
        }
        while (await timer.WaitForNextTickAsync(stoppingToken));
    }

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        try
        {
            await epoch.LeaveAsync(cancellationToken);
        }
        catch (Exception error)
        {
            LogNotSeen(logger, error.GetBaseException().Message);
        }
    }

    [LoggerMessage(Level = LogLevel.Debug, Message = "The database's epoch could not be looked at ({Reason})")]
    static partial void LogNotSeen(ILogger logger, string reason);
}
