using System.Globalization;

namespace EmailApi.Emails;

/// <summary>Ids as callers see them: a word that says what it is, and the UUIDv7 in lower-case hex.</summary>
public static class EmailId
{
    const string Prefix = "em_";

    public static string Format(Guid id) => Prefix + id.ToString("n");

    public static bool TryParse(string? text, out Guid id)
    {
        id = default;
        return text is { Length: 35 } && text.StartsWith(Prefix, StringComparison.Ordinal)
            && !text.AsSpan(3).ContainsAnyInRange('A', 'F') && Guid.TryParseExact(text.AsSpan(3), "n", out id);
    }

    /// <summary><c>rcpt_</c>, the email's id and the recipient's number.</summary>
    public static string OfRecipient(Guid id, int n) => string.Create(CultureInfo.InvariantCulture, $"rcpt_{id:n}_{n}");

    /// <summary><c>ev_</c>, the email's id, the recipient's and the event's number: the same wherever the event is told.</summary>
    public static string OfEvent(Guid id, int n, int sequence) => string.Create(CultureInfo.InvariantCulture, $"ev_{id:n}_{n}_{sequence}");

    public static bool TryParseEvent(string text, out Guid id, out int n, out int sequence)
    {
        (id, n, sequence) = (default, 0, 0);
        return text.Split('_') is ["ev", var email, var recipient, var number] && TryParse(Prefix + email, out id)
            && int.TryParse(recipient, NumberStyles.None, CultureInfo.InvariantCulture, out n) && int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out sequence);
    }
}
