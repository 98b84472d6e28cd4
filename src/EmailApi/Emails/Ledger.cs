using EmailApi.Data;
using EmailApi.Http;
using EmailApi.Projects;
using Microsoft.EntityFrameworkCore;

namespace EmailApi.Emails;

/// <summary>GET /v1/ledger: proves by one query that accepted = final + waiting. Each side is counted where it cannot know of the other:
/// accepted from the events, final from the recipients, waiting from the queue.</summary>
public static class Ledger
{
    sealed record Row(string Side, string State, long Count);

    public static async Task<LedgerResponse> HandleAsync(string? from, string? to, Caller caller, EmailDb db, TimeProvider clock, CancellationToken cancel)
    {
        var until = Time(to, "to") ?? clock.GetUtcNow().AddMinutes(1);
        var since = Time(from, "from") ?? (until - DateTimeOffset.UnixEpoch > Month ? until - Month : DateTimeOffset.UnixEpoch);
        if (to is not null && since > until) throw new ProblemException(ProblemKind.BadRequest, "from must not lie after to.");
        var (first, last) = (Partitions.FirstId(since), Partitions.FirstId(until));
        var open = Enum.GetValues<RecipientState>().Where(s => s.IsOpen()).Select(s => s.Word()).ToArray();

        // One statement, so one snapshot: a mail that becomes final meanwhile is counted once.
        var rows = await db.Database.SqlQuery<Row>($"""
            select 'accepted' as side, '' as state, count(*) from events
            where project_id = {caller.ProjectId} and email_id >= {first} and email_id < {last} and type = 'email.accepted'
            union all
            select 'final', state, count(*) from recipients
            where project_id = {caller.ProjectId} and email_id >= {first} and email_id < {last} and state <> all({open}) group by state
            union all
            select 'waiting', state_now, count(*) from (
                select case when q.lease_until is not null then 'sending' when r.state = 'scheduled' and q.due_at <= now() then 'queued' else r.state end as state_now
                from queue q join recipients r on r.email_id = q.email_id and r.n = q.n
                where q.project_id = {caller.ProjectId} and q.email_id >= {first} and q.email_id < {last}) waiting group by state_now
            """).ToListAsync(cancel);

        var accepted = rows.Where(r => r.Side == "accepted").Sum(r => r.Count);
        var final = Counts("final", state => !state.IsOpen());
        var waiting = Counts("waiting", state => state.IsOpen());
        return new(since, until, accepted, waiting, final, accepted == waiting.Values.Sum() + final.Values.Sum());

        SortedDictionary<string, long> Counts(string side, Func<RecipientState, bool> isOfSide)
        {
            var counts = new SortedDictionary<string, long>(Enum.GetValues<RecipientState>().Where(isOfSide).ToDictionary(s => s.Word(), _ => 0L), StringComparer.Ordinal);
            foreach (var row in rows.Where(r => r.Side == side)) counts[row.State] = row.Count;
            return counts;
        }
    }

    static readonly TimeSpan Month = TimeSpan.FromDays(30);

    /// <summary>Nothing is older than ids can be: a UUIDv7 counts from 1970.</summary>
    static DateTimeOffset? Time(string? text, string name) => Instant.OfParameter(text, name) is not { } at ? null : at > DateTimeOffset.UnixEpoch ? at : DateTimeOffset.UnixEpoch;
}

/// <summary>Counts of recipients by state, of mail accepted from <c>from</c> (inclusive) to <c>to</c> (exclusive).</summary>
public sealed record LedgerResponse(
    DateTimeOffset From, DateTimeOffset To, long Accepted, IReadOnlyDictionary<string, long> Waiting, IReadOnlyDictionary<string, long> Final, bool Balanced);
