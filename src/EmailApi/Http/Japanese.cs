using System.Collections.Frozen;
using System.Text.RegularExpressions;

namespace EmailApi.Http;

/// <summary>Problem documents in Japanese. The code speaks English; what it says is looked up in <see cref="JapaneseTexts"/> when an answer is
/// written. A sentence that is not there, such as one of the framework's, stays English.</summary>
static partial class Japanese
{
    /// <summary>A pointer and a sentence in which a phrase stands are three; a text that a caller made up must not nest without end.</summary>
    const int MaxDepth = 4;

    static readonly FrozenDictionary<string, string> Sentences = JapaneseTexts.All.Where(t => !EnglishPlace().IsMatch(t.Key)).ToFrozenDictionary(StringComparer.Ordinal);

    /// <summary>The most specific first.</summary>
    static readonly Format[] Formats = [.. JapaneseTexts.All.Where(t => EnglishPlace().IsMatch(t.Key)).Select(t => new Format(t.Key, t.Value)).OrderByDescending(f => f.LiteralLength)];

    /// <summary>By the quality values of Accept-Language (RFC 9110 §12.5.4); of two that are equal the one named first wins, and <c>*</c> alone means English.</summary>
    public static bool IsPreferred(HttpRequest request)
    {
        if (request.Headers.AcceptLanguage.Count == 0) return false;
        var asked = request.GetTypedHeaders().AcceptLanguage;
        var (japanese, english) = (Rank("ja"), Rank("en"));
        return japanese.Quality > english.Quality || (japanese.Quality == english.Quality && japanese.Quality > 0 && japanese.Place < english.Place);

        (double Quality, int Place) Rank(string language)
        {
            var ranges = asked.Select((range, place) => (Tag: range.Value.ToString(), Quality: range.Quality ?? 1, Place: place)).ToList();
            var named = ranges.FindAll(r => r.Tag.Split('-')[0].Equals(language, StringComparison.OrdinalIgnoreCase));
            if (named.Count == 0) named = ranges.FindAll(r => r.Tag == "*");
            return named.Count == 0 ? (0, 0) : named.Select(r => (r.Quality, r.Place)).MaxBy(r => r.Quality);
        }
    }

    /// <summary>The same problem, told in Japanese; what programs read stays.</summary>
    public static Problem Of(Problem problem) => problem with
    {
        Title = Of(problem.Title),
        Detail = problem.Detail is { } detail ? Of(detail) : null,
        Errors = problem.Errors?.Select(e => e with { Detail = Of(e.Detail) }).ToList(),
    };

    public static string Of(string english) => Find(english, 0) ?? english;

    static string? Find(string english, int depth)
    {
        if (Sentences.TryGetValue(english, out var japanese)) return japanese;
        return depth == MaxDepth ? null : Formats.Select(f => f.Translate(english, depth)).FirstOrDefault(t => t is not null);
    }

    /// <summary>Within another sentence the full stop may be left out.</summary>
    static string? FindPart(string english, int depth) => Find(english, depth) ?? Find(english + ".", depth)?.TrimEnd('。');

    /// <summary>A sentence with places for values.</summary>
    sealed class Format
    {
        readonly string prefix, japanese;
        readonly Lazy<Regex> pattern;

        public Format(string english, string japanese)
        {
            var literals = EnglishPlace().Split(english);
            (prefix, this.japanese, LiteralLength) = (literals[0], japanese, literals.Sum(l => l.Length));
            pattern = new(() => new($@"\A{string.Join("(.*?)", literals.Select(Regex.Escape))}\z", RegexOptions.Singleline | RegexOptions.CultureInvariant | RegexOptions.NonBacktracking));
        }

        public int LiteralLength { get; }

        /// <summary>Null when the text is not of this form.</summary>
        public string? Translate(string english, int depth)
        {
            if (!english.StartsWith(prefix, StringComparison.Ordinal) || pattern.Value.Match(english) is not { Success: true } found) return null;
            var isWhole = true;
            var text = JapanesePlace().Replace(japanese, place =>
            {
                var value = found.Groups[place.Groups[1].ValueSpan[0] - '0' + 1].Value;
                if (!place.Groups[2].Success) return value;
                var part = FindPart(value, depth + 1);
                isWhole &= part is not null;
                return part ?? "";
            });
            return isWhole ? text : null;
        }
    }

    [GeneratedRegex(@"\{[0-9]\}")]
    private static partial Regex EnglishPlace();

    [GeneratedRegex(@"\{([0-9])(:ja)?\}")]
    private static partial Regex JapanesePlace();
}
