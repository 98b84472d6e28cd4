using System.Buffers;
using System.Text;

namespace EmailApi.Relays;

/// <summary>Writes header fields as bytes: folded at 76 columns where there is white space (RFC 5322 §2.2.3), non-ASCII text as UTF-8
/// encoded-words (RFC 2047). What a reader sees after unfolding and decoding is what was given.</summary>
/// <remarks>MimeKit's own folding cuts words longer than a line, which breaks links and tokens; here a long word stays whole. Text
/// that looks like an encoded-word is encoded, so it is shown as written. A control character becomes a space: the validators refuse it
/// before, and here nothing can end a line but this writer.</remarks>
sealed class HeaderWriter
{
    const int LineLength = 78;
    const int LongestWord = 900;   // past this a word is encoded, which can be folded: no line comes near 998 octets
    const int LongestPlainName = 60;
    const int LineWithEncodedWord = 76;   // RFC 2047 §2; folded lines may hold one, so all keep to it
    const int EncodedLine = LineWithEncodedWord - 12;   // less =?utf-8?B??=

    static readonly SearchValues<char> AtomOrSpace = SearchValues.Create(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-/=?^_`{|}~ ");
    static readonly SearchValues<byte> PlainInQ = SearchValues.Create(   // RFC 2047 §5 (3): safe in a phrase too
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!*+-/"u8);

    byte[] bytes = new byte[1024];
    int length;
    int column;

    /// <summary>The field last begun, up to and with its CRLF.</summary>
    public (byte[] Bytes, int Length) End()
    {
        Raw("\r\n"u8);
        return (bytes, length);
    }

    public void Begin(string name)
    {
        length = column = 0;
        Ascii(name);
        Raw(":"u8);
    }

    /// <summary>Free text (RFC 5322 §2.2.1), as in Subject.</summary>
    public void Text(string value)
    {
        var text = OneLine(value).AsSpan().Trim(" \t");
        if (column + 1 + text.Length <= LineLength && IsPlain(text))
        {
            Raw(" "u8);
            Ascii(text);
            return;
        }

        var (from, to) = EncodedRange(text);
        var before = text[..from].TrimEnd(" \t");
        Words(before);
        if (from < to) EncodedWords(text[from..to], text[before.Length..from]);
        Words(text[to..]);
    }

    /// <summary>One mailbox: a phrase and an angle-addr, or the address alone.</summary>
    /// <param name="address">As it stands on the wire; checked by the caller.</param>
    public void Mailbox(string? name, string address, bool first)
    {
        if (!first) Raw(","u8);
        var shown = name is null ? default : OneLine(name).AsSpan().Trim(" \t");
        if (shown.IsEmpty)
        {
            Word(address, "");
            return;
        }

        if (!IsPlain(shown) || shown.Contains('\t') || shown.Length > LongestPlainName) EncodedWords(shown, "");
        else if (!shown.ContainsAnyExcept(AtomOrSpace) && shown.IndexOf("  ") < 0) Words(shown);
        else Word($"\"{shown.ToString().Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal)}\"", "");
        Word($"<{address}>", "");
    }

    /// <summary>A word that is never cut, such as a Message-ID.</summary>
    public void Word(ReadOnlySpan<char> word) => Word(word, " ");

    static bool IsPlain(ReadOnlySpan<char> text) => !text.ContainsAnyExceptInRange(' ', '~') && text.IndexOf("=?") < 0;

    static string OneLine(string value)
    {
        var odd = false;
        foreach (var c in value)
            if (IsBreak(c)) odd = true;
        return !odd ? value : string.Create(value.Length, value, static (to, from) =>
        {
            for (var i = 0; i < to.Length; i++) to[i] = IsBreak(from[i]) ? ' ' : from[i];
        });
    }

    static bool IsBreak(char c) => c != '\t' && (char.IsControl(c) || c is '\u2028' or '\u2029');

    /// <summary>From the first to the last word that cannot stand as it is; white space between encoded-words would be lost, so all that
    /// lies between goes into them.</summary>
    static (int From, int To) EncodedRange(ReadOnlySpan<char> text)
    {
        var (from, to) = (text.Length, text.Length);
        for (var start = 0; start < text.Length;)
        {
            while (start < text.Length && text[start] is ' ' or '\t') start++;
            var word = text[start..];
            var end = word.IndexOfAny(' ', '\t') is var space and >= 0 ? start + space : text.Length;
            word = text[start..end];
            if (word.Length > LongestWord || !IsPlain(word))
            {
                if (from == text.Length) from = start;
                to = end;
            }
            start = end;
        }
        return (from, to);
    }

    /// <summary>Words with the white space before each kept, so that unfolding gives the text back.</summary>
    void Words(ReadOnlySpan<char> text)
    {
        while (!text.IsEmpty)
        {
            var start = text.IndexOfAnyExcept(' ', '\t');
            var end = text[start..].IndexOfAny(' ', '\t') is var space and >= 0 ? start + space : text.Length;
            Word(text[start..end], text[..start]);
            text = text[end..];
        }
    }

    void Word(ReadOnlySpan<char> word, ReadOnlySpan<char> space)
    {
        if (space.IsEmpty) space = " ";
        // the first word stays on the line of the name: an empty first line confuses old parsers
        var isFirst = bytes[length - 1] == ':' && bytes.AsSpan(0, length).IndexOf((byte)':') == length - 1;
        if (!isFirst && column + space.Length + word.Length >= LineWithEncodedWord) Fold();   // = leaves room for a comma
        Ascii(space);
        Utf8(word);
    }

    /// <param name="space">What stands before the first one; between them a fold that is not part of the text.</param>
    void EncodedWords(ReadOnlySpan<char> text, ReadOnlySpan<char> space)
    {
        if (space.IsEmpty) space = " ";
        var utf8 = Encoding.UTF8.GetBytes(text.ToString());
        var quotedLength = utf8.Sum(b => b == ' ' || PlainInQ.Contains(b) ? 1 : 3);
        var isBase64 = quotedLength > utf8.Length * 4 / 3;
        for (var at = 0; at < utf8.Length;)
        {
            var room = EncodedLine - column - space.Length;
            if (room < 12)
            {
                Fold();
                room = Math.Max(12, EncodedLine - space.Length);
            }
            var end = at;
            var used = 0;
            while (end < utf8.Length)
            {
                Rune.DecodeFromUtf8(utf8.AsSpan(end), out _, out var size);   // RFC 2047 §5: whole characters only
                used += isBase64 ? size : utf8[end] == ' ' || PlainInQ.Contains(utf8[end]) ? 1 : 3 * size;
                if (end > at && (isBase64 ? (used + 2) / 3 * 4 : used) > room) break;
                end += size;
            }
            Ascii(space);
            Raw("=?utf-8?"u8);
            if (isBase64) Base64(utf8.AsSpan(at, end - at));
            else Quoted(utf8.AsSpan(at, end - at));
            Raw("?="u8);
            at = end;
            space = " ";
        }
    }

    void Base64(ReadOnlySpan<byte> utf8)
    {
        Raw("B?"u8);
        Ascii(Convert.ToBase64String(utf8));
    }

    void Quoted(ReadOnlySpan<byte> utf8)
    {
        Raw("Q?"u8);
        foreach (var b in utf8)
            if (PlainInQ.Contains(b)) Raw([b]);
            else if (b == ' ') Raw("_"u8);
            else Raw([(byte)'=', (byte)"0123456789ABCDEF"[b >> 4], (byte)"0123456789ABCDEF"[b & 15]]);
    }

    void Fold()
    {
        Raw("\r\n"u8);
        column = 0;
    }

    void Ascii(ReadOnlySpan<char> text) => Utf8(text);

    void Utf8(ReadOnlySpan<char> text)
    {
        Grow(text.Length * 3);
        var written = Encoding.UTF8.GetBytes(text, bytes.AsSpan(length));
        length += written;
        column += written;
    }

    void Raw(ReadOnlySpan<byte> raw)
    {
        Grow(raw.Length);
        raw.CopyTo(bytes.AsSpan(length));
        length += raw.Length;
        column += raw.Length;
    }

    void Grow(int by)
    {
        if (length + by > bytes.Length) Array.Resize(ref bytes, Math.Max(bytes.Length * 2, length + by));
    }
}
