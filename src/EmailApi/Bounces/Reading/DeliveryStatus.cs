using System.Globalization;
using System.Text;
using MimeKit.Utils;

namespace EmailApi.Bounces;

/// <summary>Per-recipient groups of RFC 3464 §2.3, with RFC 6533's addresses.</summary>
static class DeliveryStatus
{
    public static ReportedRecipient Read(StatusFields group, string? fallbackAddress, string? spoken)
    {
        var diagnostic = Said(group["Diagnostic-Code"]);
        if (diagnostic is null || !diagnostic.Any(char.IsLetter)) diagnostic = spoken ?? diagnostic;   // "X-Unix; 255": a program's exit status
        var status = Diagnostic.EnhancedCode(group["Status"]);
        // The field is often the server's own guess; what the other side answered stands in the diagnostic.
        if (Diagnostic.EnhancedCode(diagnostic) is { } answered && (status is null || !IsGeneral(answered))) status = answered;
        var replyCode = Diagnostic.ReplyCode(diagnostic);
        var action = group["Action"]?.Trim() ?? "";

        var address = Address(group) ?? fallbackAddress;
        var type = Type(action, status, replyCode);
        var reason = type is ReportType.Delivered ? BounceReason.Delivered : Reasons.Of(status, replyCode, diagnostic, address);
        return new ReportedRecipient(address, type, status, replyCode, reason, diagnostic) { IsInterim = Is(action, "delayed") || Is(action, "relayed") || Is(action, "expanded") };
    }

    static ReportType Type(string action, string? status, int? replyCode)
    {
        if (Is(action, "delivered") || Is(action, "relayed") || Is(action, "expanded")) return ReportType.Delivered;
        return Is(action, "delayed") ? ReportType.Temporary : OfClass(status, replyCode);
    }

    /// <summary>Of a failure, by the first digit; permanent where there is none, as reports are made when a server has given up.</summary>
    public static ReportType OfClass(string? status, int? replyCode) =>
        (status?[0] ?? (char)('0' + ((replyCode ?? 500) / 100))) is '4' ? ReportType.Temporary : ReportType.Permanent;

    static bool Is(string action, string word) => action.StartsWith(word, StringComparison.OrdinalIgnoreCase);

    public static bool IsGeneral(string status) => status.EndsWith(".0.0", StringComparison.Ordinal);

    /// <summary>The address that we wrote to: Original-Recipient is ours (ORCPT or what the first server saw), Final-Recipient is that after
    /// aliases there, X-Actual-Recipient (Sendmail) after those of the last server. Null when none is a mail address.</summary>
    public static string? Address(StatusFields group) =>
        MailAddress(group["Original-Recipient"]) ?? MailAddress(group["Final-Recipient"]) ?? MailAddress(group["X-Actual-Recipient"]);

    /// <summary>The address of "rfc822; a@b", "utf-8; a@b" or of a bare address; null for pipes, files and X.400.</summary>
    public static string? MailAddress(string? field)
    {
        if (field is null) return null;
        var semicolon = field.IndexOf(';', StringComparison.Ordinal);
        var value = field[(semicolon + 1)..].Trim();
        if (value.StartsWith('|') || value.StartsWith('/')) return null;
        if (value.Contains("\\x{", StringComparison.Ordinal)) value = Unescape(value);
        if (value.Contains("=?", StringComparison.Ordinal))
        {
            var decoded = Rfc2047.DecodeText(Encoding.UTF8.GetBytes(value));
            value = decoded.Contains('@', StringComparison.Ordinal) ? decoded : value;
        }
        var found = AddressScan.Find(value).FirstOrDefault();
        return found.Address is { Length: <= 320 } address ? address : null;
    }

    /// <summary>RFC 6533 §3: utf-8-addr-xtext and -unitext write a character as \x{HEX}.</summary>
    static string Unescape(string value)
    {
        var text = new StringBuilder(value.Length);
        for (var at = 0; at < value.Length; at++)
        {
            var close = value.AsSpan(at).StartsWith("\\x{") ? value.AsSpan(at, Math.Min(12, value.Length - at)).IndexOf('}') : -1;
            if (close > 3 && int.TryParse(value.AsSpan(at + 3, close - 3), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var rune)
                && Rune.IsValid(rune))
            {
                text.Append(new Rune(rune));
                at += close;
            }
            else
            {
                text.Append(value[at]);
            }
        }
        return text.ToString();
    }

    /// <summary>Without the type ("smtp;", "x-postfix;"), one line; null when empty.</summary>
    static string? Said(string? field)
    {
        if (field is null) return null;
        var semicolon = field.IndexOf(';', StringComparison.Ordinal);
        var typed = semicolon is > 0 and < 30 && field.AsSpan(0, semicolon).Trim().IndexOfAny(" :<>") < 0;
        return Diagnostic.OneLine(typed ? field[(semicolon + 1)..] : field);
    }
}
