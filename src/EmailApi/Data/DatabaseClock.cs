using Npgsql;

namespace EmailApi.Data;

/// <summary>The time of day as the database has it, which all nodes share: a node whose own clock is off stamps ids, and judges <c>send_at</c> and expiries, as
/// every other does. Timers and durations stay the node's own, which do not jump.</summary>
public sealed class DatabaseClock : TimeProvider
{
    /// <summary>What two clocks that are kept by NTP may differ: less is not corrected, so that time does not jump to and fro.</summary>
    static readonly TimeSpan Tolerance = TimeSpan.FromMilliseconds(500);

    long offsetTicks;

    /// <summary>What this node's clock lacks; zero while it is close enough.</summary>
    public TimeSpan Offset => TimeSpan.FromTicks(Interlocked.Read(ref offsetTicks));

    public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + Offset;

    /// <summary>Compares the clocks. Half the round trip is how well that is known.</summary>
    /// <returns>Whether the correction changed.</returns>
    public async Task<bool> CompareAsync(NpgsqlDataSource database, CancellationToken cancel)
    {
        await using var command = database.CreateCommand("select clock_timestamp()");
        var (before, startedAt) = (base.GetUtcNow(), GetTimestamp());
        var theirs = (DateTime)(await command.ExecuteScalarAsync(cancel))!;
        var half = GetElapsedTime(startedAt) / 2;
        var offset = theirs - before.UtcDateTime - half;
        if ((offset - Offset).Duration() <= Tolerance + half) return false;

        Interlocked.Exchange(ref offsetTicks, offset.Duration() <= Tolerance ? 0 : offset.Ticks);
        return true;
    }
}

/// <summary>Compares the clocks again and again: a clock may be set while the node runs.</summary>
public sealed partial class KeepTime(DatabaseGate gate, EngineDatabase database, DatabaseClock clock, ILogger<KeepTime> logger) : BackgroundService
{
    static readonly TimeSpan Every = TimeSpan.FromSeconds(5);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await gate.WaitAsync(stoppingToken);
        if (clock.Offset != TimeSpan.Zero) LogOff(logger, clock.Offset.TotalSeconds);
        using var timer = new PeriodicTimer(Every, clock);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            try
            {
                if (await clock.CompareAsync(database.Source, stoppingToken)) LogOff(logger, clock.Offset.TotalSeconds);
            }
            catch (NpgsqlException)
            {
                // Away: the last comparison holds.
            }
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "This node's clock differs from the database's: {Seconds:0.0} s are added from now on. Let both machines take their time from NTP")]
    static partial void LogOff(ILogger logger, double seconds);
}
