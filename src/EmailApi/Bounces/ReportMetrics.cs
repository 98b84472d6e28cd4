using System.Diagnostics.Metrics;
using EmailApi.Http;
using EmailApi.Operations;

namespace EmailApi.Bounces;

/// <summary>What came back, by kind and what became of it.</summary>
public sealed class ReportMetrics
{
    readonly Counter<long> taken;
    readonly Counter<long> refused;

    public ReportMetrics(IMeterFactory meters)
    {
        var meter = meters.Create(Metrics.Meter);
        taken = meter.CreateCounter<long>("emailapi.reports.taken", "{report}", "Bounces, complaints and the like, by way, kind and effect");
        refused = meter.CreateCounter<long>("emailapi.reports.refused", "{recipient}", "Recipients at the bounce domain that are no return path of ours");
    }

    public void Took(string way, TakenReport report) =>
        taken.Add(1, new("way", way), new("kind", report.Report.Kind.Word()), new("effect", report.Effect.Word()));

    public void Refused() => refused.Add(1);
}
