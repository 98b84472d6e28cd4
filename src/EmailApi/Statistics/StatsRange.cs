using EmailApi.Emails;
using EmailApi.Http;

namespace EmailApi.Statistics;

/// <summary>What the numbers are by.</summary>
public enum StatsBy
{
    Time,
    Stream,
    Domain,
    Tag,
    Relay,
}

/// <summary>How long one point of time is.</summary>
public enum StatsInterval
{
    Hour,
    Day,
    Month,
}

/// <summary>The time that is asked for, in whole intervals of its zone.</summary>
/// <param name="Interval">Null: one point for all of it.</param>
/// <param name="Span">Whose counts add up to it: <c>hour</c> or <c>day</c>.</param>
public sealed record StatsRange(DateTimeOffset From, DateTimeOffset To, StatsInterval? Interval, TimeZoneInfo Zone, string Span)
{
    const int MaxPoints = 2_400;   // 100 days of hours
    static readonly TimeSpan ByHour = TimeSpan.FromDays(2);
    static readonly TimeSpan Usual = TimeSpan.FromDays(7);

    /// <exception cref="ProblemException">400: what cannot be understood, and what would be right.</exception>
    public static StatsRange Of(string? from, string? to, string? interval, string? zone, StatsBy by, DateTimeOffset now)
    {
        var until = Instant.OfParameter(to, "to") ?? now;
        var since = Instant.OfParameter(from, "from") ?? until - Usual;
        if (since >= until) throw new ProblemException(ProblemKind.BadRequest, "from must lie before to.");
        StatsInterval? points = interval is null ? null : Words.TryParse<StatsInterval>(interval, out var named) ? named
            : throw new ProblemException(ProblemKind.BadRequest, "interval is hour, day or month.");
        var place = zone is null ? TimeZoneInfo.Utc : TimeZoneInfo.TryFindSystemTimeZoneById(zone, out var found) && found.HasIanaId ? found
            : throw new ProblemException(ProblemKind.BadRequest, "time_zone is a name of the IANA database, such as Asia/Tokyo.");

        var step = points ?? (until - since <= ByHour ? StatsInterval.Hour : StatsInterval.Day);
        if (points is null && by is StatsBy.Time) points = step;
        var (first, last) = (Floor(since, step, place), Ceiling(until, step, place));
        if (points is StatsInterval.Hour && (last - first).TotalHours > MaxPoints || points is StatsInterval.Day && (last - first).TotalDays > MaxPoints)
            throw new ProblemException(ProblemKind.BadRequest, "That is more than 2,400 points of time: give a longer interval or a shorter time.");
        return new(first, last, points, place, step is StatsInterval.Hour || place.Id != TimeZoneInfo.Utc.Id ? "hour" : "day");
    }

    static DateTimeOffset Floor(DateTimeOffset at, StatsInterval step, TimeZoneInfo zone)
    {
        var local = TimeZoneInfo.ConvertTime(at, zone);
        return step switch
        {
            StatsInterval.Hour => new DateTimeOffset(at.UtcDateTime.Date.AddHours(at.UtcDateTime.Hour), TimeSpan.Zero),   // counts are of whole hours of UTC
            StatsInterval.Day => Start(local.Date),
            _ => Start(new(local.Year, local.Month, 1)),
        };

        // Where clocks go forward at midnight a day begins later.
        DateTimeOffset Start(DateTime day)
        {
            while (zone.IsInvalidTime(day)) day = day.AddMinutes(30);
            return new DateTimeOffset(day, zone.GetUtcOffset(day)).ToUniversalTime();
        }
    }

    static DateTimeOffset Ceiling(DateTimeOffset at, StatsInterval step, TimeZoneInfo zone)
    {
        var floor = Floor(at, step, zone);
        return floor == at ? at : Floor(step switch
        {
            StatsInterval.Hour => floor.AddHours(1),
            StatsInterval.Day => floor.AddHours(30),   // into the next day, however long this one is
            _ => floor.AddDays(40),
        }, step, zone);
    }
}
