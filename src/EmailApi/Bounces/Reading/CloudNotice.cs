using System.Text.Json;

namespace EmailApi.Bounces;

/// <summary>Notices in JSON that a topic sends by mail: Amazon SES through SNS, bare or in the topic's envelope.</summary>
static class CloudNotice
{
    const int MaxText = 128 * 1024;

    static readonly JsonReaderOptions Reading = new() { MaxDepth = 16, CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true };

    /// <summary>The report, or null when the text holds no such notice.</summary>
    public static BounceReport? Read(string text)
    {
        var start = text.IndexOf('{', StringComparison.Ordinal);
        if (start is < 0 or > 2000 || text.Length > MaxText || !text.Contains("notificationType", StringComparison.Ordinal)
            && !text.Contains("eventType", StringComparison.Ordinal)) return null;
        using var document = Parse(text[start..]) ?? Parse(Joined(text[start..]));
        return document is null ? null : Read(document.RootElement);
    }

    static BounceReport? Read(JsonElement notice)
    {
        if (notice.ValueKind is not JsonValueKind.Object) return null;
        if (Text(notice, "Message") is { } inner)
        {
            using var message = Parse(inner) ?? Parse(Joined(inner));
            return message is null ? null : Read(message.RootElement);
        }

        var mail = Object(notice, "mail");
        var headers = Object(mail, "commonHeaders");
        var original = new ReturnedMail(ReturnedHeader.MessageId(Text(headers, "messageId") ?? Text(mail, "messageId")), null, [.. Texts(mail, "destination")]);
        return (Text(notice, "notificationType") ?? Text(notice, "eventType")) switch
        {
            "Bounce" => new BounceReport(ReportKind.Bounce, [.. Items(Object(notice, "bounce"), "bouncedRecipients")
                .Select(r => Bounced(r, Text(Object(notice, "bounce"), "bounceType")))], original),
            "Complaint" => new BounceReport(ReportKind.Complaint, [.. Items(Object(notice, "complaint"), "complainedRecipients")
                .Select(r => new ReportedRecipient(Text(r, "emailAddress"), ReportType.Permanent, null, null, BounceReason.Complaint,
                    Diagnostic.OneLine(Text(Object(notice, "complaint"), "complaintFeedbackType"))))], original),
            "Delivery" => new BounceReport(ReportKind.Bounce,
                [.. Texts(Object(notice, "delivery"), "recipients").Select(r => Delivered(r, Text(Object(notice, "delivery"), "smtpResponse")))], original),
            _ => null,
        };
    }

    static ReportedRecipient Bounced(JsonElement recipient, string? bounceType)
    {
        var said = Diagnostic.OneLine(Text(recipient, "diagnosticCode"));
        if (said is not null && said.StartsWith("smtp;", StringComparison.OrdinalIgnoreCase)) said = said[5..].Trim();
        var status = Diagnostic.EnhancedCode(Text(recipient, "status")) ?? Diagnostic.EnhancedCode(said);
        var reply = Diagnostic.ReplyCode(said);
        var type = status is null && reply is null && bounceType is "Transient" ? ReportType.Temporary : DeliveryStatus.OfClass(status, reply);
        return new ReportedRecipient(Text(recipient, "emailAddress"), type, status, reply, Reasons.Of(status, reply, said, Text(recipient, "emailAddress")), said);
    }

    static ReportedRecipient Delivered(string address, string? response)
    {
        var said = Diagnostic.OneLine(response);
        return new ReportedRecipient(address, ReportType.Delivered, Diagnostic.EnhancedCode(said), Diagnostic.ReplyCode(said),
            BounceReason.Delivered, said);
    }

    static JsonDocument? Parse(string text)
    {
        try
        {
            var reader = new Utf8JsonReader(System.Text.Encoding.UTF8.GetBytes(text), Reading);   // what follows the object is not read
            return JsonDocument.ParseValue(ref reader);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <summary>Mail programs break long lines inside strings, where JSON allows none.</summary>
    static string Joined(string text) => text.Replace("\r", "", StringComparison.Ordinal).Replace("\n", "", StringComparison.Ordinal);

    static JsonElement Object(JsonElement parent, string name) =>
        parent.ValueKind is JsonValueKind.Object && parent.TryGetProperty(name, out var value) ? value : default;

    static string? Text(JsonElement parent, string name) =>
        Object(parent, name) is { ValueKind: JsonValueKind.String } value ? value.GetString() : null;

    static IEnumerable<JsonElement> Items(JsonElement parent, string name) =>
        Object(parent, name) is { ValueKind: JsonValueKind.Array } list ? list.EnumerateArray().Take(BounceReport.MaxRecipients) : [];

    static IEnumerable<string> Texts(JsonElement parent, string name) =>
        Items(parent, name).Where(i => i.ValueKind is JsonValueKind.String).Select(i => i.GetString()!);
}
