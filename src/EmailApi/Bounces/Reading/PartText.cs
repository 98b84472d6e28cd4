using System.Net;
using System.Text;
using MimeKit;

namespace EmailApi.Bounces;

/// <summary>The text of a part, whatever its label says: charsets of reports are often missing or wrong.</summary>
static class PartText
{
    /// <summary>Bytes of a part that are decoded; what a server says stands in the first lines.</summary>
    public const int MaxBytes = 256 * 1024;

    static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    static PartText() => Encoding.RegisterProvider(CodePagesEncodingProvider.Instance);   // ISO-2022-JP, Shift_JIS, KOI8-R and kin

    public static string Of(MimePart part)
    {
        if (part.Content is null) return "";
        using var content = part.Content.Open();
        var buffer = new byte[MaxBytes];
        var length = content.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false);
        var text = Decode(buffer.AsSpan(0, length), part.ContentType.Charset);
        return part.ContentType.IsMimeType("text", "html") ? WithoutTags(text) : text;
    }

    /// <summary>By what the bytes show, then by the charset's name, then UTF-8, then Latin-1, which takes every byte.</summary>
    public static string Decode(ReadOnlySpan<byte> bytes, string? charset)
    {
        if (IsUtf16(bytes, out var utf16)) return Clean(utf16.GetString(bytes));
        if (bytes.IndexOf("\u001B$"u8) >= 0) return Clean(Named("iso-2022-jp")!.GetString(bytes));
        if (charset is not null && !charset.Contains("ascii", StringComparison.OrdinalIgnoreCase) && Named(charset) is { } named)
            return Clean(named.GetString(bytes));
        try
        {
            return Clean(StrictUtf8.GetString(TrimPartialCharacter(bytes)));
        }
        catch (DecoderFallbackException)
        {
            return Clean(Encoding.Latin1.GetString(bytes));
        }
    }

    static string Clean(string text) => text.Replace("\0", "", StringComparison.Ordinal).TrimStart('\uFEFF');

    /// <summary>UTF-16 without a word about it shows by its mark or by a zero in every other byte.</summary>
    static bool IsUtf16(ReadOnlySpan<byte> bytes, out Encoding encoding)
    {
        encoding = Encoding.Unicode;
        if (bytes.StartsWith(Encoding.Unicode.Preamble)) return true;
        if (bytes.StartsWith(Encoding.BigEndianUnicode.Preamble)) return (encoding = Encoding.BigEndianUnicode) is not null;

        var sample = bytes[..Math.Min(bytes.Length, 400)];
        var (even, odd) = (0, 0);
        for (var i = 0; i < sample.Length; i++)
            if (sample[i] is 0)
                _ = i % 2 is 0 ? even++ : odd++;
        if (odd > sample.Length / 4 && even < odd / 8) return true;
        encoding = Encoding.BigEndianUnicode;
        return even > sample.Length / 4 && odd < even / 8;
    }

    static Encoding? Named(string charset)
    {
        try
        {
            return Encoding.GetEncoding(charset.Trim().Trim('"', '\''));
        }
        catch (Exception e) when (e is ArgumentException or NotSupportedException)
        {
            return null;
        }
    }

    static ReadOnlySpan<byte> TrimPartialCharacter(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length < MaxBytes) return bytes;
        var end = bytes.Length;
        while (end > bytes.Length - 4 && (bytes[end - 1] & 0x80) is not 0) end--;
        return bytes[..end];
    }

    /// <summary>One pass: tags go, block tags become line ends, style and script go with their content.</summary>
    public static string WithoutTags(string html)
    {
        var text = new StringBuilder(Math.Min(html.Length, MaxBytes));
        for (var at = 0; at < html.Length;)
        {
            var tag = html.IndexOf('<', at);
            if (tag < 0 || tag + 1 == html.Length)
            {
                text.Append(html, at, html.Length - at);
                break;
            }

            text.Append(html, at, tag - at);
            var close = html.IndexOf('>', tag);
            if (close < 0) break;
            var name = html.AsSpan(tag + 1, Math.Min(10, close - tag - 1));
            if (Starts(name, "style") || Starts(name, "script"))
            {
                var end = html.IndexOf(Starts(name, "style") ? "</style" : "</script", close, StringComparison.OrdinalIgnoreCase);
                if (end < 0) break;
                close = html.IndexOf('>', end);
                if (close < 0) break;
            }
            else if (Starts(name, "br") || Starts(name, "p") || Starts(name, "/p") || Starts(name, "div") || Starts(name, "/div") || Starts(name, "tr")
                || Starts(name, "li") || Starts(name, "h") || Starts(name, "/h") || Starts(name, "td"))
            {
                text.Append('\n');
            }
            at = close + 1;
        }
        return WebUtility.HtmlDecode(text.ToString()).Replace('\u00A0', ' ');
    }

    static bool Starts(ReadOnlySpan<char> name, string tag) => name.StartsWith(tag, StringComparison.OrdinalIgnoreCase);
}
