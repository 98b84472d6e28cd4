using EmailApi.Data;
using EmailApi.Tests.Support;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;
using Npgsql;

namespace EmailApi.Tests.Data;

public sealed class MigrationTests : IAsyncLifetime
{
    static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    string database = "";

    static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => database = await TestDatabase.CreateAsync(cancel: Cancel);

    public async ValueTask DisposeAsync() => await TestDatabase.DropAsync(database);

    [Fact]
    public void The_model_has_no_change_that_no_migration_makes()
    {
        using var db = Context();

        Assert.False(db.Database.HasPendingModelChanges());
    }

    [Fact]
    public async Task An_empty_database_goes_up_down_and_up_again()
    {
        await using var db = Context();
        var migrator = db.GetService<IMigrator>();

        await migrator.MigrateAsync(cancellationToken: Cancel);
        var first = await TablesAsync();
        await migrator.MigrateAsync(Migration.InitialDatabase, Cancel);
        var between = await TablesAsync();
        await migrator.MigrateAsync(cancellationToken: Cancel);

        Assert.Contains("emails", first);
        Assert.Equal(["__EFMigrationsHistory"], between);
        Assert.Equal(first, await TablesAsync());
    }

    [Fact]
    public async Task Nodes_that_start_together_take_turns()
    {
        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => TestApp.MigrateAsync(database)));

        await using var db = Context();
        Assert.Empty(await db.Database.GetPendingMigrationsAsync(Cancel));
    }

    [Fact]
    public async Task A_migration_that_must_wait_for_a_lock_gives_up_soon_and_comes_again()
    {
        await TestApp.MigrateAsync(database);
        await using var other = new NpgsqlConnection(database);
        await other.OpenAsync(Cancel);
        await using var transaction = await other.BeginTransactionAsync(Cancel);
        await using (var hold = new NpgsqlCommand("""lock table "__EFMigrationsHistory" in access exclusive mode""", other, transaction)) await hold.ExecuteNonQueryAsync(Cancel);

        var migrating = TestApp.MigrateAsync(database);
        await WaitersAsync(some: true);
        await WaitersAsync(some: false);   // without a lock_timeout it would stand there, and all traffic behind it
        Assert.False(migrating.IsCompleted);
        await transaction.CommitAsync(Cancel);

        await migrating.WaitAsync(Limit, Cancel);
    }

    EmailDb Context() => new((DbContextOptions<EmailDb>)EmailDb.Configure(new DbContextOptionsBuilder<EmailDb>(), o => o.UseNpgsql(database)).Options);

    async Task<string[]> TablesAsync()
    {
        await using var db = Context();
        return await db.Database.SqlQuery<string>($"select tablename::text as \"Value\" from pg_tables where schemaname = 'public' order by tablename").ToArrayAsync(Cancel);
    }

    async Task WaitersAsync(bool some)
    {
        await using var source = NpgsqlDataSource.Create(database);
        using var late = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        late.CancelAfter(Limit);
        while (true)
        {
            await using var command = source.CreateCommand("select exists(select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock')");
            if (await command.ExecuteScalarAsync(late.Token) is bool waits && waits == some) return;
            await Task.Delay(20, late.Token);
        }
    }
}
