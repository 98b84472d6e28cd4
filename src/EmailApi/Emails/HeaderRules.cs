using System.Buffers;
using System.Collections.Frozen;

namespace EmailApi.Emails;

/// <summary>Which header fields a sender may add. Those that carry the envelope, the trace, the proof of origin or the MIME structure are
/// the server's own: a sender who could write them could hide recipients, forge a signature's outcome or change what a reader sees.</summary>
/// <remarks>Allowed on purpose: In-Reply-To, References (threads), List-* (RFC 2369, RFC 8058), Precedence, Importance, X-*, and
/// Auto-Submitted: RFC 3834 §5 wants the program that writes the mail to say that it is automatic, and nothing here trusts the field.</remarks>
public static class HeaderRules
{
    public const int MaxNameLength = 76;          // so that name, colon and a space still leave room on a line of 78
    public const int MaxValueLength = 998;        // RFC 5322 §2.1.1, before folding
    public const int MaxTotalBytes = 64 * 1024;   // names and values of one email together; checked by the validator

    static readonly SearchValues<char> NameCharacters = SearchValues.Create(
        Enumerable.Range(33, 94).Select(c => (char)c).Where(c => c != ':').ToArray());   // RFC 5322 §2.2: ftext

    static readonly FrozenDictionary<string, string> Owned = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase)
    {
        ["From"] = "give it in from",
        ["Sender"] = "it is made from from",
        ["To"] = "give it in to",
        ["Cc"] = "give it in cc",
        ["Bcc"] = "give it in bcc",
        ["Reply-To"] = "give it in reply_to",
        ["Subject"] = "give it in subject",
        ["Date"] = "it is the time of acceptance or of send_at",
        ["Message-ID"] = "it stays the same over all attempts",
        ["MIME-Version"] = "the structure follows text, html and attachments",
        ["Disposition-Notification-To"] = "ask with return_receipt",
        ["Disposition-Notification-Options"] = "ask with return_receipt",
        ["Return-Receipt-To"] = "ask with return_receipt",
        ["X-Confirm-Reading-To"] = "ask with return_receipt",
        ["Return-Path"] = Trace,
        ["Errors-To"] = Trace,
        ["Received"] = Trace,
        ["Received-SPF"] = Trace,
        ["Delivered-To"] = Trace,
        ["Apparently-To"] = Trace,
        ["Envelope-To"] = Trace,
        ["X-Original-To"] = Trace,
        ["Original-Recipient"] = Trace,
        ["DKIM-Signature"] = Signed,
        ["DomainKey-Signature"] = Signed,
        ["Authentication-Results"] = Signed,
    }.ToFrozenDictionary(StringComparer.OrdinalIgnoreCase);

    const string Trace = "mail servers write it on the way";
    const string Signed = "it proves where mail comes from, so only the server writes it";

    static readonly (string Prefix, string Why)[] OwnedPrefixes =
    [
        ("Content-", "the structure follows text, html and attachments"),
        ("ARC-", Signed),
        ("Resent-", Trace),
        ("X-EmailApi-", "the prefix is kept for this server"),
    ];

    /// <summary>A sentence that says why the field cannot be added and what would be right, or null.</summary>
    public static string? Refusal(string name, string value) => NameRefusal(name) ?? ValueRefusal(value);

    /// <summary>The same for the name alone, for an error that points at it.</summary>
    public static string? NameRefusal(string name)
    {
        if (string.IsNullOrEmpty(name)) return "A header needs a name, such as X-Order.";
        if (name.Length > MaxNameLength) return $"A header name has at most {MaxNameLength} characters.";
        if (name.AsSpan().ContainsAnyExcept(NameCharacters))
            return "A header name is printable ASCII without spaces and colon, such as X-Order (RFC 5322).";
        if (Owned.TryGetValue(name, out var why)) return $"The server writes {name} itself: {why}.";
        foreach (var (prefix, reason) in OwnedPrefixes)
            if (name.StartsWith(prefix, StringComparison.OrdinalIgnoreCase)) return $"The server writes {prefix}* itself: {reason}.";
        return null;
    }

    /// <summary>The same for the value alone.</summary>
    public static string? ValueRefusal(string value)
    {
        if (value is null) return "A header needs a value, which may be empty.";
        if (value.Length > MaxValueLength) return $"A header value has at most {MaxValueLength} characters (RFC 5322).";
        return MailText.ControlFault(value, allowTab: true);
    }
}
