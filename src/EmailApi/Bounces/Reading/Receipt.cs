namespace EmailApi.Bounces;

/// <summary>What a receipt says of a mail (RFC 8098 §3.2.6).</summary>
/// <param name="Type"><c>displayed</c>, <c>deleted</c>, <c>dispatched</c>, <c>processed</c>, or of older programs <c>denied</c> and <c>failed</c>.</param>
/// <param name="Action">What led to it: <c>manual</c> or <c>automatic</c>; null when it is not told.</param>
/// <param name="Sending">What sent the notice.</param>
public sealed record Disposition(string Type, string? Action, string? Sending)
{
    static readonly string[] Types = ["displayed", "deleted", "dispatched", "processed", "denied", "failed"];

    /// <param name="field">E.g. <c>manual-action/MDN-sent-manually; displayed</c>, with modifiers after a slash.</param>
    /// <returns>Null when it has no type that there is.</returns>
    public static Disposition? Of(string? field)
    {
        if (field is null) return null;
        var parts = field.Split(';', 2);
        var type = parts[^1].Split('/', 2)[0].Trim().ToLowerInvariant();
        if (!Types.Contains(type)) return null;
        var mode = parts.Length == 2 ? parts[0] : "";
        return new(type, Word(mode, "manual-action", "automatic-action"), Word(mode, "MDN-sent-manually", "MDN-sent-automatically"));
    }

    static string? Word(string mode, string manual, string automatic) =>
        mode.Contains(manual, StringComparison.OrdinalIgnoreCase) ? "manual" : mode.Contains(automatic, StringComparison.OrdinalIgnoreCase) ? "automatic" : null;
}

/// <summary>Message disposition notifications (RFC 8098), whatever was done with the mail: displayed, deleted, failed.</summary>
static class Receipt
{
    public static BounceReport Read(StatusFields disposition, MessageParts parts)
    {
        var messageId = ReturnedHeader.MessageId(disposition["Original-Message-ID"]);
        var recipient = new ReportedRecipient(DeliveryStatus.Address(disposition), ReportType.Unknown, null, null, BounceReason.Undetermined,
            Diagnostic.OneLine(disposition["Disposition"]))
        { Disposition = Disposition.Of(disposition["Disposition"]) };
        return new BounceReport(ReportKind.ReadReceipt, [recipient],
            ReturnedHeader.ToMail(parts.Returned, messageId, disposition["Original-Envelope-Id"]));
    }
}
