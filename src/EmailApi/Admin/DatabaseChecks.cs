using EmailApi.Data;
using EmailApi.Http;
using EmailApi.Restore;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;
using Npgsql;

namespace EmailApi.Admin;

/// <summary>What must be so of the database for a node to accept and deliver. Only reads.</summary>
sealed class DatabaseChecks(CommandDatabase database, AppOptions settings, TimeProvider clock)
{
    /// <summary>Leases are 30 s and retries minutes; a difference of seconds shows first in what people read.</summary>
    static readonly TimeSpan MaxClockDifference = TimeSpan.FromSeconds(2);

    const int NodeConnections = DataSetup.NodeConnections;

    NpgsqlDataSource Source => database.Source;

    public async IAsyncEnumerable<Finding> RunAsync()
    {
        var (server, away) = await TryAsync("database", async () => await ServerFacts.ReadAsync(Source, CancellationToken.None));
        if (away is not null)
        {
            yield return away;
            yield break;   // of a database that is away nothing else can be said
        }

        yield return Finding.Ok("database", $"{database.Place} answers, PostgreSQL {server!.Version}, {server.Encoding}, fsync {server.Fsync}, synchronous_commit {server.SynchronousCommit}");
        foreach (var fault in server.Faults()) yield return Finding.Wrong(fault.Subject, fault.Wrong, fault.ToDo);

        var checks = new (string Subject, Func<Task<Finding>> Check)[] { ("clock", ClockAsync), ("connections", ConnectionsAsync), ("migrations", MigrationsAsync) };
        var isMigrated = false;
        foreach (var (subject, check) in checks)
        {
            var (finding, trouble) = await TryAsync(subject, check);
            yield return trouble ?? finding!;
            isMigrated = trouble is null && finding!.ToDo is null;
        }

        if (!isMigrated) yield break;   // without its tables the rest has nothing to look at
        foreach (var (subject, check) in new (string, Func<Task<Finding>>)[] { ("partitions", PartitionsAsync), ("key ring", KeyRingAsync), ("restore", RestoreAsync) })
        {
            var (finding, trouble) = await TryAsync(subject, check);
            yield return trouble ?? finding!;
        }
    }

    async Task<Finding> ClockAsync()
    {
        await using var connection = await Source.OpenConnectionAsync();
        await using var command = new NpgsqlCommand("select clock_timestamp()", connection);
        var (before, started) = (clock.GetUtcNow(), clock.GetTimestamp());
        var theirs = (DateTime)(await command.ExecuteScalarAsync())!;
        var difference = theirs - before.UtcDateTime - clock.GetElapsedTime(started) / 2;
        var text = FormattableString.Invariant($"the database's is {Math.Abs(difference.TotalSeconds):0.0} s {(difference < TimeSpan.Zero ? "behind" : "ahead")}");
        return difference.Duration() <= MaxClockDifference ? Finding.Ok("clock", text) : Finding.Wrong("clock", text, "let both machines take their time from NTP");
    }

    async Task<Finding> ConnectionsAsync()
    {
        await using var command = Source.CreateCommand("""
            select least(
                    current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int - coalesce(current_setting('reserved_connections', true)::int, 0),
                    nullif((select datconnlimit from pg_database where datname = current_database()), -1),
                    nullif((select rolconnlimit from pg_roles where rolname = current_user), -1)),
                (select count(*)::int from pg_stat_activity where datid is not null and coalesce(backend_type, 'client backend') = 'client backend'
                    and coalesce(application_name, '') not like 'EmailApi%')
            """);
        await using var reader = await command.ExecuteReaderAsync();
        await reader.ReadAsync();
        var (usable, others) = (reader.GetInt32(0), reader.GetInt32(1));
        var nodes = Math.Max(0, usable - others) / NodeConnections;
        var text = $"{usable} may be open, other programs have {others}; a node needs {NodeConnections}, so there is room for {nodes} {(nodes == 1 ? "node" : "nodes")}";
        return nodes > 0 ? Finding.Ok("connections", text) : Finding.Wrong("connections", text, "raise max_connections, or the limit of the database or user");
    }

    async Task<Finding> MigrationsAsync()
    {
        var pending = await MigrationRun.PendingAsync(Source, CancellationToken.None);
        return pending.Count == 0
            ? Finding.Ok("migrations", "none is pending")
            : Finding.Wrong("migrations", $"pending: {string.Join(", ", pending)}", "run `EmailApi migrate`");
    }

    async Task<Finding> PartitionsAsync()
    {
        var weeks = await new Partitions(Source, clock).WeeksReadyAsync(CancellationToken.None);
        // A new week begins before the hourly job has made its last one.
        if (weeks >= Partitions.WeeksAhead - 1) return Finding.Ok("partitions", $"ready for {weeks} weeks after this one");
        return await IsUnusedAsync()
            ? Finding.Ok("partitions", "none yet; the first start makes them")
            : Finding.Wrong("partitions", weeks < 0 ? "this week's is missing, so no mail can be accepted" : $"ready for only {weeks} weeks after this one",
                "start a node, which makes them, and see at /hangfire why the job partitions does not");
    }

    async Task<bool> IsUnusedAsync()
    {
        await using var db = database.Context();
        return !await db.Projects.AnyAsync();
    }

    async Task<Finding> KeyRingAsync()
    {
        await using var db = database.Context();
        if (!await db.DataProtectionKeys.AnyAsync()) return Finding.Ok("key ring", "empty; the first start makes a key");
        var path = MasterKey.PathOf(settings);
        // To read it would make another.
        if (settings.MasterKey is null && !File.Exists(path))
            return Finding.Wrong("key ring", $"there is no EmailApi__MasterKey and no {path}", "give the master key that the database was made with; all nodes need the same");

        var services = new ServiceCollection().AddLogging().AddSingleton(Options.Create(settings));
        services.AddDbContext<EmailDb>(options => EmailDb.Configure(options, o => o.UseNpgsql(Source)));
        services.AddKeyRing();
        await using var provider = services.BuildServiceProvider();
        try
        {
            return Finding.Ok("key ring", $"the master key opens all of its {provider.GetRequiredService<KeyRing>().Open()} keys");
        }
        catch (StartRefusedException)
        {
            return Finding.Wrong("key ring", "the master key does not open it", "give the master key that the database was made with as EmailApi__MasterKey; all nodes need the same");
        }
    }

    async Task<Finding> RestoreAsync()
    {
        await using var connection = await Source.OpenConnectionAsync();
        if (await EpochSql.ReadAsync(connection, toChange: false, CancellationToken.None) is not { } row) return Finding.Ok("restore", "no node has started on this database yet");
        if (row.HeldAt is { } at)
            return Finding.Wrong("restore", FormattableString.Invariant($"nothing leaves this database since {at.UtcDateTime:u}: {row.HeldFor.Sentence()}"), "see `EmailApi restore status`, then run `EmailApi restore release`");
        var unknown = (await DatabaseIdentity.ReadAsync(connection, CancellationToken.None)).Unknown().ToList();
        return Finding.Ok("restore", unknown.Count == 0
            ? "a restored database would be held"
            : $"not every restore can be told, as PostgreSQL does not tell {string.Join("; nor ", unknown)}: run `EmailApi restore hold` after a restore");
    }

    /// <returns>What was found out, or else what kept it from being found out.</returns>
    static async Task<(T? Found, Finding? Trouble)> TryAsync<T>(string subject, Func<Task<T>> check) where T : class
    {
        try
        {
            return (await check(), null);
        }
        catch (PostgresException refused)
        {
            return (null, Finding.Wrong(subject, $"PostgreSQL refused ({refused.SqlState}): {refused.MessageText}", refused.SqlState switch
            {
                PostgresErrorCodes.InvalidPassword or PostgresErrorCodes.InvalidAuthorizationSpecification => "correct user and password in ConnectionStrings__EmailApi",
                PostgresErrorCodes.InvalidCatalogName => "create the database, encoding UTF8, or correct its name in ConnectionStrings__EmailApi",
                PostgresErrorCodes.InsufficientPrivilege => "let the user of ConnectionStrings__EmailApi own the database",
                PostgresErrorCodes.TooManyConnections => "raise max_connections, or end what holds them",
                _ => "see PostgreSQL's log",
            }));
        }
        catch (Exception error) when (DatabaseTrouble.IsUnavailable(error))
        {
            return (null, Finding.Wrong(subject, $"does not answer ({error.GetBaseException().Message})", "see whether PostgreSQL runs and can be reached, and what ConnectionStrings__EmailApi says"));
        }
    }
}
