using System.Globalization;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using EmailApi.Http;

namespace EmailApi.Tests.Http;

/// <summary>The Japanese catalogue and the sentences in the code are the same.</summary>
public sealed partial class JapaneseTextsTests
{
    /// <summary>Folders and files that tell clients nothing: they speak to operators, to SMTP peers, or in the contract.</summary>
    static readonly string[] Others = ["/Admin/", "/Data/", "/Relays/", "/Restore/", "/SmtpServer/", "/Bounces/Reading/", "/BounceOptions.cs", "/obj/", "/bin/", "/OpenApi", "/AppOptions", "/SettingsCheck.cs", "/StartRefusals.cs", "/Greeting.cs", "/JapaneseTexts.cs"];

    /// <summary>Sentences that the code puts together of parts, and whose Japanese is not made of those parts.</summary>
    static readonly string[] Composed = ["A space cannot ", "#{0}: ", "The body is not JSON: {0} (line "];

    [Fact]
    public void Every_sentence_that_a_client_may_be_told_has_its_Japanese()
    {
        var told = Lines().Where(l => !NotTold().IsMatch(l)).SelectMany(Literals).Where(l => Sentence().IsMatch(l))
            .Concat(Lines().Where(l => Phrases().IsMatch(l)).SelectMany(Literals).Where(l => Words().IsMatch(l))).Distinct().ToList();

        Assert.InRange(told.Count, 150, 1000);
        AssertNone(told.Except(JapaneseTexts.All.Keys), "JapaneseTexts has no Japanese for");
    }

    [Fact]
    public void Nothing_is_translated_that_nobody_says()
    {
        var said = Lines().SelectMany(Literals).ToHashSet(StringComparer.Ordinal);

        AssertNone(JapaneseTexts.All.Keys.Except(said).Where(k => !Composed.Any(c => k.StartsWith(c, StringComparison.Ordinal))), "The code no longer says");
    }

    [Fact]
    public void Every_kind_of_problem_has_a_Japanese_title()
    {
        var kinds = typeof(ProblemKind).GetFields(BindingFlags.Public | BindingFlags.Static).Select(f => f.GetValue(null)).OfType<ProblemKind>().ToList();

        Assert.True(kinds.Count > 20);
        Assert.All(kinds, kind => Assert.Matches(JapaneseTests.Letters, Japanese.Of(kind.Title)));
    }

    [Fact]
    public void A_translation_has_the_places_of_its_sentence() =>
        Assert.All(JapaneseTexts.All, t => Assert.Equal(
            Place().Matches(t.Key).Select(p => p.Groups[1].Value).Order().Distinct(), Place().Matches(t.Value).Select(p => p.Groups[1].Value).Order().Distinct()));

    static void AssertNone(IEnumerable<string> sentences, string fault)
    {
        var list = sentences.ToList();
        Assert.True(list.Count == 0, $"{fault}:\n{string.Join('\n', list)}");
    }

    /// <summary>The code, line by line, without comments.</summary>
    static IEnumerable<string> Lines() =>
        Directory.EnumerateFiles(Source(), "*.cs", SearchOption.AllDirectories).Where(f => !Others.Any(o => f.Replace('\\', '/')[Source().Length..].Contains(o, StringComparison.Ordinal)))
            .SelectMany(File.ReadLines).Select(line => Comment().Replace(line, ""));

    /// <summary>The strings of a line, those inside interpolations too; an interpolation becomes a numbered place.</summary>
    static IEnumerable<string> Literals(string line)
    {
        foreach (var text in Literal().Matches(line).Select(m => m.Value).Where(t => !t.StartsWith('\'')))
        {
            var content = text[(text.IndexOf('"') + 1)..^1];
            var (hole, n) = (text.StartsWith('$') ? Interpolation() : Group(), 0);
            yield return hole.Replace(content, _ => string.Create(CultureInfo.InvariantCulture, $"{{{n++}}}")).Replace("\\\"", "\"", StringComparison.Ordinal);
            foreach (var inner in hole.Matches(content).SelectMany(m => Literals(m.Value))) yield return inner;
        }
    }

    static string Source([CallerFilePath] string here = "") => Path.GetFullPath(Path.Combine(Path.GetDirectoryName(here)!, "..", "..", "..", "src", "EmailApi"));

    [GeneratedRegex(@"(^|\s)//.*")]
    private static partial Regex Comment();

    /// <summary>An interpolated string, a plain one, or a character, which may be a quote.</summary>
    [GeneratedRegex("""\$"(?:\\.|\{\{|\}\}|\{(?:[^{}"]|"(?:\\.|[^"\\])*")*\}|[^"\\{}])*"|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])'""")]
    private static partial Regex Literal();

    [GeneratedRegex("""\{(?:[^{}"]|"(?:\\.|[^"\\])*")*\}""")]
    private static partial Regex Interpolation();

    /// <summary>A group in what a regular expression is replaced by.</summary>
    [GeneratedRegex(@"\$[0-9]")]
    private static partial Regex Group();

    [GeneratedRegex(@"^['{]*\w.* .*[.…]$|^[A-Z].* .*: \{[0-9]\}$|^\{0\} .*\)$")]
    private static partial Regex Sentence();

    /// <summary>Calls and lists whose strings become part of a sentence.</summary>
    [GeneratedRegex(@"Wrong\(|WrongStateAsync\(|Duration\(|^        [\[(]""[\w-]+""(\] =|,) ""[a-z ,_]+""\)?,$|const string (Trace|Signed)")]
    private static partial Regex Phrases();

    [GeneratedRegex("[a-z] [a-z0-9]")]
    private static partial Regex Words();

    [GeneratedRegex(@"LoggerMessage|(InvalidOperation|InvalidData|DatabaseUnavailable|StartRefused|Format|Argument)Exception\(|Console\.|RelayReply|trouble = |EndsWith\(")]
    private static partial Regex NotTold();

    [GeneratedRegex(@"\{([0-9])(?::ja)?\}")]
    private static partial Regex Place();
}
