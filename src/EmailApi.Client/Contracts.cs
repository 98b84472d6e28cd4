using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace EmailApi.Client;

/// <summary>A mail to be sent. What the server would refuse it refuses with every fault at once, see <see cref="EmailApiException.Errors"/>.</summary>
public sealed record SendEmailRequest
{
    public required EmailAddress From { get; init; }
    /// <summary>1 to 1,000 recipients over to, cc and bcc.</summary>
    public IReadOnlyList<EmailAddress> To { get; init; } = [];
    public IReadOnlyList<EmailAddress>? Cc { get; init; }
    /// <summary>They get the mail; no header names them.</summary>
    public IReadOnlyList<EmailAddress>? Bcc { get; init; }
    public IReadOnlyList<EmailAddress>? ReplyTo { get; init; }
    /// <summary>One line, at most 998 characters; may be empty.</summary>
    public required string Subject { get; init; }
    public string? Html { get; init; }
    /// <summary>Give text, html or both.</summary>
    public string? Text { get; init; }
    /// <summary>Further header fields, together 64 KiB; those that the server writes itself are refused.</summary>
    public IReadOnlyDictionary<string, string>? Headers { get; init; }
    public IReadOnlyList<Attachment>? Attachments { get; init; }
    /// <summary><c>transactional</c> when left out.</summary>
    public string? Stream { get; init; }
    /// <summary>Words to find and count mail by: at most 50, name and value 256 characters each.</summary>
    public IReadOnlyDictionary<string, string>? Tags { get; init; }
    /// <summary>An object of your own, returned with the mail and its events; at most 16 KiB of JSON.</summary>
    public JsonObject? Metadata { get; init; }
    /// <summary>When it leaves: at most one year ahead; up to 5 minutes past means now.</summary>
    public DateTimeOffset? SendAt { get; init; }
    /// <summary>When trying ends; left out: the stream's life (48 h unless set) after acceptance or <see cref="SendAt"/>.</summary>
    public DateTimeOffset? ExpiresAt { get; init; }
    /// <summary><see cref="EnvelopeKind.Shared"/> when left out.</summary>
    public EnvelopeKind? Envelope { get; init; }
    /// <summary>The content is kept encrypted, and dropped when all recipients are final.</summary>
    public bool? Sensitive { get; init; }
    /// <summary>Sends to suppressed addresses too; the key needs the scope <c>override_suppression</c>.</summary>
    public bool? OverrideSuppression { get; init; }
    /// <summary>Which visits are noticed; what is left out follows from the key, then from the stream.</summary>
    public Track? Track { get; init; }
    /// <summary>Asks the reader's program for a notification (RFC 8098); left out: as the key, then the stream has it.</summary>
    public bool? ReturnReceipt { get; init; }
    /// <summary>One-click unsubscribing (RFC 8058); left out: as the stream has it.</summary>
    public UnsubscribeScope? Unsubscribe { get; init; }
}

/// <summary>Which visits of a mail's readers are noticed.</summary>
public sealed record Track
{
    public bool? Opens { get; init; }
    /// <summary>Links of the HTML part.</summary>
    public bool? Clicks { get; init; }
    /// <summary>Links of the text part.</summary>
    public bool? ClicksText { get; init; }
}

/// <summary>What a reader who unsubscribes ends.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<UnsubscribeScope>))]
public enum UnsubscribeScope
{
    /// <summary>Nobody is offered to unsubscribe.</summary>
    [JsonStringEnumMemberName("none")] None,
    [JsonStringEnumMemberName("stream")] Stream,
    [JsonStringEnumMemberName("project")] Project,
}

/// <summary>Whether recipients share one message.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<EnvelopeKind>))]
public enum EnvelopeKind
{
    /// <summary>One message for all.</summary>
    [JsonStringEnumMemberName("shared")] Shared,
    /// <summary>One each; nobody sees the others.</summary>
    [JsonStringEnumMemberName("separate")] Separate,
}

/// <summary>What becomes of a batch in which a mail is wrong.</summary>
public enum BatchMode
{
    /// <summary>Nothing is stored; the exception names every fault.</summary>
    Strict,
    /// <summary>The good ones are stored; the others' items have an error.</summary>
    Permissive,
}

/// <summary>An accepted mail: it is stored, and will be sent.</summary>
/// <param name="Id"><c>em_…</c>, for every later question about it.</param>
public sealed record SendEmailResponse(string Id, EmailStatus Status, IReadOnlyList<AcceptedRecipient> Recipients, IReadOnlyList<Finding> Findings)
{
    /// <summary>Whether the mail had been accepted before under the same idempotency key: by an earlier call, or by a try of this call whose
    /// answer was lost.</summary>
    [JsonIgnore]
    public bool IsReplayed { get; init; }
}

/// <param name="Reason">Why it is suppressed; null when it is not.</param>
public sealed record AcceptedRecipient(string Id, string Email, EmailStatus Status, string? Reason = null);

/// <summary>What a rule saw in a mail.</summary>
/// <param name="Evidence">Masked.</param>
public sealed record Finding(string Rule, int RuleVersion, string Policy, string Action, string Severity, string? Evidence, string Mode);

/// <summary>One answer per mail of a batch, in its order.</summary>
public sealed record SendBatchResponse(IReadOnlyList<BatchItem> Data)
{
    /// <summary>Whether the batch had been accepted before under the same idempotency key.</summary>
    [JsonIgnore]
    public bool IsReplayed { get; init; }
}

/// <summary>Either an id and a status, or an error.</summary>
/// <param name="Index">Counts from 0.</param>
public sealed record BatchItem(int Index, string? Id, EmailStatus? Status, BatchItemError? Error);

/// <param name="Errors">Their pointers start at the batch, e.g. <c>#/3/to/0</c>.</param>
public sealed record BatchItemError(string Code, string Message, IReadOnlyList<FieldError> Errors)
{
    /// <summary>How many of the mail's errors are not named because the answer names enough.</summary>
    public int ErrorsLeftOut { get; init; }
}

/// <summary>A mail and what became of it.</summary>
/// <param name="Status">Derived from the recipients: the least advanced open state; then the one that all share, else partial.</param>
/// <param name="Subject">Null for a sensitive mail.</param>
/// <param name="MessageId">The Message-ID field, with its angle brackets; the same over all attempts.</param>
public sealed record Email(
    string Id, EmailStatus Status, string From, string? Subject, string Stream, IReadOnlyDictionary<string, string> Tags, JsonObject Metadata,
    DateTimeOffset CreatedAt, DateTimeOffset? SendAt, DateTimeOffset ExpiresAt, string MessageId, IReadOnlyList<Finding> Findings,
    IReadOnlyList<Recipient> Recipients);

/// <param name="Email">The address.</param>
/// <param name="Kind"><c>to</c>, <c>cc</c> or <c>bcc</c>.</param>
/// <param name="Attempts">SMTP transactions so far.</param>
/// <param name="DueAt">When it is tried next; null when final or held.</param>
/// <param name="Reason">A word for what no reply explains.</param>
/// <param name="Relay">The relay of the last attempt.</param>
public sealed record Recipient(
    string Id, string Email, string Kind, EmailStatus Status, int Attempts, DateTimeOffset? DueAt, SmtpReply? LastReply, string? Reason, string? Relay);

/// <summary>A relay's answer.</summary>
/// <param name="Code">Null when there was none: the text then says what happened.</param>
/// <param name="Enhanced">RFC 3463, e.g. <c>5.1.1</c>.</param>
public sealed record SmtpReply(int? Code, string? Enhanced, string Text);

/// <summary>A fact about a recipient, or about the project.</summary>
/// <param name="Type"><c>email.</c> and a word, e.g. <c>email.sent</c>; expect new ones.</param>
/// <param name="EmailId">Null when it is about no mail, as <c>webhook.disabled</c> is.</param>
/// <param name="Recipient">The address; null once it was erased.</param>
/// <param name="Sequence">Counts from 1 per recipient.</param>
public sealed record EmailEvent(string Id, string Type, DateTimeOffset At, string? EmailId, string? Recipient, int Sequence)
{
    public string? Stream { get; init; }
    public IReadOnlyDictionary<string, string>? Tags { get; init; }
    public JsonObject? Metadata { get; init; }
    public SmtpReply? Reply { get; init; }
    /// <summary>Of <c>email.bounced</c>: what the refusal means.</summary>
    public EmailBounce? Bounce { get; init; }
    public string? Reason { get; init; }
    public string? Relay { get; init; }
    /// <summary>Of <c>email.suppressed</c>: what made the suppression.</summary>
    public string? Source { get; init; }
    /// <summary>Of <c>email.suppressed</c>: when the suppression was made.</summary>
    public DateTimeOffset? Since { get; init; }
    /// <summary>Of <c>email.read_receipt</c>.</summary>
    public EmailReceipt? Receipt { get; init; }
    /// <summary>Of <c>email.unsubscribed</c>: <c>stream</c> or <c>project</c>.</summary>
    public string? Scope { get; init; }
    /// <summary>Of <c>email.opened</c> and <c>email.clicked</c>: the recipient's first of this kind for this mail.</summary>
    public bool? First { get; init; }
    /// <summary>Of <c>email.opened</c> and <c>email.clicked</c>: <c>human</c>, <c>proxy</c>, <c>prefetch</c> or <c>scanner</c>, as far as it can be told.</summary>
    public string? Class { get; init; }
    /// <summary>How sure the class is, 0 to 1.</summary>
    public double? Confidence { get; init; }
    /// <summary>Why it is taken for that.</summary>
    public IReadOnlyList<string>? Reasons { get; init; }
    /// <summary>The program, without its version.</summary>
    public string? UserAgentFamily { get; init; }
    /// <summary>Only where the project keeps it.</summary>
    public string? Ip { get; init; }
    /// <summary>Of <c>email.clicked</c>: where the link leads.</summary>
    public string? Url { get; init; }
    /// <summary>Of <c>email.clicked</c>: which link, counted from 1.</summary>
    public int? Link { get; init; }
    /// <summary>Of <c>webhook.disabled</c> and of a test call: which webhook.</summary>
    public string? Webhook { get; init; }

    /// <summary>Where to go on once this event is dealt with: what to give as <c>after</c>. Nothing is missed; up to 99 events before it may
    /// come again, known by their <see cref="Id"/>. Null within the first page of all.</summary>
    [JsonIgnore]
    public string? Cursor { get; init; }
}

/// <summary>What a bounce means.</summary>
/// <param name="Type"><c>permanent</c>, <c>temporary</c> or <c>unknown</c>.</param>
/// <param name="Reason">A word such as <c>unknown_user</c> or <c>mailbox_full</c>.</param>
public sealed record EmailBounce(string Type, string Reason);

/// <summary>What became of a mail at its reader's.</summary>
/// <param name="Disposition">E.g. <c>displayed</c> or <c>deleted</c>.</param>
/// <param name="Action"><c>manual</c> or <c>automatic</c>, if it is told.</param>
/// <param name="Sending">Whether the notice was sent by a person or by a program.</param>
public sealed record EmailReceipt(string Disposition, string? Action, string? Sending);

/// <summary>A page of the feed.</summary>
/// <param name="NextCursor">What to give as <c>after</c> next time; also when there is nothing new yet.</param>
public sealed record EventPage(IReadOnlyList<EmailEvent> Data, string? NextCursor);

/// <summary>What was asked to be sent.</summary>
public sealed record EmailContent(
    EmailAddress From, IReadOnlyList<EmailAddress> To, IReadOnlyList<EmailAddress> Cc, IReadOnlyList<EmailAddress> ReplyTo, string Subject, string? Html,
    string? Text, IReadOnlyDictionary<string, string> Headers, IReadOnlyList<StoredAttachment> Attachments);

/// <param name="Sha256">Of the bytes, lower-case hex.</param>
public sealed record StoredAttachment(string Filename, string ContentType, string? ContentId, int SizeBytes, string Sha256, ReadOnlyMemory<byte> Content);
