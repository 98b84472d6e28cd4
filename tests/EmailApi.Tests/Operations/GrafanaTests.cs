using System.Diagnostics.Metrics;
using System.Text.Json;
using System.Text.RegularExpressions;
using EmailApi.Tests.Support;

namespace EmailApi.Tests.Operations;

/// <summary>The dashboard and the list of alerts speak of figures that there are.</summary>
public sealed partial class GrafanaTests
{
    [Fact]
    public async Task Each_figure_that_is_shown_or_alerted_on_is_one_of_the_apps()
    {
        var instruments = new HashSet<string>(StringComparer.Ordinal);
        using var listener = new MeterListener { InstrumentPublished = (instrument, _) => { lock (instruments) instruments.Add(instrument.Name.Replace('.', '_')); } };
        listener.Start();
        await using var app = await TestApp.StartAsync();
        using (await app.Http.GetAsync("/livez", TestContext.Current.CancellationToken)) { }

        using var dashboard = JsonDocument.Parse(await File.ReadAllTextAsync(Path.Combine(Tree.Top, "deploy", "grafana-dashboard.json"), TestContext.Current.CancellationToken));
        var shown = dashboard.RootElement.GetProperty("panels").EnumerateArray()
            .SelectMany(p => p.GetProperty("targets").EnumerateArray()).SelectMany(t => Figures(t.Text("expr"))).ToList();
        var operations = await File.ReadAllTextAsync(Path.Combine(Tree.Top, "docs", "operations.md"), TestContext.Current.CancellationToken);
        var named = Figures(operations[operations.IndexOf("`/metrics` gives these", StringComparison.Ordinal)..operations.IndexOf("### Traces and OTLP", StringComparison.Ordinal)]).ToList();

        Assert.True(shown.Count >= 15 && named.Count >= 20);
        Assert.All(shown.Concat(named).Distinct(), figure => Assert.Contains(instruments, name => Endings().Replace(figure, "") == name));
    }

    static IEnumerable<string> Figures(string text) => Figure().Matches(text).Select(m => m.Value);

    [GeneratedRegex(@"\b(emailapi_[a-z_]+[a-z]|http_server_request_duration_seconds[a-z_]*)\b(?!\.)")]
    private static partial Regex Figure();

    /// <summary>What Prometheus adds to a name: the unit, and what it is.</summary>
    [GeneratedRegex("(_seconds)?(_total|_bucket|_count)?$")]
    private static partial Regex Endings();
}
