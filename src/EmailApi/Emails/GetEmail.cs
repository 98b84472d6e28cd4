using System.Text.Json;
using EmailApi.Data;
using EmailApi.Delivery;
using EmailApi.Events;
using EmailApi.Http;
using EmailApi.Projects;
using Microsoft.EntityFrameworkCore;

namespace EmailApi.Emails;

/// <summary>GET /v1/emails/{id}: where a mail stands, recipient by recipient.</summary>
public static class GetEmail
{
    public static async Task<GetEmailResponse> HandleAsync(string id, Caller caller, EmailDb db, CancellationToken cancel)
    {
        var email = await db.FindAsync(id, caller, cancel);
        return await ShowAsync(email, db, cancel);
    }

    /// <summary>An email as it stands now, for every endpoint that changed one.</summary>
    internal static async Task<GetEmailResponse> ShowAsync(Guid id, EmailDb db, CancellationToken cancel) =>
        await ShowAsync(await db.Emails.AsNoTracking().SingleAsync(e => e.Id == id, cancel), db, cancel);

    /// <summary>With its recipients. Its project was checked.</summary>
    static async Task<GetEmailResponse> ShowAsync(Email email, EmailDb db, CancellationToken cancel)
    {
        var rows = await (
            from r in db.Recipients.AsNoTracking()
            where r.EmailId == email.Id
            join q in db.Queue on new { r.EmailId, r.N } equals new { q.EmailId, q.N } into queued
            from q in queued.DefaultIfEmpty()
            orderby r.N
            select new { Recipient = r, Queued = (QueuedRecipient?)q, IsDue = q != null && q.DueAt <= EmailDb.Now() }).ToListAsync(cancel);
        var recipients = rows.ConvertAll(r => (r.Recipient, r.Queued, State: StateNow(r.Recipient.State, r.Queued, r.IsDue)));

        return new(
            EmailId.Format(email.Id), RecipientStates.EmailStatus(recipients.Select(r => r.State)),
            email.FromName is { } name ? $"{name} <{email.FromAddress}>" : email.FromAddress,
            email.Subject, email.Stream, Json(email.Tags), Json(email.Metadata), email.CreatedAt, email.SendAt, email.ExpiresAt,
            $"<{email.InternetMessageId}>", [],
            recipients.ConvertAll(r => new RecipientResponse(
                EmailId.OfRecipient(email.Id, r.Recipient.N), r.Recipient.Address, r.Recipient.Kind.Word(), r.State.Word(), r.Recipient.Attempts,
                r.Queued is { DueAt: var due } && due < DateTimeOffset.MaxValue ? due : null,
                r.Recipient.ReplyText is { } text ? new(r.Recipient.ReplyCode, r.Recipient.ReplyEnhanced, text) : null, r.Recipient.Reason, r.Recipient.Relay)));
    }

    /// <summary>What was last recorded, as far as the clock and a living lease have not moved it on.</summary>
    static RecipientState StateNow(RecipientState recorded, QueuedRecipient? queued, bool isDue) => queued switch
    {
        { LeaseUntil: not null } => RecipientState.Sending,
        not null when recorded is RecipientState.Scheduled && isDue => RecipientState.Queued,
        _ => recorded,
    };

    static JsonElement Json(string? stored) => JsonDocument.Parse(stored ?? "{}").RootElement;

    /// <exception cref="ProblemException">404: unknown, malformed, or another project's.</exception>
    internal static async Task<Email> FindAsync(this EmailDb db, string id, Caller caller, CancellationToken cancel) =>
        (EmailId.TryParse(id, out var guid)
            ? await db.Emails.AsNoTracking().SingleOrDefaultAsync(e => e.Id == guid && e.ProjectId == caller.ProjectId, cancel)
            : null)
        ?? throw Unknown();

    internal static ProblemException Unknown() => new(ProblemKind.NotFound, "There is no email with this id in the key's project.");
}

/// <param name="Status">Derived from the recipients, see the docs on states.</param>
/// <param name="Subject">Null for a sensitive mail; its content has it while there is one.</param>
/// <param name="MessageId">The Message-ID field; the same over all attempts.</param>
public sealed record GetEmailResponse(
    string Id, string Status, string From, string? Subject, string Stream, JsonElement Tags, JsonElement Metadata, DateTimeOffset CreatedAt,
    DateTimeOffset? SendAt, DateTimeOffset ExpiresAt, string MessageId, IReadOnlyList<Finding> Findings, IReadOnlyList<RecipientResponse> Recipients);

/// <param name="DueAt">When it is tried next; null when final or held.</param>
/// <param name="Reason">A word for what no reply explains.</param>
public sealed record RecipientResponse(
    string Id, string Email, string Kind, string Status, int Attempts, DateTimeOffset? DueAt, ReplyResponse? LastReply, string? Reason, string? Relay);
