using EmailApi.Http;
using Microsoft.EntityFrameworkCore;
using Npgsql;

namespace EmailApi.Data;

/// <summary>Brings the database of <c>ConnectionStrings__EmailApi</c> to this version's schema and ends: what <c>EmailApi migrate</c> and
/// the migrations program do. Running it twice, or two at once, is safe.</summary>
static class MigrationRun
{
    /// <summary>It may be started beside a database that is still starting.</summary>
    static readonly TimeSpan WaitForDatabase = TimeSpan.FromSeconds(60);

    /// <returns>The exit code: 0, once the schema is there.</returns>
    /// <exception cref="StartRefusedException">There is no connection string, the database did not answer, or it refused.</exception>
    public static async Task<int> RunAsync(ConfigurationManager configuration)
    {
        SecretFiles.Load(configuration);
        if (configuration.GetConnectionString("EmailApi") is not { } given || string.IsNullOrWhiteSpace(given))
            throw new StartRefusedException("ConnectionStrings__EmailApi is not set: give it in the environment, or as --ConnectionStrings:EmailApi=… or in a file named by ConnectionStrings__EmailApiFile. The embedded database needs no such step.");

        DataSetup.Check(given);
        var direct = DataSetup.DirectOf(configuration);
        Console.WriteLine(await MigrateAsync(direct ?? given, isDirect: direct is not null));
        return 0;
    }

    /// <returns>What was done, as a sentence.</returns>
    static async Task<string> MigrateAsync(string connectionString, bool isDirect)
    {
        await using var database = NpgsqlDataSource.Create(SettingsOf(connectionString));
        var clock = TimeProvider.System;
        var startedAt = clock.GetTimestamp();
        for (var isFirst = true; ; isFirst = false)
        {
            try
            {
                var pending = await PendingAsync(database, CancellationToken.None);
                await new Migrator(new(database, isDirect)).MigrateAsync(CancellationToken.None);
                return pending is []
                    ? "The schema was up to date; nothing had to be done."
                    : $"The schema is up to date; applied: {string.Join(", ", pending)}.";
            }
            catch (Exception away) when (DatabaseTrouble.IsUnavailable(away))
            {
                var reason = away.GetBaseException().Message.ReplaceLineEndings(" ");
                if (clock.GetElapsedTime(startedAt) >= WaitForDatabase)
                    throw new StartRefusedException($"The database did not answer within {WaitForDatabase.TotalSeconds:0} s ({reason}): check ConnectionStrings__EmailApi and that PostgreSQL runs.", away);
                if (isFirst) Console.WriteLine($"The database is away ({reason}); waiting for it up to {WaitForDatabase.TotalSeconds:0} s.");
                await Task.Delay(TimeSpan.FromSeconds(1), clock);
            }
            catch (PostgresException refused)
            {
                throw new StartRefusedException($"PostgreSQL refused ({refused.SqlState}): {refused.MessageText}.", refused);
            }
        }
    }

    /// <summary>The migrations that this version has and the database has not.</summary>
    public static async Task<IReadOnlyList<string>> PendingAsync(NpgsqlDataSource database, CancellationToken cancel)
    {
        var options = new DbContextOptionsBuilder<EmailDb>();
        EmailDb.Configure(options, o => o.UseNpgsql(database));
        await using var db = new EmailDb(options.Options);
        return [.. await db.Database.GetPendingMigrationsAsync(cancel)];
    }

    static string SettingsOf(string connectionString)
    {
        var settings = DataSetup.For(connectionString, "EmailApi migrations", connections: 2);
        var given = new System.Data.Common.DbConnectionStringBuilder { ConnectionString = connectionString };
        if (!given.ContainsKey("Command Timeout")) settings.CommandTimeout = 0;   // a step over large tables, or another migrator's, may last
        return settings.ConnectionString;
    }
}
