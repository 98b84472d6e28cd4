using System.Diagnostics;
using System.Globalization;

namespace EmailApi.Faults;

/// <summary>One run of one scenario: its numbers, its seed, and what it has said so far.</summary>
sealed class Run(Scenario scenario, IReadOnlyDictionary<string, int> given, bool isShort, int seed, TextWriter output, CancellationToken cancel)
{
    readonly Stopwatch watch = Stopwatch.StartNew();
    readonly List<string> kept = [];
    readonly List<string> broken = [];

    public CancellationToken Cancel => cancel;
    public int Seed => seed;
    public bool IsShort => isShort;

    /// <summary>From the seed alone: what is killed and when. Not safe for use from several threads.</summary>
    public Random Random { get; } = new(seed);

    public TimeSpan Elapsed => watch.Elapsed;
    public bool Holds => broken.Count == 0;

    public int this[string parameter] =>
        given.TryGetValue(parameter, out var number) ? number
        : scenario.Parameters.First(p => p.Name == parameter) is var usual && isShort ? usual.Short : usual.Full;

    public void Begin()
    {
        output.WriteLine($"== {scenario.Name}: {scenario.Sentence}");
        Say($"{string.Join(' ', scenario.Parameters.Select(p => $"{p.Name}={this[p.Name]}"))} seed={seed}");
    }

    public void Say(string line) => output.WriteLine($"  {line}");

    /// <summary>Where it stands, for who watches the full form.</summary>
    public void Progress(string line)
    {
        if (!isShort) Say($"[{Elapsed.TotalSeconds,5:0} s] {line}");
    }

    /// <summary>A figure without a bar.</summary>
    public void Count(string what, object figure) => Say(string.Create(CultureInfo.InvariantCulture, $"{what,-44} {figure}"));

    /// <summary>A figure that must not be above its bar.</summary>
    public void AtMost(string what, double figure, double bar, string unit = "") =>
        Bar(what, figure <= bar, $"{Number(figure)}{unit}", bar == 0 ? "0" : $"<= {Number(bar)}{unit}");

    /// <summary>A figure that must not be below its bar.</summary>
    public void AtLeast(string what, double figure, double bar, string unit = "") => Bar(what, figure >= bar, $"{Number(figure)}{unit}", $">= {Number(bar)}{unit}");

    /// <summary>Something that must be so.</summary>
    public void Must(string what, bool isSo, string otherwise = "no") => Bar(what, isSo, isSo ? "yes" : otherwise, "yes");

    /// <summary>The last line of a run.</summary>
    /// <returns>Whether every bar was kept.</returns>
    public bool End(Exception? error = null)
    {
        if (error is not null) broken.Add($"{error.GetType().Name}: {error.Message.ReplaceLineEndings(" ")}");
        if (error is not null) Say(error.ToString().ReplaceLineEndings("\n  "));
        output.WriteLine(Holds
            ? $"ok {scenario.Name}: {string.Join(", ", kept)} ({Elapsed.TotalSeconds:0} s)"
            : $"FAIL {scenario.Name}: {string.Join(", ", broken)} (seed {seed}, {Elapsed.TotalSeconds:0} s)");
        return Holds;
    }

    void Bar(string what, bool isKept, string figure, string bar)
    {
        Say($"{what,-44} {figure}  ({(isKept ? "bar" : "BROKEN, the bar is")} {bar})");
        (isKept ? kept : broken).Add(isKept ? $"{what} {figure}" : $"{what} {figure} (bar {bar})");
    }

    static string Number(double figure) => figure.ToString(figure == Math.Floor(figure) ? "#,0" : "#,0.0##", CultureInfo.InvariantCulture);
}
