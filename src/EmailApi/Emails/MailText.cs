using System.Globalization;
using System.Text;

namespace EmailApi.Emails;

/// <summary>Which characters may stand in what becomes a header field or an SMTP command.</summary>
public static class MailText
{
    /// <summary>A sentence when the text could break out of its line or is not Unicode: control characters (C0, DEL, C1 with U+0085),
    /// line and paragraph separators, lone surrogates. Null when it is one clean line.</summary>
    /// <param name="allowTab">Header values may hold a tab (RFC 5322 §2.2).</param>
    public static string? ControlFault(ReadOnlySpan<char> text, bool allowTab = false)
    {
        if (!text.ContainsAnyExceptInRange(' ', '~')) return null;

        for (var i = 0; i < text.Length; i++)
        {
            var c = text[i];
            if (c is >= ' ' and <= '~') continue;
            if (c == '\t' && allowTab) continue;
            if (c is '\r' or '\n') return "A line break cannot stand here; give one line.";
            if (char.IsControl(c) || c is '\u2028' or '\u2029') return $"{Show(c)} is a control character; leave it out.";
            if (!char.IsSurrogate(c)) continue;
            if (i + 1 == text.Length || !char.IsSurrogatePair(c, text[i + 1])) return $"{Show(c)} is half of a character; give valid Unicode.";
            i++;
        }
        return null;
    }

    /// <summary>True for a character that one can see and that is assigned: no format characters (zero width, soft hyphen, bidi), no
    /// spaces, no private use, no U+FFFD (the trace of text decoded wrongly).</summary>
    public static bool IsVisible(Rune rune) => rune.Value != 0xFFFD && Rune.GetUnicodeCategory(rune)
        is not (UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.Surrogate or UnicodeCategory.PrivateUse
            or UnicodeCategory.OtherNotAssigned or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator
            or UnicodeCategory.SpaceSeparator);

    /// <summary>True for characters that turn the reading direction of what follows and so make <c>exe.jpg</c> of <c>gpj.exe</c>.</summary>
    public static bool TurnsDirection(char c) => c is >= '\u202A' and <= '\u202E' or >= '\u2066' and <= '\u2069';

    /// <summary>A character for an error sentence: itself when it can be shown, else its number.</summary>
    internal static string Show(Rune rune) => rune.Value is > ' ' and not 0x7F && IsVisible(rune) ? $"'{rune}'" : rune.Value == ' ' ? "A space" : $"U+{rune.Value:X4}";

    static string Show(char c) => $"U+{(int)c:X4}";
}
