using MimeKit;

namespace EmailApi.Bounces;

/// <summary>The parts of a message sorted by what they are to a reader of reports.</summary>
sealed class MessageParts
{
    const int MaxTexts = 12;

    /// <summary>What is written for people, in order; HTML only where there is nothing plain.</summary>
    public List<string> Texts { get; } = [];

    /// <summary>Machine-readable parts: message/delivery-status, feedback-report, disposition-notification.</summary>
    public List<string> Statuses { get; } = [];

    public List<string> Feedback { get; } = [];

    public List<string> Dispositions { get; } = [];

    /// <summary>The header of the mail that is spoken of.</summary>
    public HeaderList? Returned { get; private set; }

    /// <summary>A whole message inside: the returned mail, or a report that somebody forwarded.</summary>
    public List<MimeMessage> Messages { get; } = [];

    readonly List<string> _html = [];

    public static MessageParts Of(MimeEntity? body)
    {
        var parts = new MessageParts();
        parts.Add(body, depth: 0);
        if (parts.Texts.TrueForAll(string.IsNullOrWhiteSpace)) parts.Texts.AddRange(parts._html);
        return parts;
    }

    void Add(MimeEntity? entity, int depth)
    {
        if (depth > BoundedMessage.MaxDepth) return;
        switch (entity)
        {
            case Multipart multipart:
                foreach (var part in multipart) Add(part, depth + 1);
                // Its boundary is not the one that was announced: all of it is what stands before the first part.
                if (multipart.Count is 0 && multipart.Preamble is { Length: > 0 } lost && Texts.Count < MaxTexts) Texts.Add(lost);
                break;
            case MessagePart { Message: { } message }:
                Messages.Add(message);
                if (Returned is null && message.Headers.Count > 0) Returned = message.Headers;
                break;
            case MimePart part:
                Add(part, part.ContentType);
                break;
        }
    }

    void Add(MimePart part, ContentType type)
    {
        if (type.IsMimeType("message", "feedback-report")) Feedback.Add(PartText.Of(part));
        else if (type.MediaSubtype.EndsWith("disposition-notification", StringComparison.OrdinalIgnoreCase)) Dispositions.Add(PartText.Of(part));
        else if (type.MediaSubtype.EndsWith("delivery-status", StringComparison.OrdinalIgnoreCase)) Statuses.Add(PartText.Of(part));
        else if (IsReturnedMail(type)) Returned ??= ReturnedHeader.Parse(PartText.Of(part));
        else if (type.IsMimeType("text", "html")) AddText(_html, part);
        else if (type.IsMimeType("text", "*") || type.IsMimeType("message", "*")) AddText(Texts, part);
    }

    static void AddText(List<string> texts, MimePart part)
    {
        if (texts.Count < MaxTexts) texts.Add(PartText.Of(part));
    }

    static bool IsReturnedMail(ContentType type) =>
        type.MediaSubtype.Contains("rfc822", StringComparison.OrdinalIgnoreCase) || type.IsMimeType("message", "global")
        || type.IsMimeType("message", "global-headers");
}
