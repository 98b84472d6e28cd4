using EmailApi.Data;
using EmailApi.Http;
using EmailApi.Projects;
using Microsoft.AspNetCore.Mvc;
using Microsoft.EntityFrameworkCore;
using Npgsql;

namespace EmailApi.Statistics;

/// <summary>GET /v1/stats: what became of the project's mail, by time and by what it was sent with. What is not counted yet is counted first, so that the answer has every event
/// that was committed a moment before.</summary>
public static class GetStats
{
    /// <summary>Behind a long backlog, as after an upgrade, the answer says up to when it counts.</summary>
    static readonly TimeSpan CountsWithin = TimeSpan.FromSeconds(1);
    const int MaxValues = 1_000;

    /// <summary>Up to when is counted; and how long the oldest due mail has waited, found by walking the queue's index from lane to lane and priority to priority.</summary>
    const string State = """
        with recursive lanes as (
            (select lane, priority from queue where lease_until is null order by lane, priority limit 1)
            union all
            select next.lane, next.priority from lanes l cross join lateral (
                select q.lane, q.priority from queue q where q.lease_until is null and (q.lane, q.priority) > (l.lane, l.priority) order by q.lane, q.priority limit 1) next
        )
        select (select e.at from stat_cursors c join events e on e.project_id = c.project_id and e.transaction = c.transaction and e.ordinal = c.ordinal where c.project_id = $1),
               (select extract(epoch from now() - min(first.due_at))::float8 from lanes l cross join (values (true), (false)) r(is_retry) cross join lateral (
                    select q.due_at from queue q
                    where q.lease_until is null and q.lane = l.lane and q.priority = l.priority and q.project_id = $1 and q.is_retry = r.is_retry and q.due_at <= now()
                    order by q.due_at limit 1) first)
        """;

    /// <param name="from">Rounded down to an interval; left out: 7 days before <paramref name="to"/>.</param>
    /// <param name="to">Rounded up; left out: now.</param>
    /// <param name="value">Only this one of <paramref name="by"/>.</param>
    /// <param name="limit">Of values, those with most mail first.</param>
    public static async Task<StatsResponse> HandleAsync(
        string? from, string? to, string? interval, string? by, string? value, [FromQuery(Name = "time_zone")] string? timeZone, int? limit, Caller caller, EmailDb db, RollUp counts, TimeProvider clock, CancellationToken cancel)
    {
        var of = by is null ? StatsBy.Time : by is "recipient_domain" ? StatsBy.Domain : Words.TryParse<StatsBy>(by, out var named) ? named
            : throw new ProblemException(ProblemKind.BadRequest, "by is time, stream, domain, tag or relay.");
        if (limit is < 1 or > MaxValues) throw new ProblemException(ProblemKind.BadRequest, "limit is 1 to 1,000 values.");
        if (value is not null && of is StatsBy.Time) throw new ProblemException(ProblemKind.BadRequest, "value is one of what by names; give by=stream, domain, tag or relay.");
        var range = StatsRange.Of(from, to, interval, timeZone, of, clock.GetUtcNow());
        var shown = limit ?? 100;
        var isWhole = await counts.CountAsync(caller.ProjectId, CountsWithin, cancel);

        await using var reading = await db.ReadAsAsync(caller, cancel);
        var connection = (NpgsqlConnection)db.Database.GetDbConnection();
        var tally = await new CountedStats(connection, caller.ProjectId, of, range).TallyAsync(of is StatsBy.Domain ? value?.ToLowerInvariant() : value, shown + 1, cancel);

        await using var state = new NpgsqlCommand(State, connection) { Parameters = { new() { Value = caller.ProjectId } } };
        await using var row = await state.ExecuteReaderAsync(cancel);
        await row.ReadAsync(cancel);
        var asOf = isWhole ? clock.GetUtcNow() : row.IsDBNull(0) ? range.From : row.GetFieldValue<DateTimeOffset>(0);
        double? waiting = row.IsDBNull(1) ? null : Math.Max(0, Math.Round(row.GetDouble(1), 1));
        var (points, isCut) = tally.Points(of, shown);
        return new(range.From, range.To, range.Interval?.Word(), of.Word(), asOf, waiting, isCut, tally.Total(), points);
    }
}

/// <summary>What happened from <c>from</c> to <c>to</c>, each event at its own time: a bounce that comes days later counts on the day that it came.</summary>
/// <param name="Interval">Of the points; null: one for all of the time.</param>
/// <param name="AsOf">Everything up to then is counted.</param>
/// <param name="OldestWaitingSeconds">How long the oldest mail that is due has waited, now; null: none is.</param>
/// <param name="Truncated">There are more values than <c>limit</c>; the total has them too.</param>
public sealed record StatsResponse(
    DateTimeOffset From, DateTimeOffset To, string? Interval, string By, DateTimeOffset AsOf, double? OldestWaitingSeconds, bool Truncated, StatsNumbers Total, IReadOnlyList<StatsPoint> Data);

/// <summary>One point of time, one value, or both.</summary>
/// <param name="At">Where the interval begins; null: all of the time.</param>
/// <param name="Value">The stream, domain, relay or <c>tag:value</c>; null where it is by time alone.</param>
public sealed record StatsPoint(DateTimeOffset? At, string? Value, IReadOnlyDictionary<string, long> Counts, StatsRates Rates, TimeToRelayResponse? TimeToRelay);

/// <summary>All points together.</summary>
public sealed record StatsNumbers(IReadOnlyDictionary<string, long> Counts, StatsRates Rates, TimeToRelayResponse? TimeToRelay);

/// <summary>Shares from 0 to 1; null where there is nothing to divide by.</summary>
/// <param name="Deferral">Tries that a relay put off.</param>
/// <param name="Bounce">Of recipients that a relay decided on: refused then, or sent back later.</param>
/// <param name="Complaint">Of recipients that a relay took.</param>
/// <param name="Open">Of recipients that a relay took: the pixel was loaded, by whatever.</param>
/// <param name="HumanOpen">As <c>open</c>, by what looks like a person.</param>
/// <param name="HumanClick">Of recipients that a relay took: a link was followed by what looks like a person.</param>
public sealed record StatsRates(double? Deferral, double? Bounce, double? Complaint, double? Open, double? HumanOpen, double? Click, double? HumanClick);

/// <summary>Milliseconds from acceptance or <c>send_at</c> to the relay's yes, right to 5 %.</summary>
public sealed record TimeToRelayResponse(double P50, double P95, double P99);
