using EmailApi.Data;
using EmailApi.Tests.Support;
using Microsoft.Extensions.Time.Testing;
using Npgsql;

namespace EmailApi.Tests.Data;

public sealed class PartitionsTests : IAsyncLifetime
{
    string connectionString = "";
    NpgsqlDataSource database = null!;

    static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        connectionString = await TestDatabase.CreateAsync(await TestDatabase.TemplateAsync("migrated", TestApp.MigrateAsync), Cancel);
        database = NpgsqlDataSource.Create(connectionString);
    }

    public async ValueTask DisposeAsync()
    {
        await database.DisposeAsync();
        await TestDatabase.DropAsync(connectionString);
    }

    [Fact]
    public async Task Partitions_lie_ahead_of_their_time_a_week_each()
    {
        var clock = new FakeTimeProvider(new(2031, 3, 5, 12, 0, 0, TimeSpan.Zero));   // a Wednesday

        await new Partitions(database, clock).EnsureAsync(Cancel);

        Assert.Equal(["20310224", "20310303", "20310310", "20310317", "20310324", "20310331"], await WeeksAsync("emails", "2031"));
        foreach (var table in new[] { "recipients", "contents", "blob_uses", "attempts", "events" }) Assert.Equal(6, (await WeeksAsync(table, "2031")).Length);
    }

    [Fact]
    public async Task A_second_run_changes_nothing_and_a_later_one_adds_what_is_new()
    {
        var clock = new FakeTimeProvider(new(2031, 3, 5, 12, 0, 0, TimeSpan.Zero));
        var partitions = new Partitions(database, clock);

        await partitions.EnsureAsync(Cancel);
        var first = await WeeksAsync("emails", "2031");
        await partitions.EnsureAsync(Cancel);
        var second = await WeeksAsync("emails", "2031");
        clock.Advance(TimeSpan.FromDays(7));
        await partitions.EnsureAsync(Cancel);

        Assert.Equal(first, second);
        string[] third = [.. first, "20310407"];
        Assert.Equal(third, await WeeksAsync("emails", "2031"));
    }

    [Fact]
    public async Task Nodes_may_make_them_at_the_same_time()
    {
        var clock = new FakeTimeProvider(new(2031, 3, 5, 12, 0, 0, TimeSpan.Zero));

        await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => new Partitions(database, clock).EnsureAsync(Cancel)));

        Assert.Equal(6, (await WeeksAsync("events", "2031")).Length);
    }

    [Fact]
    public async Task The_first_and_the_last_id_of_a_week_lie_in_its_partition()
    {
        var week = new DateTimeOffset(2031, 3, 3, 0, 0, 0, TimeSpan.Zero);
        await new Partitions(database, new FakeTimeProvider(week)).EnsureAsync(Cancel);

        var partitions = new List<string>();
        foreach (var at in new[] { week, week.AddDays(7).AddMilliseconds(-1), week.AddDays(7) })
        {
            await using var insert = database.CreateCommand("""
                insert into emails (id, project_id, key_id, stream, from_address, internet_message_id, envelope, is_sensitive, created_at, expires_at)
                values ($1, 1, 'k', 's', 'a@example.net', 'm', 'shared', false, now(), now()) returning tableoid::regclass::text
                """);
            insert.Parameters.Add(new() { Value = Guid.CreateVersion7(at) });
            partitions.Add((string)(await insert.ExecuteScalarAsync(Cancel))!);
        }

        Assert.Equal(["emails_20310303", "emails_20310303", "emails_20310310"], partitions);
    }

    async Task<string[]> WeeksAsync(string table, string year)
    {
        await using var command = database.CreateCommand($"select array(select split_part(relname, '{table}_', 2)::text from pg_class where relkind = 'r' and relname like '{table}\\_{year}%' order by 1)");
        return (string[])(await command.ExecuteScalarAsync(Cancel))!;
    }
}
