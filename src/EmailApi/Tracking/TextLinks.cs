using System.Buffers;

namespace EmailApi.Tracking;

/// <summary>Finds the links of a text part, as mail programs do: from <c>http://</c> or <c>https://</c> to what cannot be part of one, without the punctuation at its end.</summary>
static class TextLinks
{
    const int MaxLinks = 5000;
    const int MaxBefore = 200;
    const string Marks = ".,;:!?'*_~";

    /// <summary>RFC 3986 §2.</summary>
    static readonly SearchValues<char> Within = SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~:/?#[]@!$&'()*+,;=%");
    static readonly SearchValues<string> Schemes = SearchValues.Create(["http://", "https://"], StringComparison.OrdinalIgnoreCase);

    /// <param name="others">Addresses that are left alone.</param>
    public static List<PlannedLink> Find(string text, IReadOnlyCollection<string> others)
    {
        var links = new List<PlannedLink>();
        for (var from = 0; links.Count < MaxLinks && text.AsSpan(from).IndexOfAny(Schemes) is var found and >= 0;)
        {
            var at = from + found;
            var run = text.AsSpan(at);
            if (run.IndexOfAnyExcept(Within) is var stop and >= 0) run = run[..stop];
            from = at + run.Length;
            if (run.Length > LinkRules.MaxTarget || (at > 0 && char.IsAsciiLetterOrDigit(text[at - 1]))) continue;
            var href = WithoutMarks(run).ToString();
            if (LinkRules.Target(href, Before(text.AsSpan(0, at)), others) is { } target && target == href) links.Add(new(at, href.Length, target));
        }

        return links;
    }

    /// <summary>A closing bracket stays where one was opened within.</summary>
    static ReadOnlySpan<char> WithoutMarks(ReadOnlySpan<char> url)
    {
        while (url.Length > 0)
        {
            var belongs = url[^1] switch
            {
                ')' => url.Count('(') >= url.Count(')'),
                ']' => url.Count('[') >= url.Count(']'),
                var last => !Marks.Contains(last, StringComparison.Ordinal),
            };
            if (belongs) break;
            url = url[..^1];
        }

        return url;
    }

    /// <summary>What says what a link is for: its line up to it, and the line above.</summary>
    static string Before(ReadOnlySpan<char> text)
    {
        var near = text[Math.Max(0, text.Length - MaxBefore)..];
        var line = near.LastIndexOf('\n');
        var above = line < 0 ? -1 : near[..line].LastIndexOf('\n');
        return near[(above + 1)..].ToString();
    }
}
