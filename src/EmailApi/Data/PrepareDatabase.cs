using EmailApi.Http;
using EmailApi.Projects;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;
using Npgsql;

namespace EmailApi.Data;

/// <summary>Once at the start: reaches the database (however long that takes), refuses one that would lose mail, migrates it if it may, and
/// opens the gate.</summary>
public sealed partial class PrepareDatabase(
    IDbContextFactory<EmailDb> databases, EngineDatabase engine, Migrator migrator, Partitions partitions, KeyRing keyRing, BootstrapKey bootstrap,
    DatabaseGate gate, IOptions<AppOptions> options, IHostEnvironment environment, IHostApplicationLifetime lifetime, ILogger<PrepareDatabase> logger)
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
        await CheckServerAsync(cancel);
        if (options.Value.Migrate ?? (environment.IsDevelopment() || options.Value.UsesEmbeddedDatabase)) await migrator.MigrateAsync(cancel);
        await using var db = await databases.CreateDbContextAsync(cancel);
        var pending = (await db.Database.GetPendingMigrationsAsync(cancel)).ToList();
        if (pending.Count > 0)
        {
            gate.Waiting = $"Migrations are pending ({string.Join(", ", pending)}): run EmailApi.Migrations, or set EmailApi__Migrate to true.";
            if (tries % 30 == 0) LogPending(logger, gate.Waiting);
            return false;
        }

        await partitions.EnsureAsync(cancel);
        keyRing.Check();
        await bootstrap.EnsureAsync(cancel);
        return true;
    }

    async Task CheckServerAsync(CancellationToken cancel)
    {
        await using var connection = await engine.Source.OpenConnectionAsync(cancel);
        await using var command = new NpgsqlCommand(
            "select current_setting('server_version_num')::int, current_setting('fsync'), current_setting('synchronous_commit'), current_setting('server_encoding')", connection);
        await using var reader = await command.ExecuteReaderAsync(cancel);
        await reader.ReadAsync(cancel);
        if (reader.GetInt32(0) < 150000) throw new StartRefusedException($"PostgreSQL 15 or newer is needed; this is {connection.ServerVersion}.");
        if (reader.GetString(1) != "on") throw new StartRefusedException("PostgreSQL runs with fsync = off, which loses accepted mail in a crash: set fsync = on.");
        if (reader.GetString(2) is "off") throw new StartRefusedException("PostgreSQL runs with synchronous_commit = off, which loses accepted mail in a crash: set it to on for this database or user.");
        if (reader.GetString(3) != "UTF8") throw new StartRefusedException($"The database's encoding is {reader.GetString(3)}; create it with encoding UTF8.");
    }

    [LoggerMessage(Level = LogLevel.Critical, Message = "{Sentence}")]
    static partial void LogRefused(ILogger logger, string sentence);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The database is away ({Reason}); the app waits for it and answers 503")]
    static partial void LogAway(ILogger logger, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Waiting}")]
    static partial void LogPending(ILogger logger, string waiting);
}
