using EmailApi.Http;
using EmailApi.Statistics;

namespace EmailApi.Tests.Statistics;

public sealed class StatsRangeTests
{
    static readonly DateTimeOffset Now = new(2026, 12, 10, 9, 30, 0, TimeSpan.Zero);

    static string Show(StatsRange range) => $"{range.From:yyyy-MM-ddTHH:mm}Z {range.To:yyyy-MM-ddTHH:mm}Z {range.Interval?.Word()} {range.Span}";

    [Theory]
    [InlineData(null, null, null, StatsBy.Time, "2026-12-03T00:00Z 2026-12-11T00:00Z day day")]
    [InlineData(null, null, null, StatsBy.Domain, "2026-12-03T00:00Z 2026-12-11T00:00Z  day")]
    [InlineData(null, "hour", null, StatsBy.Time, "2026-12-03T09:00Z 2026-12-10T10:00Z hour hour")]
    [InlineData("2026-12-09T18:00:00+09:00", null, null, StatsBy.Stream, "2026-12-09T09:00Z 2026-12-10T10:00Z  hour")]
    [InlineData(null, "month", null, StatsBy.Time, "2026-12-01T00:00Z 2027-01-01T00:00Z month day")]
    [InlineData(null, "day", "Asia/Tokyo", StatsBy.Time, "2026-12-02T15:00Z 2026-12-10T15:00Z day hour")]
    [InlineData("2026-03-08T12:00:00-05:00", "day", "America/New_York", StatsBy.Time, "2026-03-08T05:00Z 2026-12-11T05:00Z day hour")]   // clocks go forward on that day
    public void A_time_is_asked_for_in_whole_intervals_of_its_zone(string? from, string? interval, string? zone, StatsBy by, string expected) =>
        Assert.Equal(expected, Show(StatsRange.Of(from, to: null, interval, zone, by, Now)));

    [Fact]
    public void A_percentile_is_right_to_five_percent()
    {
        static short Bucket(double ms) => (short)Math.Floor(Math.Log(ms) / Math.Log(TimeToRelay.Step));
        var counts = Enumerable.Range(1, 10_000).GroupBy(ms => Bucket(ms)).ToDictionary(g => g.Key, g => g.LongCount());

        foreach (var share in new[] { 0.5, 0.95, 0.99 }) Assert.InRange(TimeToRelay.Percentile(counts, share) / (10_000 * share), 0.95, 1.05);
    }
}
