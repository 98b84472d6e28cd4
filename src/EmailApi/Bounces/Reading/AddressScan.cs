namespace EmailApi.Bounces;

/// <summary>Finds mail addresses in free text in one pass. Looser than RFC 5321: old mobile carriers gave out addresses with two dots.</summary>
static class AddressScan
{
    const int MaxLocal = 128;
    const int MaxDomain = 255;

    public readonly record struct Found(int Start, int End, string Address);

    public static IEnumerable<string> All(string text) => Find(text).Select(found => found.Address);

    public static IEnumerable<Found> Find(string text)
    {
        for (var at = text.IndexOf('@', StringComparison.Ordinal); at >= 0; at = Next(text, at))
        {
            var (start, end) = (Local(text, at), Domain(text, at));
            if (start < at && end > at + 1) yield return new Found(start, end, text[start..end]);
        }
    }

    static int Next(string text, int at) => at + 1 < text.Length ? text.IndexOf('@', at + 1) : -1;

    static int Local(string text, int at)
    {
        var least = Math.Max(0, at - MaxLocal);
        if (at > 0 && text[at - 1] is '"')
        {
            var open = at - 2;
            while (open > least && text[open] is not ('"' or '\n')) open--;
            return open >= least && text[open] is '"' && open < at - 2 ? open : at;
        }

        var start = at;
        while (start > least && IsLocal(text[start - 1])) start--;
        while (start < at && text[start] is '\'' or '*' or '`' or '|' or '/' or '=') start++;   // what people set around an address
        return start;
    }

    static int Domain(string text, int at)
    {
        var end = at + 1;
        if (end < text.Length && text[end] is '[')
        {
            var close = text.AsSpan(end, Math.Min(64, text.Length - end)).IndexOf(']');
            return close < 0 ? at : end + close + 1;
        }

        while (end < text.Length && end - at <= MaxDomain && (char.IsLetterOrDigit(text[end]) || text[end] is '.' or '-' or '_')) end++;
        while (end > at + 1 && text[end - 1] is '.' or '-' or '_') end--;
        return end;
    }

    static bool IsLocal(char c) => char.IsLetterOrDigit(c) || char.IsSurrogate(c) || "!#$%&'*+-/=?^_`{|}~.".Contains(c, StringComparison.Ordinal);
}
