using System.Buffers;
using System.Buffers.Text;
using System.Text;
using MimeKit;

namespace EmailApi.Relays;

/// <summary>Turns a text body into bytes that pass any relay unchanged: UTF-8, lines ended by CRLF and at most 78 octets long, ASCII only.</summary>
static class TextEncoding
{
    const int LongestPlainLine = 78;   // RFC 5322 §2.1.1

    static readonly SearchValues<byte> Plain = SearchValues.Create(
        [(byte)'\t', (byte)'\r', (byte)'\n', .. Enumerable.Range(' ', '~' - ' ' + 1).Select(b => (byte)b)]);

    /// <summary>7bit when the text is fit for it as it is; otherwise quoted-printable or base64, whichever is shorter.</summary>
    /// <param name="text">CR, LF and CRLF are line breaks; NUL is dropped (RFC 5322 §4: no mail may hold it).</param>
    public static (ArraySegment<byte> Bytes, ContentEncoding Encoding) Encode(string text)
    {
        var plain = Normalize(text);
        if (IsFitFor7Bit(plain)) return (plain, ContentEncoding.SevenBit);

        var escaped = 0;
        foreach (var b in plain.AsSpan())
            if (b is >= 127 or (byte)'=') escaped++;
        return escaped * 2 > plain.Count * 3 / 8   // 2 octets more each, against a third more and line breaks
            ? (ToBase64(plain), ContentEncoding.Base64)
            : (ToQuotedPrintable(plain), ContentEncoding.QuotedPrintable);
    }

    /// <summary>UTF-8 with every line ended by CRLF, the last one too.</summary>
    static ArraySegment<byte> Normalize(ReadOnlySpan<char> text)
    {
        if (text.Contains('\0')) text = text.ToString().Replace("\0", "", StringComparison.Ordinal);

        // Counted exactly: a body may be megabytes, and what is made here lives until the mail is sent.
        var bytes = new byte[Encoding.UTF8.GetByteCount(text) + text.Count('\n') + text.Count('\r') + 2];
        var length = 0;
        while (!text.IsEmpty)
        {
            var end = text.IndexOfAny('\r', '\n');
            length += Encoding.UTF8.GetBytes(end < 0 ? text : text[..end], bytes.AsSpan(length));
            bytes[length++] = (byte)'\r';
            bytes[length++] = (byte)'\n';
            if (end < 0) break;
            text = text[(end + (text[end..].StartsWith("\r\n") ? 2 : 1))..];
        }
        return new ArraySegment<byte>(bytes, 0, length);
    }

    static bool IsFitFor7Bit(ReadOnlySpan<byte> text)
    {
        if (text.ContainsAnyExcept(Plain)) return false;

        while (!text.IsEmpty)
        {
            var length = text.IndexOf((byte)'\r');
            var line = text[..length];
            if (length > LongestPlainLine) return false;
            if (length > 0)
            {
                if (line[^1] is (byte)' ' or (byte)'\t') return false;   // some relays strip it, which breaks a signature
                if (line[0] == 'F' && line.StartsWith("From "u8)) return false;   // some stores write >From
                if (line[0] == '-' && line.StartsWith("--=_"u8)) return false;   // looks like a boundary of ours
            }
            text = text[(length + 2)..];
        }
        return true;
    }

    /// <summary>RFC 2045 §6.7; besides, a line never starts with a bare dot or <c>From </c>.</summary>
    static ArraySegment<byte> ToQuotedPrintable(ReadOnlySpan<byte> text)
    {
        var output = new ArrayBufferWriter<byte>(text.Length + text.Length / 8 + 16);
        var hex = "0123456789ABCDEF"u8;
        var column = 0;
        for (var i = 0; i < text.Length; i++)
        {
            var b = text[i];
            if (b == '\r')   // only ever before \n here
            {
                output.Write("\r\n"u8);
                column = 0;
                i++;
                continue;
            }
            var isEscaped = b is >= 127 or (byte)'=' or (< 32 and not (byte)'\t')
                || b is (byte)' ' or (byte)'\t' && text[i + 1] == '\r'
                || column == 0 && (b == '.' || b == 'F' && text[i..].StartsWith("From "u8));
            if (column + (isEscaped ? 3 : 1) > 75)
            {
                output.Write("=\r\n"u8);
                column = 0;
                isEscaped |= b == '.' || b == 'F' && text[i..].StartsWith("From "u8);
            }
            var to = output.GetSpan(3);
            if (isEscaped) (to[0], to[1], to[2]) = ((byte)'=', hex[b >> 4], hex[b & 15]);
            else to[0] = b;
            output.Advance(isEscaped ? 3 : 1);
            column += isEscaped ? 3 : 1;
        }
        return Segment(output);
    }

    static ArraySegment<byte> ToBase64(ReadOnlySpan<byte> text)
    {
        var output = new ArrayBufferWriter<byte>((text.Length + 56) / 57 * 78);
        while (!text.IsEmpty)
        {
            var line = text[..Math.Min(57, text.Length)];
            Base64.EncodeToUtf8(line, output.GetSpan(76), out _, out var written);
            output.Advance(written);
            output.Write("\r\n"u8);
            text = text[line.Length..];
        }
        return Segment(output);
    }

    static ArraySegment<byte> Segment(ArrayBufferWriter<byte> output) =>
        System.Runtime.InteropServices.MemoryMarshal.TryGetArray(output.WrittenMemory, out var segment) ? segment : output.WrittenSpan.ToArray();
}
