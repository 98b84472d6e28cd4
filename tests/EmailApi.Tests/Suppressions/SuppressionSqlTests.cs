using EmailApi.Suppressions;
using EmailApi.Tests.Support;
using Microsoft.EntityFrameworkCore;

namespace EmailApi.Tests.Suppressions;

/// <summary>How suppressions are added by what comes back: idempotent, in sets, and never weaker than before.</summary>
public sealed class SuppressionSqlTests : IAsyncLifetime
{
    static readonly DateTimeOffset Soon = DateTimeOffset.UtcNow.AddDays(1), Late = DateTimeOffset.UtcNow.AddDays(30), Past = DateTimeOffset.UtcNow.AddDays(-1);

    TestApp app = null!;

    static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => app = await TestApp.StartAsync("--EmailApi:Role=api");

    public ValueTask DisposeAsync() => app.DisposeAsync();

    static NewSuppression Of(SuppressionSource source, DateTimeOffset? until, string address = "taro@example.jp", string? stream = null) =>
        new(1, stream, address, source is SuppressionSource.Bounce ? "unknown_user" : source is SuppressionSource.Complaint ? "complaint" : "manual", source, until);

    static DateTimeOffset? Until(string word) => word switch { "soon" => Soon, "late" => Late, "past" => Past, _ => null };

    async Task AddAsync(params NewSuppression[] suppressions)
    {
        await using var connection = await app.ConnectAsync();
        await SuppressionSql.AddAsync(connection, suppressions, Cancel);
    }

    [Theory]
    [InlineData(SuppressionSource.Bounce, "soon", SuppressionSource.Complaint, "soon", SuppressionSource.Complaint, "soon")]
    [InlineData(SuppressionSource.Complaint, "late", SuppressionSource.Bounce, "soon", SuppressionSource.Complaint, "late")]
    [InlineData(SuppressionSource.Manual, "soon", SuppressionSource.Bounce, "never", SuppressionSource.Manual, "never")]
    [InlineData(SuppressionSource.Manual, "never", SuppressionSource.Complaint, "soon", SuppressionSource.Manual, "never")]
    [InlineData(SuppressionSource.Bounce, "never", SuppressionSource.Import, "soon", SuppressionSource.Import, "never")]
    [InlineData(SuppressionSource.Bounce, "soon", SuppressionSource.Bounce, "late", SuppressionSource.Bounce, "late")]
    [InlineData(SuppressionSource.Manual, "past", SuppressionSource.Bounce, "soon", SuppressionSource.Bounce, "soon")]
    public async Task The_stronger_source_stands_for_the_longer_time(
        SuppressionSource first, string firstUntil, SuppressionSource second, string secondUntil, SuppressionSource expected, string expectedUntil)
    {
        await AddAsync(Of(first, Until(firstUntil)));
        await AddAsync(Of(second, Until(secondUntil)));
        await AddAsync(Of(second, Until(secondUntil)));

        var found = await app.QueryAsync(db => db.Suppressions.SingleAsync(Cancel));

        Assert.Equal(expected, found.Source);
        Assert.Equal(Until(expectedUntil)?.ToUnixTimeMilliseconds(), found.ExpiresAt?.ToUnixTimeMilliseconds());
    }

    [Fact]
    public async Task One_set_may_name_an_address_twice_and_streams_stand_beside_the_project()
    {
        await AddAsync(Of(SuppressionSource.Bounce, Soon), Of(SuppressionSource.Complaint, Late, "TARO@example.jp"), Of(SuppressionSource.Bounce, null, stream: "transactional"));

        var found = await app.QueryAsync(db => db.Suppressions.OrderBy(s => s.Stream == null).ToListAsync(Cancel));

        Assert.Equal([("transactional", SuppressionSource.Bounce), (null, SuppressionSource.Complaint)], found.Select(s => (s.Stream, s.Source)));
    }

    [Fact]
    public async Task Two_who_add_the_same_in_opposite_orders_do_not_lock_each_other_out()
    {
        var addresses = Enumerable.Range(0, 500).Select(i => $"r{i}@example.jp").ToArray();

        await Task.WhenAll(Enumerable.Range(0, 8).Select(async i =>
        {
            for (var round = 0; round < 5; round++)
                await AddAsync([.. (i % 2 == 0 ? addresses : addresses.Reverse()).Select(a => Of((SuppressionSource)((i + round) % 3), null, a))]);
        }));

        Assert.Equal(500, await app.QueryAsync(db => db.Suppressions.CountAsync(Cancel)));
    }
}
