using System.Text;
using System.Text.Json;
using EmailApi.Http;
using EmailApi.Tracking;
using FluentValidation;

namespace EmailApi.Emails;

/// <summary>What a request must be before anything is stored. Every fault is found at once; limits name their source.</summary>
public sealed class SendEmailValidator : AbstractValidator<SendEmailRequest>
{
    public const int MaxRecipients = 1000;
    public const int MaxSubjectLength = 998;               // RFC 5322 §2.1.1
    public const int MaxAttachmentBytes = 25 * 1024 * 1024;   // decoded, over all of them
    public const int MaxAttachments = 100;
    public const int MaxTags = 50;
    public const int MaxTagLength = 256;
    public const int MaxMetadataBytes = 16 * 1024;

    static readonly string[] ComesLater = ["template"];

    public SendEmailValidator(TimeProvider clock)
    {
        RuleFor(r => r).Custom((request, context) =>
        {
            Unknown(request.Unknown?.Keys, context);
            Addresses(request, context);
            Content(request, context);
            Headers(request, context);
            Attachments(request, context);
            Tags(request, context);
            context.CheckTimes(request.SendAt, request.ExpiresAt, clock.GetUtcNow());

            if (request.Envelope is not null && !Words.TryParse<EnvelopeKind>(request.Envelope, out _))
                context.Add("unknown_value", "Give shared or separate.", "envelope");
            context.CheckTrack(request.Track);
            context.CheckUnsubscribe(request.Unsubscribe);
            if (request.Unsubscribe is "stream" or "project" && TrackRules.OwnUnsubscribe(request) is { } own)
                context.Add("contradiction", "unsubscribe writes this field; leave one of them out.", "headers", own);
            if (request.Stream is "") context.Add("required", "Name a stream, or leave the field out.", "stream");
        });
    }

    static void Unknown(IEnumerable<string>? names, ValidationContext<SendEmailRequest> context, params object[] at)
    {
        foreach (var name in names?.Take(Validation.MaxErrors + 1) ?? [])
        {
            if (at.Length == 0 && ComesLater.Contains(name)) context.Add("not_supported", $"{name} is not supported yet; leave it out.", name);
            else context.Add("unknown_field", $"There is no field {JsonPointer.Short(name)}; leave it out.", [.. at, name]);
        }
    }

    static void Addresses(SendEmailRequest request, ValidationContext<SendEmailRequest> context)
    {
        if (request.From is null) context.Add("required", "Give the author's address.", "from");
        else Mailbox(request.From, context, "from");

        var count = List(request.To, "to") + List(request.Cc, "cc") + List(request.Bcc, "bcc");
        List(request.ReplyTo, "reply_to");
        if (count == 0) context.Add("required", "Give at least one recipient in to, cc or bcc.", "to");
        if (count > MaxRecipients) context.Add("too_many", $"An email has at most {MaxRecipients:N0} recipients over to, cc and bcc; this one has {count:N0}.", "to");

        int List(AddressListInput? list, string field)
        {
            if (list is null) return 0;
            // Above the limit the list is not read address by address: one error says enough.
            for (var i = 0; i < list.Items.Count && i <= MaxRecipients; i++)
                if (list.IsSingle) Mailbox(list.Items[i], context, field);
                else Mailbox(list.Items[i], context, field, i);
            return list.Items.Count;
        }
    }

    static void Mailbox(AddressInput input, ValidationContext<SendEmailRequest> context, params object[] at)
    {
        Unknown(input.Unknown, context, at);
        if (input.IsObject && MailboxParser.NameRefusal(input.Name) is { } refusal) context.Add("invalid", refusal, [.. at, "name"]);
        if (AddressBook.TryRead(input with { Name = null }, out _, out var error)) return;
        context.Add("invalid_address", error, input.IsObject ? [.. at, "email"] : at);
    }

    static void Content(SendEmailRequest request, ValidationContext<SendEmailRequest> context)
    {
        if (request.Subject is null) context.Add("required", "Give a subject; it may be empty.", "subject");
        else if (MailText.ControlFault(request.Subject) is { } fault) context.Add("invalid", fault, "subject");
        else if (request.Subject.Length > MaxSubjectLength) context.Add("too_long", $"A subject has at most {MaxSubjectLength} characters.", "subject");

        if (string.IsNullOrEmpty(request.Text) && string.IsNullOrEmpty(request.Html)) context.Add("required", "Give text, html or both.", "text");
        NoNul(request.Text, "text");
        NoNul(request.Html, "html");

        void NoNul(string? text, string field)
        {
            if (text?.Contains('\0', StringComparison.Ordinal) is true) context.Add("invalid", "The character U+0000 cannot be mailed; leave it out.", field);
        }
    }

    static void Headers(SendEmailRequest request, ValidationContext<SendEmailRequest> context)
    {
        var bytes = 0;
        foreach (var (name, value) in request.Headers ?? [])
        {
            if (value is null) { context.Add("required", "Give the header a value.", "headers", name); continue; }
            if (HeaderRules.Refusal(name, value) is { } refusal) context.Add("invalid_header", refusal, "headers", name);
            bytes += name.Length + Encoding.UTF8.GetByteCount(value) + 4;
        }

        if (bytes > HeaderRules.MaxTotalBytes) context.Add("too_long", "The headers have at most 64 KiB together.", "headers");
    }

    static void Attachments(SendEmailRequest request, ValidationContext<SendEmailRequest> context)
    {
        if (request.Attachments is not { } attachments) return;
        if (attachments.Count > MaxAttachments) context.Add("too_many", $"An email has at most {MaxAttachments} attachments.", "attachments");
        long bytes = 0;
        var contentIds = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < Math.Min(attachments.Count, MaxAttachments); i++)
        {
            var attachment = attachments[i];
            if (attachment is null) { context.Add("required", "An attachment is an object.", "attachments", i); continue; }
            Unknown(attachment.Unknown?.Keys, context, "attachments", i);
            if (string.IsNullOrWhiteSpace(attachment.Filename)) context.Add("required", "Give the file a name.", "attachments", i, "filename");
            else if (MailText.ControlFault(attachment.Filename) is { } fault) context.Add("invalid", fault, "attachments", i, "filename");
            if (attachment.Content is null) context.Add("required", "Give the file's bytes as base64.", "attachments", i, "content");
            else if (attachment.Content.Bytes is null) context.Add("invalid_base64", "This is not base64 (RFC 4648 §4, with padding, no line breaks).", "attachments", i, "content");
            bytes += attachment.Content?.Bytes?.Length ?? 0;
            if (attachment.ContentType is { } type && !IsMediaType(type)) context.Add("invalid", "Give a media type such as application/pdf.", "attachments", i, "content_type");
            if (attachment.ContentId is not { } id) continue;
            if (AttachmentRules.ContentIdRefusal(id) is { } refusal) context.Add("invalid", refusal, "attachments", i, "content_id");
            else if (!contentIds.Add(id)) context.Add("duplicate", "Another attachment has this content_id.", "attachments", i, "content_id");
        }

        if (bytes > MaxAttachmentBytes) context.Add("too_large", $"Attachments have at most 25 MB together once decoded; these have {bytes:N0} bytes.", "attachments");
    }

    static bool IsMediaType(string type) =>
        type.Length <= 255 && MailText.ControlFault(type) is null && MimeKit.ContentType.TryParse(type, out var parsed) && parsed.MediaType.Length > 0 && parsed.MediaSubtype.Length > 0;

    static void Tags(SendEmailRequest request, ValidationContext<SendEmailRequest> context)
    {
        if (request.Tags?.Count > MaxTags) context.Add("too_many", $"An email has at most {MaxTags} tags.", "tags");
        foreach (var (name, value) in request.Tags ?? [])
        {
            if (name.Length is 0 or > MaxTagLength || value is null || value.Length > MaxTagLength)
                context.Add("invalid", $"A tag's name and value have 1 to {MaxTagLength} characters.", "tags", name);
            else if ((MailText.ControlFault(name) ?? MailText.ControlFault(value)) is { } fault) context.Add("invalid", fault, "tags", name);
        }

        if (request.Metadata is not { } metadata || metadata.ValueKind is JsonValueKind.Null) return;
        var json = metadata.GetRawText();
        if (metadata.ValueKind is not JsonValueKind.Object) context.Add("invalid", "Give an object.", "metadata");
        else if (Encoding.UTF8.GetByteCount(json) > MaxMetadataBytes) context.Add("too_large", "Metadata has at most 16 KiB of JSON.", "metadata");
        else if (HasUnkeepable(metadata)) context.Add("invalid", "The character U+0000 and half surrogate pairs cannot be kept; leave them out.", "metadata");
    }

    static bool HasUnkeepable(JsonElement element)
    {
        try
        {
            return element.ValueKind switch
            {
                JsonValueKind.String => element.GetString()!.Contains('\0', StringComparison.Ordinal),
                JsonValueKind.Array => element.EnumerateArray().Any(HasUnkeepable),
                JsonValueKind.Object => element.EnumerateObject().Any(p => p.Name.Contains('\0', StringComparison.Ordinal) || HasUnkeepable(p.Value)),
                _ => false,
            };
        }
        catch (InvalidOperationException)
        {
            return true;   // how the reader says that an escape is half of a pair
        }
    }
}
