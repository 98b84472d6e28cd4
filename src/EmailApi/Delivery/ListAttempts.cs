using System.Text.Json.Serialization;
using EmailApi.Data;
using EmailApi.Emails;
using EmailApi.Events;
using EmailApi.Http;
using EmailApi.Projects;
using Microsoft.EntityFrameworkCore;

namespace EmailApi.Delivery;

/// <summary>GET /v1/emails/{id}/attempts: every SMTP transaction of one mail.</summary>
public static class ListAttempts
{
    public static async Task<Page<AttemptResponse>> HandleAsync(string id, string? after, int? limit, bool? conversation, Caller caller, EmailDb db, CancellationToken cancel)
    {
        var email = await db.FindAsync(id, caller, cancel);
        var take = Paging.Limit(limit);
        var (n, number) = Paging.After<int, int>(after);
        var rows = await (
            from a in db.Attempts.AsNoTracking()
            where a.EmailId == email.Id && (a.N > n || (a.N == n && a.Number > number))
            join r in db.Recipients on new { a.EmailId, a.N } equals new { r.EmailId, r.N }
            orderby a.N, a.Number
            select new { Attempt = a, r.Address }).Take(take + 1).ToListAsync(cancel);
        return Paging.Page(rows, take, r => AttemptResponse.Of(r.Attempt, r.Address, conversation is true), r => [r.Attempt.N, r.Attempt.Number]);
    }
}

/// <param name="Outcome">The state it led to.</param>
public sealed record AttemptResponse(
    string Recipient, string Relay, DateTimeOffset StartedAt, DateTimeOffset EndedAt, string Step, ReplyResponse? Reply, string? Tls, string Outcome)
{
    /// <summary>The lines of the dialogue, <c>C: </c> ours and <c>S: </c> the relay's, without message and credentials; there when asked for and kept:
    /// of attempts that the relay did not take, and of all with the relay's setting <c>KeepConversations</c>.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<string>? Conversation { get; init; }

    internal static AttemptResponse Of(Attempt attempt, string address, bool withConversation) => new(
        address, attempt.Relay, attempt.StartedAt, attempt.EndedAt, attempt.Step,
        attempt.ReplyText is { } text ? new(attempt.ReplyCode, attempt.ReplyEnhanced, text) : null, attempt.Tls, attempt.Outcome.Word())
    {
        Conversation = withConversation ? attempt.Conversation?.Split('\n', StringSplitOptions.RemoveEmptyEntries) : null,
    };
}
