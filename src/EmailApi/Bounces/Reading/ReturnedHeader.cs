using System.Buffers;
using System.Text;
using MimeKit;
using MimeKit.Utils;

namespace EmailApi.Bounces;

/// <summary>The header of the mail that a report speaks of, from a part of its own or from text after "this is a copy".</summary>
static class ReturnedHeader
{
    const int MaxHeader = 64 * 1024;

    static readonly SearchValues<char> NotInNames = SearchValues.Create(" \r\n\t<>@");

    /// <summary>The header fields at the start of the text; null where there are none.</summary>
    public static HeaderList? Parse(string text)
    {
        text = text.TrimStart();
        if (text.Length > MaxHeader) text = text[..MaxHeader];
        if (!StartsWithField(text)) return null;
        try
        {
            return HeaderList.Load(new MemoryStream(Encoding.UTF8.GetBytes(text + "\r\n\r\n")));
        }
        catch (FormatException)
        {
            return null;
        }
    }

    public static ReturnedMail ToMail(HeaderList? header, string? messageId, string? envelopeId)
    {
        if (header is null) return new ReturnedMail(messageId, envelopeId, []);
        var recipients = new List<string>();
        foreach (var field in header)
            if (field.Id is HeaderId.To or HeaderId.Cc or HeaderId.ResentTo)
                foreach (var address in AddressScan.All(Value(field)))
                    if (recipients.Count < BounceReport.MaxRecipients && !recipients.Contains(address, StringComparer.OrdinalIgnoreCase))
                        recipients.Add(address);
        return new ReturnedMail(MessageId(Value(header, HeaderId.MessageId)) ?? messageId, envelopeId, recipients);
    }

    /// <summary>The first field of that name, decoded and at most 8 KB of it; null when absent.</summary>
    public static string? Value(HeaderList header, HeaderId id)
    {
        var at = header.IndexOf(id);
        return at < 0 ? null : Value(header[at]);
    }

    /// <inheritdoc cref="Value(HeaderList, HeaderId)"/>
    public static string? Value(HeaderList header, string name)
    {
        var at = header.IndexOf(name);
        return at < 0 ? null : Value(header[at]);
    }

    // Raw and cut first: decoding costs time by length, and the length is the sender's.
    static string Value(Header field)
    {
        var raw = field.RawValue.AsSpan();
        return Rfc2047.DecodeText(raw[..Math.Min(raw.Length, 8 * 1024)].ToArray()).Trim();
    }

    /// <summary>What stands between the first angle brackets, or all of it; null when it is no identifier.</summary>
    public static string? MessageId(string? value)
    {
        if (string.IsNullOrWhiteSpace(value)) return null;
        var (open, close) = (value.IndexOf('<', StringComparison.Ordinal), value.IndexOf('>', StringComparison.Ordinal));
        var id = open >= 0 && close > open ? value[(open + 1)..close] : value;
        id = string.Concat(id.Where(c => !char.IsWhiteSpace(c) && !char.IsControl(c)));
        return id.Length is > 0 and <= 998 ? id : null;
    }

    static bool StartsWithField(string text)
    {
        var colon = text.IndexOf(':', StringComparison.Ordinal);
        return colon is > 0 and < 80 && !text.AsSpan(0, colon).ContainsAny(NotInNames);
    }
}
