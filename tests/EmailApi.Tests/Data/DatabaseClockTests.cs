using EmailApi.Data;
using EmailApi.Tests.Support;
using Npgsql;

namespace EmailApi.Tests.Data;

/// <summary>A node takes the time of day from the database.</summary>
public sealed class DatabaseClockTests : IAsyncLifetime
{
    string connectionString = "";
    NpgsqlDataSource database = null!;

    static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        connectionString = await TestDatabase.CreateAsync(cancel: Cancel);
        // Its own function is found before PostgreSQL's.
        database = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(connectionString) { SearchPath = "odd,pg_catalog" }.ConnectionString);
        await ExecuteAsync("create schema odd");
    }

    public async ValueTask DisposeAsync()
    {
        await database.DisposeAsync();
        await TestDatabase.DropAsync(connectionString, CancellationToken.None);
    }

    async Task ExecuteAsync(string sql)
    {
        await using var command = database.CreateCommand(sql);
        await command.ExecuteNonQueryAsync(Cancel);
    }

    Task SetAsync(string off) => ExecuteAsync($"create or replace function odd.clock_timestamp() returns timestamptz language sql as $$ select pg_catalog.clock_timestamp() + interval '{off}' $$");

    [Theory]
    [InlineData("10 minutes", 600)]
    [InlineData("-10 minutes", -600)]
    public async Task What_the_nodes_clock_lacks_is_added(string off, double seconds)
    {
        var clock = new DatabaseClock();
        await SetAsync(off);

        var changed = await clock.CompareAsync(database, Cancel);
        var again = await clock.CompareAsync(database, Cancel);

        Assert.True(changed);
        Assert.False(again);   // else time would jump to and fro
        Assert.InRange((clock.GetUtcNow() - TimeProvider.System.GetUtcNow()).TotalSeconds, seconds - 5, seconds + 5);
        Assert.InRange(clock.GetElapsedTime(clock.GetTimestamp()), TimeSpan.Zero, TimeSpan.FromSeconds(5));   // durations are the node's own

        await SetAsync("0");
        Assert.True(await clock.CompareAsync(database, Cancel));
        Assert.Equal(TimeSpan.Zero, clock.Offset);
    }

    [Fact]
    public async Task A_difference_that_NTP_allows_is_left_alone()
    {
        var clock = new DatabaseClock();
        await SetAsync("100 milliseconds");

        Assert.False(await clock.CompareAsync(database, Cancel));
        Assert.Equal(TimeSpan.Zero, clock.Offset);
    }
}
