using Hangfire.PostgreSql;
using Microsoft.EntityFrameworkCore;
using Npgsql;

namespace EmailApi.Data;

/// <summary>Brings a database to this version's schema. Nodes that start together take turns by an advisory lock; a statement that would have
/// to wait for a lock gives up after 2 s and the whole is tried again, so that a migration never queues traffic behind itself.</summary>
public sealed class Migrator(DirectDatabase database)
{
    public const string HangfireSchema = "hangfire";
    const int Tries = 30;

    public async Task MigrateAsync(CancellationToken cancel)
    {
        for (var tries = 1; ; tries++)
        {
            try
            {
                await TryAsync(cancel);
                return;
            }
            catch (PostgresException busy) when (busy.SqlState == PostgresErrorCodes.LockNotAvailable && tries < Tries)
            {
                await Task.Delay(TimeSpan.FromSeconds(1), cancel);
            }
        }
    }

    async Task TryAsync(CancellationToken cancel)
    {
        await using var connection = await database.Source.OpenConnectionAsync(cancel);
        if (!await database.HasSessionAsync(connection, cancel))
            throw new StartRefusedException("ConnectionStrings__EmailApi goes through a pooler, where the lock of a migration would be left behind: give the way past it as ConnectionStrings__EmailApiDirect.");
        await ExecuteAsync("select pg_advisory_lock(hashtextextended('emailapi.migrate', 0))");
        await ExecuteAsync("set lock_timeout = '2s'");
        try
        {
            var options = new DbContextOptionsBuilder<EmailDb>();
            EmailDb.Configure(options, o => o.UseNpgsql(connection));
            await using var db = new EmailDb(options.Options);
            await db.Database.MigrateAsync(cancel);
            PostgreSqlObjectsInstaller.Install(connection, HangfireSchema);
        }
        finally
        {
            if (connection.State is System.Data.ConnectionState.Open) await ExecuteAsync("reset lock_timeout; select pg_advisory_unlock(hashtextextended('emailapi.migrate', 0))");
        }

        async Task ExecuteAsync(string sql)
        {
            await using var command = new NpgsqlCommand(sql, connection);
            await command.ExecuteNonQueryAsync(cancel);
        }
    }
}
