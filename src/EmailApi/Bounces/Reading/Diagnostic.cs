using System.Text;

namespace EmailApi.Bounces;

/// <summary>What a server said, made one line, and the codes in it.</summary>
static class Diagnostic
{
    public const int MaxLength = 1000;

    /// <summary>One line of printable characters, white space joined; null when nothing is left.</summary>
    public static string? OneLine(string? text, int maxLength = MaxLength)
    {
        if (text is null) return null;
        var line = new StringBuilder(Math.Min(text.Length, maxLength));
        foreach (var rune in text.EnumerateRunes())
        {
            if (Rune.IsWhiteSpace(rune) || Rune.IsControl(rune))
            {
                if (line.Length > 0 && line[^1] is not ' ') line.Append(' ');
            }
            else if (IsPrintable(rune))
            {
                if (line.Length + rune.Utf16SequenceLength > maxLength) break;
                line.Append(rune);
            }
        }
        var trimmed = line.ToString().Trim();
        return trimmed.Length is 0 ? null : trimmed;
    }

    // Format characters turn the direction of what follows on a page; private and unassigned ones show as boxes.
    static bool IsPrintable(Rune rune) => Rune.GetUnicodeCategory(rune) is not (System.Globalization.UnicodeCategory.Format
        or System.Globalization.UnicodeCategory.Surrogate or System.Globalization.UnicodeCategory.PrivateUse
        or System.Globalization.UnicodeCategory.OtherNotAssigned);

    /// <summary>The words without the codes that each line of a long reply repeats.</summary>
    public static string WithoutCodes(string text)
    {
        var words = new StringBuilder(text.Length);
        foreach (var range in text.AsSpan().SplitAny(" \r\n\t"))
        {
            var word = text.AsSpan(range);
            if (word.Length > 0 && !IsCodes(word)) words.Append(word).Append(' ');
        }
        return words.ToString();
    }

    /// <summary>"550", "550-5.7.1", "5.7.1", "#5.7.1".</summary>
    static bool IsCodes(ReadOnlySpan<char> word)
    {
        word = word.Trim("#():;");
        if (word.Length is < 3 or > 16 || word[0] is not ('2' or '4' or '5')) return false;
        foreach (var c in word)
            if (!char.IsAsciiDigit(c) && c is not ('.' or '-')) return false;
        return true;
    }

    /// <summary>The first enhanced code (RFC 3463): 2, 4 or 5, two numbers of at most three digits, and neither part of an IP address
    /// nor of a version. One that says more than x.0.0 is preferred.</summary>
    public static string? EnhancedCode(string? text)
    {
        string? general = null;
        for (var at = 0; text is not null && at + 4 < text.Length; at++)
        {
            if (text[at] is not ('2' or '4' or '5') || text[at + 1] is not '.' || (at > 0 && IsPartOfNumber(text[at - 1]))) continue;
            var subject = Digits(text, at + 2);
            if (subject is 0 || at + 2 + subject >= text.Length || text[at + 2 + subject] is not '.') continue;
            var detail = Digits(text, at + 3 + subject);
            var end = at + 3 + subject + detail;
            if (detail is 0 || (end < text.Length && (char.IsAsciiLetterOrDigit(text[end]) || IsDotAndDigit(text, end)))) continue;

            var code = text[at..end];
            if (!code.EndsWith(".0.0", StringComparison.Ordinal)) return code;
            general ??= code;
        }
        return general;
    }

    /// <summary>Where a refusal starts: 4 or 5 and two digits, set off before and followed by a space, a hyphen or a colon; −1 when nowhere.</summary>
    public static int RefusalAt(string text, int from = 0)
    {
        for (var at = from; at + 2 < text.Length; at++)
        {
            if (text[at] is not ('4' or '5') || text[at + 1] is not (>= '0' and <= '7') || !char.IsAsciiDigit(text[at + 2])) continue;
            if (at > 0 && !(char.IsWhiteSpace(text[at - 1]) || text[at - 1] is ':' or ';' or '>' or '(' or '<' or '"' or '\'' or '[' or '#')) continue;
            if (at + 4 < text.Length && text[at + 3] is ' ' or '-' && Digits(text, at + 4) is 0 && char.IsAsciiDigit(text[at + 4])) continue;   // a telephone number
            if (at + 3 == text.Length || text[at + 3] is ' ' or '-' or ':' or '\n' or '\r' or ',' or ')' or '>' or '"' or ']') return at;
        }
        return -1;
    }

    /// <summary>The reply code (RFC 5321 §4.2) at the start of a reply, or the first refusal in a text; null when there is none.</summary>
    public static int? ReplyCode(string? text)
    {
        if (text is null) return null;
        if (text.Length > 3 && text[0] is '2' && text[1] is '5' or '1' && Digits(text, 0) is 3) return Number(text, 0);
        var at = RefusalAt(text);
        return at < 0 ? null : Number(text, at);
    }

    static int Number(string text, int at) => int.Parse(text.AsSpan(at, 3), System.Globalization.CultureInfo.InvariantCulture);

    static bool IsPartOfNumber(char c) => char.IsAsciiLetterOrDigit(c) || c is '.';

    static bool IsDotAndDigit(string text, int at) => text[at] is '.' && at + 1 < text.Length && char.IsAsciiDigit(text[at + 1]);

    static int Digits(string text, int at)
    {
        var count = 0;
        while (count < 4 && at + count < text.Length && char.IsAsciiDigit(text[at + count])) count++;
        return count is 4 ? 0 : count;
    }
}
