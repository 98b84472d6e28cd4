using EmailApi.Data;
using EmailApi.Emails;
using EmailApi.Http;
using EmailApi.Projects;
using Microsoft.EntityFrameworkCore;

namespace EmailApi.Events;

/// <summary>GET /v1/emails/{id}/events: what happened to one mail, in order.</summary>
public static class Timeline
{
    public static async Task<Page<EventResponse>> HandleAsync(string id, string? after, int? limit, Caller caller, EmailDb db, CancellationToken cancel)
    {
        var email = await db.FindAsync(id, caller, cancel);
        var take = Paging.Limit(limit);
        var (transaction, ordinal) = Paging.After<ulong, long>(after);
        var rows = await (
            from e in db.Events.AsNoTracking()
            where e.EmailId == email.Id && (e.Transaction > transaction || (e.Transaction == transaction && e.Ordinal > ordinal))
            join r in db.Recipients on new { e.EmailId, e.N } equals new { r.EmailId, r.N }
            orderby e.Transaction, e.Ordinal
            select new { Event = e, r.Address }).Take(take + 1).ToListAsync(cancel);
        return Paging.Page(
            rows, take, r => EventResponse.Of(r.Event.EmailId, r.Event.N, r.Event.Sequence, r.Event.Type, r.Event.At, r.Event.Data, r.Address), r => [r.Event.Transaction, r.Event.Ordinal]);
    }
}
