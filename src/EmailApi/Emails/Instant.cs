using System.Globalization;
using EmailApi.Http;
using FluentValidation;

namespace EmailApi.Emails;

/// <summary>RFC 3339 date-times: always with an offset, so that nobody guesses a time zone.</summary>
public static class Instant
{
    static readonly string[] Formats = ["yyyy-MM-dd'T'HH:mm:ssK", "yyyy-MM-dd'T'HH:mm:ss.FFFFFFFK", "yyyy-MM-dd'T'HH:mmK"];

    public const string Wanted = "Give a time with its offset (RFC 3339), such as 2026-12-01T09:00:00+09:00.";

    public static DateTimeOffset? OrNull(string? text) => text is not null && TryParse(text, out var at) ? at : null;

    /// <summary>A parameter of a query.</summary>
    /// <returns>Null when it is left out.</returns>
    /// <exception cref="ProblemException">400: it is no such time.</exception>
    internal static DateTimeOffset? OfParameter(string? text, string name) => text is null ? null
        : TryParse(text, out var at) ? at
        : throw new ProblemException(ProblemKind.BadRequest, $"{name} is a time with its offset (RFC 3339), such as 2026-12-01T09:00:00+09:00.");

    public static bool TryParse(string text, out DateTimeOffset at)
    {
        at = default;
        var hasOffset = text.Length > 16 && (text[^1] is 'Z' or 'z' || text[^6] is '+' or '-');
        return hasOffset && DateTimeOffset.TryParseExact(Shorten(text).ToUpperInvariant(), Formats, CultureInfo.InvariantCulture, DateTimeStyles.AdjustToUniversal, out at);
    }

    /// <summary>Any number of digits may follow the second (nanoseconds are common); what is shorter than a tick is dropped.</summary>
    static string Shorten(string text)
    {
        const int fraction = 20, digits = 7;
        if (text.Length < fraction + digits || text[fraction - 1] != '.') return text;
        var end = fraction;
        while (end < text.Length && char.IsAsciiDigit(text[end])) end++;
        return end - fraction > digits ? text.Remove(fraction + digits, end - fraction - digits) : text;
    }
}

/// <summary>When a mail may be sent.</summary>
static class SendTimes
{
    static readonly TimeSpan PastSendAt = TimeSpan.FromMinutes(5);
    static readonly TimeSpan FutureSendAt = TimeSpan.FromDays(366);

    public static void CheckTimes<T>(this ValidationContext<T> context, string? sendAtText, string? expiresAtText, DateTimeOffset now)
    {
        var sendAt = Time(sendAtText, "send_at");
        if (sendAt < now - PastSendAt) context.Add("in_the_past", "send_at lies more than 5 minutes in the past; leave it out to send now.", "send_at");
        if (sendAt > now + FutureSendAt) context.Add("too_far", "send_at lies more than one year ahead.", "send_at");
        var expiresAt = Time(expiresAtText, "expires_at");
        if (expiresAt <= (sendAt > now ? sendAt : now)) context.Add("in_the_past", "expires_at must lie after now and after send_at.", "expires_at");
        if (expiresAt > now + FutureSendAt + FutureSendAt) context.Add("too_far", "expires_at lies more than one year after the last possible send_at.", "expires_at");

        DateTimeOffset? Time(string? text, string field)
        {
            if (text is null) return null;
            if (Instant.TryParse(text, out var at)) return at;
            context.Add("invalid_time", Instant.Wanted, field);
            return null;
        }
    }
}
