using EmailApi.Data;
using EmailApi.Http;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Configuration;
using Npgsql;

namespace EmailApi.Migrations;

/// <summary>Brings the database of <c>ConnectionStrings__EmailApi</c> (environment, command line or <c>…File</c>) to this version's schema and
/// ends: 0 when it is there, 1 with a sentence when not. Run it before new nodes start; running it twice, or two at once, is safe.</summary>
public static class Program
{
    /// <summary>It may be started beside a database that is still starting.</summary>
    static readonly TimeSpan WaitForDatabase = TimeSpan.FromSeconds(60);

    public static async Task<int> Main(string[] args)
    {
        try
        {
            var configuration = new ConfigurationManager();
            configuration.AddEnvironmentVariables().AddCommandLine(args);
            SecretFiles.Load(configuration);
            if (configuration.GetConnectionString("EmailApi") is not { } given || string.IsNullOrWhiteSpace(given))
                throw new StartRefusedException("ConnectionStrings__EmailApi is not set: give it in the environment, or as --ConnectionStrings:EmailApi=… or in a file named by ConnectionStrings__EmailApiFile.");

            DataSetup.Check(given);
            Console.WriteLine(await MigrateAsync(given));
            return 0;
        }
        catch (StartRefusedException refused)
        {
            await Console.Error.WriteLineAsync(refused.Message);
            return 1;
        }
    }

    /// <returns>What was done, as a sentence.</returns>
    static async Task<string> MigrateAsync(string connectionString)
    {
        await using var database = NpgsqlDataSource.Create(SettingsOf(connectionString));
        var clock = TimeProvider.System;
        var startedAt = clock.GetTimestamp();
        for (var isFirst = true; ; isFirst = false)
        {
            try
            {
                var pending = await PendingAsync(database);
                await new Migrator(database).MigrateAsync(CancellationToken.None);
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

    static async Task<IReadOnlyList<string>> PendingAsync(NpgsqlDataSource database)
    {
        var options = new DbContextOptionsBuilder<EmailDb>();
        EmailDb.Configure(options, o => o.UseNpgsql(database));
        await using var db = new EmailDb(options.Options);
        return [.. await db.Database.GetPendingMigrationsAsync()];
    }

    static string SettingsOf(string connectionString)
    {
        var settings = new NpgsqlConnectionStringBuilder(connectionString) { ApplicationName = "EmailApi migrations", MaxPoolSize = 2 };
        var given = new System.Data.Common.DbConnectionStringBuilder { ConnectionString = connectionString };
        if (!given.ContainsKey("Timeout")) settings.Timeout = 3;
        if (!given.ContainsKey("Command Timeout")) settings.CommandTimeout = 0;   // a step over large tables, or another migrator's, may last
        return settings.ConnectionString;
    }
}
