using EmailApi.Data;
using EmailApi.Emails;
using EmailApi.Http;
using EmailApi.Projects;
using Microsoft.AspNetCore.Mvc;
using Microsoft.EntityFrameworkCore;

namespace EmailApi.Webhooks;

/// <summary>GET /v1/webhooks/{id}/deliveries: the calls that were made to a webhook in the last 30 days, newest first.</summary>
public static class ListDeliveries
{
    /// <param name="eventId">Only those of this event.</param>
    /// <param name="outcome">Only those that ended so.</param>
    public static async Task<Page<DeliveryResponse>> HandleAsync(
        string id, string? after, int? limit, [FromQuery(Name = "event_id")] string? eventId, string? outcome, Caller caller, EmailDb db, CancellationToken cancel)
    {
        var take = Paging.Limit(limit);
        var webhook = await ManageWebhooks.FindAsync(id, caller, db, cancel);
        var calls = db.WebhookCalls.AsNoTracking().Where(c => c.WebhookId == webhook.Id && c.ProjectId == caller.ProjectId);
        if (Paging.After<Guid>(after) is { } last) calls = calls.Where(c => c.Id < last);
        if (eventId is not null) calls = calls.Where(c => c.EventId == eventId);
        if (eventId is not null && EmailId.TryParseEvent(eventId, out var email, out var n, out _) && n > 0) calls = calls.Where(c => c.EmailId == email);   // there is an index
        if (outcome is not null)
        {
            if (!Words.TryParse<CallOutcome>(outcome, out var word)) throw new ProblemException(ProblemKind.BadRequest, $"There is no outcome {JsonPointer.Short(outcome)}; there are {string.Join(", ", Words.All<CallOutcome>())}.");
            calls = calls.Where(c => c.Outcome == word);
        }

        var rows = await calls.OrderByDescending(c => c.Id).Take(take + 1).ToListAsync(cancel);
        return Paging.Page(rows, take, DeliveryResponse.Of, c => [c.Id]);
    }
}

/// <summary>A call that was made to a webhook.</summary>
/// <param name="EventId">The <c>webhook-id</c>: the same over all calls for an event.</param>
/// <param name="Attempt">Counts from 1; again after a replay.</param>
/// <param name="Outcome"><c>succeeded</c> (answered with 2xx), <c>failed</c> (made again at <c>next_attempt_at</c>) or <c>given_up</c>.</param>
/// <param name="Response">Null: no answer came.</param>
/// <param name="Error">Why there was no answer, or why it does not count.</param>
public sealed record DeliveryResponse(
    string Id, string EventId, string Type, DateTimeOffset At, int Attempt, string Outcome, string Url, DeliveryRequest Request, DeliveryAnswer? Response, int DurationMs, string? Error, DateTimeOffset? NextAttemptAt)
{
    internal static DeliveryResponse Of(WebhookCall call) => new(
        WebhookCall.Format(call.Id), call.EventId, call.Type, call.At, call.Attempt, call.Outcome.Word(), call.Url, DeliveryRequest.Of(call),
        call.Status is { } status ? new(status, call.Answer) : null, call.DurationMs, call.Error, call.NextAt);
}

/// <summary>What was sent, without the signature.</summary>
/// <param name="Body">Null once its mail was erased.</param>
public sealed record DeliveryRequest(IReadOnlyDictionary<string, string> Headers, string? Body)
{
    internal static DeliveryRequest Of(WebhookCall call) => new(new Dictionary<string, string>
    {
        ["content-type"] = WebhookCaller.ContentType,
        ["user-agent"] = WebhookCaller.UserAgent,
        ["webhook-id"] = call.EventId,
        ["webhook-timestamp"] = call.Timestamp.ToString(System.Globalization.CultureInfo.InvariantCulture),
    }, call.Request);
}

/// <param name="Body">The first 4 KB; null once its mail was erased.</param>
public sealed record DeliveryAnswer(int Status, string? Body);
