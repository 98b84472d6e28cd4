using System.Collections.Concurrent;
using System.Globalization;
using EmailApi.Data;
using EmailApi.Emails;
using EmailApi.Http;
using EmailApi.Projects;
using Npgsql;

namespace EmailApi.Limits;

/// <summary>How many mails may come in: a rate of each key and of each project, and a project's quota by day and month. All nodes share them:
/// each leases tokens from the database as it needs them.</summary>
public sealed partial class SendLimits(EngineDatabase database, AcceptMetrics metrics, TimeProvider clock, ILogger<SendLimits> logger) : IHostedService
{
    /// <summary>More are forgotten, with what they had leased.</summary>
    const int MaxBuckets = 20_000;

    readonly ConcurrentDictionary<string, Bucket> rates = new(StringComparer.Ordinal), quotas = new(StringComparer.Ordinal);

    /// <summary>Takes so many mails from the rates of the key and its project.</summary>
    /// <exception cref="ProblemException">429 with the seconds after which they would pass; 422 when they never would.</exception>
    public async ValueTask TakeRateAsync(Caller caller, int mails)
    {
        if (caller.Rate is { } ofKey) await TakeAsync(KeyId(caller), "key", ofKey, mails);
        if (caller.Limits.Rate is not { } ofProject) return;
        try
        {
            await TakeAsync(ProjectId(caller), "project", ofProject, mails);
        }
        catch (ProblemException)
        {
            if (caller.Rate is not null) Find(rates, KeyId(caller)).Give(mails);
            throw;
        }
    }

    /// <summary>Takes so many mails from the project's quota; test keys' mail never leaves and costs none.</summary>
    /// <returns>To be given back by <see cref="QuotaTake.Return"/> when nothing is stored.</returns>
    /// <exception cref="ProblemException">429 with the seconds until the period ends.</exception>
    public async ValueTask<QuotaTake> TakeQuotaAsync(Caller caller, int mails)
    {
        var (perDay, perMonth) = caller.Mode is KeyMode.Test ? ProjectLimits.None.Quota : caller.Limits.Quota;
        var day = await TakeAsync(caller.ProjectId, "day", perDay, mails);
        try
        {
            return new(mails, day, await TakeAsync(caller.ProjectId, "month", perMonth, mails));
        }
        catch (ProblemException)
        {
            day?.Give(mails);
            throw;
        }
    }

    /// <summary>RateLimit and RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers): what this node knows of each limit.</summary>
    public void Describe(Caller caller, IHeaderDictionary headers)
    {
        var limits = new List<(string Name, double Quota, double Window, double Left, double Reset)>(4);
        if (caller.Rate is { } ofKey) AddRate("key", KeyId(caller), ofKey);
        if (caller.Limits.Rate is { } ofProject) AddRate("project", ProjectId(caller), ofProject);
        if (caller.Mode is KeyMode.Live)
        {
            AddQuota("day", caller.Limits.Quota.PerDay, TimeSpan.FromDays(1));
            AddQuota("month", caller.Limits.Quota.PerMonth, TimeSpan.FromDays(30));
        }

        if (limits.Count == 0) return;
        headers["RateLimit-Policy"] = string.Join(", ", limits.Select(l => string.Create(CultureInfo.InvariantCulture, $"\"{l.Name}\";q={l.Quota};w={Math.Ceiling(l.Window)}")));
        headers["RateLimit"] = string.Join(", ", limits.Select(l => string.Create(CultureInfo.InvariantCulture, $"\"{l.Name}\";r={Math.Floor(Math.Clamp(l.Left, 0, l.Quota))};t={Math.Ceiling(Math.Max(0, l.Reset))}")));

        void AddRate(string name, string id, RateLimit limit)
        {
            var bucket = Find(rates, id);
            var left = Math.Min(limit.Burst, bucket.Left + bucket.Age.TotalSeconds * limit.PerSecond);
            limits.Add((name, limit.Burst, (double)limit.Burst / limit.PerSecond, left, (limit.Burst - left) / limit.PerSecond));
        }

        void AddQuota(string period, int? quota, TimeSpan window)
        {
            if (quota is not { } mails || !quotas.TryGetValue(LeaseSql.QuotaId(caller.ProjectId, period), out var bucket)) return;
            limits.Add((period, mails, window.TotalSeconds, bucket.Left, (bucket.EndsAt - clock.GetUtcNow()).TotalSeconds));
        }
    }

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>What this node has leased and not used goes back, for the others and for the next start.</summary>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        try
        {
            foreach (var (id, bucket) in rates)
                if (bucket.Drain() is > 0 and var left) await LeaseSql.ReturnAsync(database.Source, id, left, cancellationToken);
            foreach (var (id, bucket) in quotas)
                if (bucket.Drain() is > 0 and var left) await LeaseSql.ReturnAsync(database.Source, id, -left, cancellationToken);
        }
        catch (Exception error) when (DatabaseTrouble.IsUnavailable(error) || error is OperationCanceledException or NpgsqlException)
        {
            LogNotReturned(logger, error.GetBaseException().Message);
        }
    }

    async ValueTask TakeAsync(string id, string whose, RateLimit limit, int mails)
    {
        if (mails > limit.Burst)
            throw Validation.Invalid([new("#", "over_limit", $"The {whose}'s rate limit lets at most {limit.Burst:N0} mails through at once; this batch has {mails:N0}: send smaller ones.")]);
        var bucket = Find(rates, id);
        if (await bucket.TryTakeAsync(mails, need => LeaseSql.OfRateAsync(database.Source, id, limit, need, CancellationToken.None))) return;
        metrics.Refused();
        var missing = mails - bucket.Left - bucket.Age.TotalSeconds * limit.PerSecond;
        throw new ProblemException(ProblemKind.RateLimited, $"The {whose} may send {limit.PerSecond:N0} mails a second; send again after the time in Retry-After.")
        { RetryAfter = Math.Max(1, (int)Math.Ceiling(missing / limit.PerSecond)) };
    }

    async ValueTask<Bucket?> TakeAsync(int project, string period, int? quota, int mails)
    {
        if (quota is not { } limit) return null;
        if (mails > limit)
            throw Validation.Invalid([new("#", "over_limit", $"The project's quota is {limit:N0} mails a {period}; this batch has {mails:N0}: send smaller ones.")]);
        var bucket = Find(quotas, LeaseSql.QuotaId(project, period));
        if (await bucket.TryTakeAsync(mails, need => LeaseSql.OfQuotaAsync(database.Source, project, period, limit, need, CancellationToken.None))) return bucket;
        metrics.Refused();
        throw new ProblemException(ProblemKind.QuotaExceeded, $"The project has used up its {limit:N0} mails of this {period} (UTC); send again after the time in Retry-After, or have the quota raised.")
        { RetryAfter = Math.Max(1, (int)Math.Ceiling((bucket.EndsAt - clock.GetUtcNow()).TotalSeconds)) };
    }

    static string KeyId(Caller caller) => $"key_{caller.KeyId}";

    static string ProjectId(Caller caller) => ProjectAccess.Format(caller.ProjectId);

    Bucket Find(ConcurrentDictionary<string, Bucket> buckets, string id)
    {
        if (buckets.TryGetValue(id, out var bucket)) return bucket;
        if (buckets.Count >= MaxBuckets) buckets.Clear();
        return buckets.GetOrAdd(id, _ => new(clock));
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Rate limit tokens were not returned ({Reason})")]
    static partial void LogNotReturned(ILogger logger, string reason);
}

/// <summary>What a request took from its project's quotas.</summary>
public readonly struct QuotaTake
{
    readonly int mails;
    readonly Bucket? day, month;

    internal QuotaTake(int mails, Bucket? day, Bucket? month) => (this.mails, this.day, this.month) = (mails, day, month);

    public void Return()
    {
        day?.Give(mails);
        month?.Give(mails);
    }
}
