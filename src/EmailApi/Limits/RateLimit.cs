using System.Text.Json;
using System.Text.Json.Serialization;
using EmailApi.Http;
using FluentValidation;

namespace EmailApi.Limits;

/// <summary>A token bucket: mails a second, and how many may come at once after a pause. A batch counts as its mails.</summary>
public sealed record RateLimit(int PerSecond, int Burst)
{
    /// <summary>Of every key but the bootstrap key, until another is set.</summary>
    public static readonly RateLimit OfKeys = new(1000, 2000);

    public static RateLimit? Of(int? perSecond, int? burst) => perSecond is { } rate ? new(rate, burst ?? rate) : null;
}

/// <summary>How many mails a project may send in a day and in a calendar month, both of UTC; null: as many as it likes.</summary>
public sealed record SendQuota(int? PerDay, int? PerMonth);

/// <summary>What holds for all keys of a project together.</summary>
public sealed record ProjectLimits(RateLimit? Rate, SendQuota Quota)
{
    public static readonly ProjectLimits None = new(null, new(null, null));
}

/// <summary>A rate limit to be set; an empty object removes it, so that what holds by default holds again.</summary>
public sealed record RateLimitInput
{
    /// <summary>1 to 1,000,000 mails.</summary>
    public int? PerSecond { get; init; }
    /// <summary>Mails that may come at once, at least <c>per_second</c>, at most 10,000,000; left out: <c>per_second</c>.</summary>
    public int? Burst { get; init; }

    [JsonExtensionData]
    public Dictionary<string, JsonElement>? Unknown { get; set; }

    internal RateLimit? Value => RateLimit.Of(PerSecond, Burst);
}

/// <summary>A sending quota to be set; an empty object removes it.</summary>
public sealed record QuotaInput
{
    /// <summary>1 to 1,000,000,000 mails from midnight to midnight UTC.</summary>
    public int? PerDay { get; init; }
    /// <summary>1 to 1,000,000,000 mails in a calendar month of UTC, at least <c>per_day</c>.</summary>
    public int? PerMonth { get; init; }

    [JsonExtensionData]
    public Dictionary<string, JsonElement>? Unknown { get; set; }
}

public sealed record RateLimitResponse(int PerSecond, int Burst)
{
    internal static RateLimitResponse? Of(RateLimit? limit) => limit is null ? null : new(limit.PerSecond, limit.Burst);
}

public sealed record QuotaResponse(int? PerDay, int? PerMonth);

static class LimitRules
{
    const int MaxPerSecond = 1_000_000;
    const int MaxBurst = 10_000_000;
    const int MaxQuota = 1_000_000_000;

    /// <summary>Bounds, and limits that contradict each other.</summary>
    public static void CheckRateLimit<T>(this ValidationContext<T> context, RateLimitInput? limit)
    {
        if (limit is null) return;
        context.RefuseUnknown(limit.Unknown, "rate_limit");
        if (limit.PerSecond is < 1 or > MaxPerSecond) context.Add("out_of_range", $"Give 1 to {MaxPerSecond:N0} mails a second.", "rate_limit", "per_second");
        if (limit.Burst is < 1 or > MaxBurst) context.Add("out_of_range", $"Give 1 to {MaxBurst:N0} mails.", "rate_limit", "burst");
        if (limit is { PerSecond: null, Burst: not null }) context.Add("required", "A burst goes with a rate: give per_second too.", "rate_limit", "per_second");
        if (limit.Burst < limit.PerSecond)
            context.Add("contradiction", $"A burst of {limit.Burst:N0} never lets {limit.PerSecond:N0} mails a second through; give at least per_second.", "rate_limit", "burst");
    }

    public static void CheckQuota<T>(this ValidationContext<T> context, QuotaInput? quota)
    {
        if (quota is null) return;
        context.RefuseUnknown(quota.Unknown, "quota");
        if (quota.PerDay is < 1 or > MaxQuota) context.Add("out_of_range", $"Give 1 to {MaxQuota:N0} mails.", "quota", "per_day");
        if (quota.PerMonth is < 1 or > MaxQuota) context.Add("out_of_range", $"Give 1 to {MaxQuota:N0} mails.", "quota", "per_month");
        if (quota.PerDay > quota.PerMonth)
            context.Add("contradiction", $"{quota.PerDay:N0} mails a day are more than the {quota.PerMonth:N0} a month; give at most per_month.", "quota", "per_day");
    }

    /// <summary>A key faster than its project never gets what it was promised.</summary>
    public static void CheckWithin(RateLimit? key, RateLimit? project)
    {
        if (key?.PerSecond > project?.PerSecond)
            throw Validation.Invalid([new(JsonPointer.Of("rate_limit", "per_second"), "contradiction",
                $"The project's limit is {project!.PerSecond:N0} mails a second, which holds for all its keys together; give at most that.")]);
    }
}
