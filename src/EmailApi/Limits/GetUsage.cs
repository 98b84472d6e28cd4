using System.Globalization;
using EmailApi.Data;
using EmailApi.Http;
using EmailApi.Projects;
using Microsoft.EntityFrameworkCore;

namespace EmailApi.Limits;

/// <summary>GET /v1/usage: what the project sent, day by day of UTC, and what its limits leave.</summary>
public static class GetUsage
{
    const int MaxDays = 400;

    /// <param name="from">A day; left out: the first of the month of <paramref name="to"/>.</param>
    /// <param name="to">The last day; left out: today.</param>
    public static async Task<UsageResponse> HandleAsync(string? from, string? to, Caller caller, EmailDb db, TimeProvider clock, CancellationToken cancel)
    {
        var today = DateOnly.FromDateTime(clock.GetUtcNow().UtcDateTime);
        var last = Day(to, "to") ?? today;
        var first = Day(from, "from") ?? new DateOnly(last.Year, last.Month, 1);
        if (first > last) throw new ProblemException(ProblemKind.BadRequest, "from must not lie after to.");
        if (last.DayNumber - first.DayNumber >= MaxDays) throw new ProblemException(ProblemKind.BadRequest, $"At most {MaxDays} days are shown at once.");

        var month = new DateOnly(today.Year, today.Month, 1);
        var sums = await db.Usage.Where(u => u.ProjectId == caller.ProjectId && ((u.Day >= first && u.Day <= last) || u.Day >= month))
            .GroupBy(u => u.Day).OrderBy(g => g.Key)
            .Select(g => new UsageOfDay(g.Key, g.Sum(u => u.Emails), g.Sum(u => u.Recipients), g.Sum(u => u.Bytes))).ToListAsync(cancel);
        var limits = (await db.Projects.AsNoTracking().SingleAsync(p => p.Id == caller.ProjectId, cancel)).Limits;
        var days = sums.FindAll(d => d.Date >= first && d.Date <= last);
        return new(first, last, days.Sum(d => d.Emails), days.Sum(d => d.Recipients), days.Sum(d => d.Bytes), days,
            RateLimitResponse.Of(limits.Rate), new(
                Quota(limits.Quota.PerDay, sums.Where(d => d.Date == today), today.AddDays(1)),
                Quota(limits.Quota.PerMonth, sums.Where(d => d.Date >= month), month.AddMonths(1))));
    }

    static QuotaUsage? Quota(int? limit, IEnumerable<UsageOfDay> days, DateOnly end)
    {
        if (limit is not { } mails) return null;
        var used = days.Sum(d => d.Emails);
        return new(mails, used, Math.Max(0, mails - used), new(end, TimeOnly.MinValue, TimeSpan.Zero));
    }

    static DateOnly? Day(string? text, string name) => text is null ? null
        : DateOnly.TryParseExact(text, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out var day) ? day
        : throw new ProblemException(ProblemKind.BadRequest, $"{name} is a day of UTC, such as 2026-12-01.");
}

/// <summary>Mail accepted from <c>from</c> to <c>to</c>, both days included, without that of test keys. Days without mail are left out.</summary>
/// <param name="Bytes">Content and attachments as they are stored.</param>
public sealed record UsageResponse(
    DateOnly From, DateOnly To, long Emails, long Recipients, long Bytes, IReadOnlyList<UsageOfDay> Data, RateLimitResponse? RateLimit, QuotaUsageResponse Quota);

public sealed record UsageOfDay(DateOnly Date, long Emails, long Recipients, long Bytes);

/// <summary>Null: no quota.</summary>
public sealed record QuotaUsageResponse(QuotaUsage? PerDay, QuotaUsage? PerMonth);

/// <summary>How a quota stands now.</summary>
public sealed record QuotaUsage(int Limit, long Used, long Remaining, DateTimeOffset ResetsAt);
