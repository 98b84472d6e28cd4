using System.Text.Json;
using EmailApi.Http;
using EmailApi.Operations;
using EmailApi.Pauses;
using EmailApi.Projects;
using EmailApi.Suppressions;
using EmailApi.Tracking;
using Stream = EmailApi.Projects.Stream;

namespace EmailApi.Emails;

/// <summary>An email on its way into the database: what every door makes of its request, and what the writer writes.</summary>
public sealed record EmailDraft
{
    public required Guid Id { get; init; }
    public required Caller Caller { get; init; }
    public required Stream Stream { get; init; }
    public required EmailContent Content { get; init; }
    public required PackedContent Packed { get; init; }
    public required IReadOnlyList<RecipientDraft> Recipients { get; init; }
    public required string Lane { get; init; }
    public EnvelopeKind Envelope { get; init; }
    public bool IsSensitive { get; init; }
    public string? Tags { get; init; }
    public string? Metadata { get; init; }
    /// <summary>Null when it is due at once.</summary>
    public DateTimeOffset? SendAt { get; init; }
    /// <summary>The mail's own limit; null: the stream's life decides.</summary>
    public DateTimeOffset? ExpiresAt { get; init; }

    public bool OverridesSuppression { get; init; }
    public string? TraceParent { get; } = Traces.Parent();
    public Tracked Tracked { get; init; }

    /// <summary>Set while it is written, when a pause stops it.</summary>
    internal Stop? Stop { get; set; }

    /// <summary>Set while it is written: the recipients that are not mailed, by <see cref="RecipientDraft.N"/>.</summary>
    internal IReadOnlyDictionary<int, Suppressed> Suppressed { get; set; } = NoneSuppressed;

    internal static readonly IReadOnlyDictionary<int, Suppressed> NoneSuppressed = new Dictionary<int, Suppressed>();

    /// <summary>Of the recipients that are not suppressed.</summary>
    public RecipientState State => SendAt is not null ? RecipientState.Scheduled : Stop is null ? RecipientState.Queued : RecipientState.Held;

    public RecipientState StateOf(RecipientDraft recipient) => Suppressed.ContainsKey(recipient.N) ? RecipientState.Suppressed : State;

    /// <summary>The email's own.</summary>
    public string Status => Suppressed.Count == 0 ? State.Word() : RecipientStates.EmailStatus(Recipients.Select(StateOf));

    /// <summary>Something of it is to be sent at once.</summary>
    public bool IsDue => State is RecipientState.Queued && Suppressed.Count < Recipients.Count;

    /// <summary>What the event beside <c>email.accepted</c> says, as JSON.</summary>
    internal string? DataOf(RecipientDraft recipient) => Suppressed.TryGetValue(recipient.N, out var suppressed)
        ? JsonSerializer.Serialize(new() { Reason = suppressed.Reason, Source = suppressed.Source.Word(), Since = suppressed.Since }, ApiJson.Wire.EventData)
        : Stop?.Data;

    /// <summary>Never changes, so that a receiver can tell a repeat; the domain is the author's.</summary>
    public string InternetMessageId => $"{Id:n}@{Address.Domain(Address.ToWire(Content.From.Email))}";

    /// <param name="request">One that passed the validator.</param>
    /// <param name="publicRoot">Where readers reach this server.</param>
    public static EmailDraft Of(SendEmailRequest request, Caller caller, Stream stream, string lane, Tracked tracked, string? publicRoot, ContentCodec codec, DateTimeOffset now)
    {
        var id = Guid.CreateVersion7(now);
        Guid? owner = request.Sensitive is true ? id : null;
        var attachments = (request.Attachments ?? []).Select(a => (Input: a, Blob: BlobDraft.Of(a.Content!.Bytes!, owner))).ToList();
        var content = new EmailContent
        {
            From = AddressBook.Read(request.From!),
            To = AddressBook.Read(request.To),
            Cc = AddressBook.Read(request.Cc),
            ReplyTo = AddressBook.Read(request.ReplyTo),
            Subject = request.Subject!,
            Html = request.Html,
            Text = request.Text,
            Headers = [.. (request.Headers ?? []).Select(h => new HeaderField(h.Key, h.Value))],
            Attachments = [.. attachments.Select(a => new AttachmentPart(a.Input.Filename!,
                a.Input.ContentType ?? MimeKit.MimeTypes.GetMimeType(a.Input.Filename!), a.Input.ContentId, a.Blob.Hex, a.Blob.Bytes.Length))],
        };
        if (TrackingPlan.Of(content, tracked, publicRoot) is { } plan) content = content with { Plan = plan };
        return new()
        {
            Id = id,
            Caller = caller,
            Stream = stream,
            Lane = lane,
            Content = content,
            Packed = codec.Pack(content, [.. attachments.Select(a => a.Blob)], owner),
            Recipients = RecipientDraft.Of(content, AddressBook.Read(request.Bcc)),
            Envelope = request.Envelope is null ? EnvelopeKind.Shared : Words.Parse<EnvelopeKind>(request.Envelope),
            IsSensitive = owner is not null,
            Tags = request.Tags is { Count: > 0 } tags ? JsonSerializer.Serialize(tags, ApiJson.Wire.DictionaryStringString) : null,
            Metadata = request.Metadata is { ValueKind: JsonValueKind.Object } metadata ? metadata.GetRawText() : null,
            SendAt = Instant.OrNull(request.SendAt) is { } sendAt && sendAt > now ? sendAt : null,
            ExpiresAt = Instant.OrNull(request.ExpiresAt),
            OverridesSuppression = request.OverrideSuppression is true,
            Tracked = tracked,
        };
    }
}

/// <param name="N">Counts from 1: to, then cc, then bcc.</param>
public sealed record RecipientDraft(int N, RecipientKind Kind, string Address, string? Name)
{
    /// <summary>An address named twice gets the mail once, as the first kind that names it.</summary>
    public static IReadOnlyList<RecipientDraft> Of(EmailContent content, IReadOnlyList<Mailbox> bcc)
    {
        var recipients = new List<RecipientDraft>(content.To.Count + content.Cc.Count + bcc.Count);
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (var (kind, list) in new[] { (RecipientKind.To, content.To), (RecipientKind.Cc, content.Cc), (RecipientKind.Bcc, bcc) })
            foreach (var mailbox in list)
                if (seen.Add(mailbox.Email)) recipients.Add(new(recipients.Count + 1, kind, mailbox.Email, mailbox.Name));
        return recipients;
    }
}
