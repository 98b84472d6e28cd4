using EmailApi.Http;
using EmailApi.Projects;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;

namespace EmailApi.Data;

/// <summary>Once at the start: reaches the database (however long that takes), refuses one that would lose mail, migrates it if it may, and
/// opens the gate.</summary>
public sealed partial class PrepareDatabase(
    IDbContextFactory<EmailDb> databases, EngineDatabase engine, Migrator migrator, Partitions partitions, KeyRing keyRing, BootstrapKey bootstrap,
    DatabaseGate gate, DatabaseClock clock, Restore.EpochCheck epoch, IOptions<AppOptions> options, IHostEnvironment environment, IHostApplicationLifetime lifetime, ILogger<PrepareDatabase> logger)
    : BackgroundService
{
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        for (var tries = 0; !stoppingToken.IsCancellationRequested; tries++)
        {
            try
            {
                if (await TryAsync(tries, stoppingToken))
                {
                    gate.Open();
                    return;
                }
            }
            catch (StartRefusedException refused)
            {
                LogRefused(logger, refused.Message);
                await Console.Error.WriteLineAsync(refused.Message);
                Environment.ExitCode = 1;
                lifetime.StopApplication();
                return;
            }
            catch (Exception error) when (!stoppingToken.IsCancellationRequested)
            {
                gate.Waiting = "The database is away.";
                if (tries % 30 == 0) LogAway(logger, error.GetBaseException().Message);
            }

            await Task.Delay(TimeSpan.FromSeconds(1), stoppingToken);
        }
    }

    async Task<bool> TryAsync(int tries, CancellationToken cancel)
    {
        var server = await ServerFacts.ReadAsync(engine.Source, cancel);
        if (server.Faults().FirstOrDefault() is { } fault) throw new StartRefusedException($"{fault.Wrong}: {fault.ToDo}.");
        await clock.CompareAsync(engine.Source, cancel);   // before the first mail is stamped
        if (options.Value.Migrate ?? (environment.IsDevelopment() || options.Value.UsesEmbeddedDatabase)) await migrator.MigrateAsync(cancel);
        await using var db = await databases.CreateDbContextAsync(cancel);
        var pending = (await db.Database.GetPendingMigrationsAsync(cancel)).ToList();
        if (pending.Count > 0)
        {
            gate.Waiting = $"Migrations are pending ({string.Join(", ", pending)}): run `EmailApi migrate`, or set EmailApi__Migrate to true.";
            if (tries % 30 == 0) LogPending(logger, gate.Waiting);
            return false;
        }

        await partitions.EnsureAsync(cancel);
        keyRing.Check();
        await bootstrap.EnsureAsync(cancel);
        await epoch.CheckAsync(cancel);
        return true;
    }

    [LoggerMessage(Level = LogLevel.Critical, Message = "{Sentence}")]
    static partial void LogRefused(ILogger logger, string sentence);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The database is away ({Reason}); the app waits for it and answers 503")]
    static partial void LogAway(ILogger logger, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Waiting}")]
    static partial void LogPending(ILogger logger, string waiting);
}
