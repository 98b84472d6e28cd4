using Npgsql;

namespace EmailApi.Data;

/// <summary>A fact of the database that a node looks at once a second, so that the hot path need not: a hint, up to a second old.</summary>
public abstract partial class LookedAtEachSecond(DatabaseGate gate, EngineDatabase database, TimeProvider clock, ILogger logger) : BackgroundService
{
    static readonly TimeSpan Every = TimeSpan.FromSeconds(1);

    /// <summary>For the log: what cannot be read then.</summary>
    protected abstract string What { get; }

    public Task LookAsync(CancellationToken cancel) => LookAsync(database.Source, cancel);

    protected abstract Task LookAsync(NpgsqlDataSource source, CancellationToken cancel);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await gate.WaitAsync(stoppingToken);
        using var timer = new PeriodicTimer(Every, clock);
        var failed = false;
        do
        {
            try
            {
                await LookAsync(stoppingToken);
                failed = false;
            }
            catch (NpgsqlException error)
            {
                if (!failed) LogFailed(logger, What, error.GetBaseException().Message);
                failed = true;
            }
        }
        while (await timer.WaitForNextTickAsync(stoppingToken));
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{What} could not be read ({Reason}); a second later again")]
    static partial void LogFailed(ILogger logger, string what, string reason);
}
