using System.Text.Json.Serialization;
using EmailApi.Tracking;

namespace EmailApi.Emails;

/// <summary>An address with the name shown beside it (RFC 5322 §3.4).</summary>
/// <param name="Email">The addr-spec: local part as given, domain in lower case; international domains in Unicode.</param>
/// <param name="Name">The display name, or null.</param>
public sealed record Mailbox(string Email, string? Name = null);

/// <summary>A header field the sender asked for, beside the server's own.</summary>
public sealed record HeaderField(string Name, string Value);

/// <summary>A file that goes with an email. Its bytes lie apart, once per content hash within a project.</summary>
/// <param name="Hash">Names its <see cref="Blob"/>, lower-case hex.</param>
/// <param name="ContentId">Set for an inline image that the HTML names as <c>cid:…</c>; null for an ordinary attachment.</param>
public sealed record AttachmentPart(string FileName, string ContentType, string? ContentId, string Hash, int SizeBytes);

/// <summary>What an email says: everything its MIME message is composed from, apart from the envelope.</summary>
public sealed record EmailContent
{
    public required Mailbox From { get; init; }
    public IReadOnlyList<Mailbox> To { get; init; } = [];
    public IReadOnlyList<Mailbox> Cc { get; init; } = [];
    public IReadOnlyList<Mailbox> ReplyTo { get; init; } = [];
    public required string Subject { get; init; }
    public string? Html { get; init; }
    public string? Text { get; init; }
    public IReadOnlyList<HeaderField> Headers { get; init; } = [];
    public IReadOnlyList<AttachmentPart> Attachments { get; init; } = [];

    /// <summary>What is replaced in each recipient's copy; null: nothing.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public TrackingPlan? Plan { get; init; }

    /// <summary>Of a copy: who is told when it is read (RFC 8098 §2.1); null: nobody is.</summary>
    [JsonIgnore]
    public string? ReceiptTo { get; init; }
}
