namespace EmailApi.Bounces;

/// <summary>Reads reports that are written for people: which addresses failed, and what is said of each. The same few shapes serve all
/// servers: an address at the start of a line with words after it (Postfix, qmail, Exim), a label before it ("RCPT TO:"), or one address
/// somewhere in a sentence.</summary>
static class FreeText
{
    const int MaxText = 64 * 1024;

    /// <summary>What stands before "this is a copy of your message", and the header after it.</summary>
    public static (string Report, string? Copy) Split(string text)
    {
        if (text.Length > MaxText) text = text[..MaxText];
        for (var (at, n) = (0, 0); at < text.Length; n++)
        {
            var end = text.IndexOf('\n', at);
            if (end < 0) end = text.Length;
            var line = text.AsSpan(at, end - at).Trim("-=*_#> \t\r:.");
            if (n > 0 && line.Length is > 0 and < 140 && ReportWords.StartsCopy(line))
                return (text[..at], text[end..].TrimStart('\r', '\n', ' ', '-', '='));
            at = end + 1;
        }
        return (text, null);
    }

    /// <summary>An address and the words that belong to it.</summary>
    public readonly record struct Section(string Address, string Words);

    /// <summary>Addresses that the text says something of, each with its words; empty when there is none.</summary>
    /// <param name="known">Addresses that are known to have failed (X-Failed-Recipients).</param>
    /// <param name="others">Addresses that are not recipients: the sender, who the report is addressed to, and who wrote it.</param>
    public static List<Section> Sections(string report, IReadOnlyList<string> known, IReadOnlyCollection<string> others)
    {
        var found = new List<AddressScan.Found>();
        foreach (var address in AddressScan.Find(report))
        {
            found.Add(address);
            if (found.Count > 4 * BounceReport.MaxRecipients) break;
        }

        var leading = found.Where(f => f.Address.Contains('.', StringComparison.Ordinal) && LeadsLine(report, f)).ToList();
        var labelled = found.Where(f => IsLabelled(report, f)).ToList();
        foreach (var candidates in (List<AddressScan.Found>[])
            [
                [.. found.Where(f => Has(known, f.Address) && LeadsLine(report, f))],
                Without(leading, others), Without(labelled, others), Without(found, others), leading, labelled,
            ])
        {
            if (candidates.Count is 0 && known.Count is 0) continue;
            var words = Words(report, candidates);
            return [.. (known.Count > 0 ? known : words.Keys.AsEnumerable()).Take(BounceReport.MaxRecipients)
                .Select(address => new Section(address, words.GetValueOrDefault(address, report)))];
        }
        return [];
    }

    /// <summary>For each address the text from its first place to the next other address; all of the text where only one is named.</summary>
    static OrderedDictionary<string, string> Words(string report, List<AddressScan.Found> candidates)
    {
        var words = new OrderedDictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        for (var (at, next) = (0, 0); at < candidates.Count && words.Count <= BounceReport.MaxRecipients; at = next)
        {
            while (next < candidates.Count && candidates[next].Address.Equals(candidates[at].Address, StringComparison.OrdinalIgnoreCase)) next++;
            var only = at is 0 && next == candidates.Count;
            words.TryAdd(candidates[at].Address, only ? report
                : report[candidates[at].Start..(next < candidates.Count ? LineStart(report, candidates[next].Start, candidates[at].End) : report.Length)]);
        }
        return words;
    }

    static List<AddressScan.Found> Without(List<AddressScan.Found> found, IReadOnlyCollection<string> others) =>
        [.. found.Where(f => !Has(others, f.Address) && !ReportWords.IsDaemon(f.Address))];

    static bool Has(IEnumerable<string> addresses, string address) => addresses.Contains(address, StringComparer.OrdinalIgnoreCase);

    static int LineStart(string text, int at, int least) => Math.Max(least, LineStart(text, at));

    static int LineStart(string text, int at) => at is 0 ? 0 : text.LastIndexOf('\n', at - 1) + 1;

    /// <summary>Nothing but bullets, brackets and white space stands before it in its line.</summary>
    static bool LeadsLine(string text, AddressScan.Found found)
    {
        for (var at = found.Start - 1; at >= 0 && text[at] is not '\n'; at--)
            if (text[at] is not (' ' or '\t' or '<' or '*' or '-' or '>' or '"' or '\'' or '(' or '[' or '・' or '•' or '　')) return false;
        return true;
    }

    static bool IsLabelled(string text, AddressScan.Found found)
    {
        var start = Math.Max(LineStart(text, found.Start), found.Start - 60);
        return ReportWords.EndsWithLabel(text.AsSpan(start, found.Start - start).TrimEnd(" <\"'([="));
    }

    /// <summary>What the server answered, from its reply code on; where there is none, the words after the address.</summary>
    public static string? Said(Section section)
    {
        var refusal = Diagnostic.RefusalAt(section.Words);
        if (refusal >= 0) return Diagnostic.OneLine(Cut(section.Words[refusal..]));

        var words = section.Words.TrimStart('<', ' ', '"');
        var at = words.IndexOf(section.Address, StringComparison.OrdinalIgnoreCase);
        if (at < 0) return Diagnostic.OneLine(Cut(words));
        // Inside a sentence the words before the address matter as much.
        var line = LineStart(words, at);
        if (words.AsSpan(line, at - line).ContainsAnyInRange('A', 'z')) return Diagnostic.OneLine(Cut(words[line..]));
        return Diagnostic.OneLine(Cut(words[(at + section.Address.Length)..].TrimStart('>', ':', ' ', '"', '.', '\r', '\n'))) ?? Diagnostic.OneLine(Cut(words));
    }

    /// <summary>Up to the first empty line after some words.</summary>
    static string Cut(string words)
    {
        foreach (var end in (ReadOnlySpan<string>)["\r\n\r\n", "\n\n", "\n \n"])
            if (words.IndexOf(end, StringComparison.Ordinal) is > 8 and var at) words = words[..at];
        return words;
    }
}
