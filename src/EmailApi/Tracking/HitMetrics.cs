using System.Diagnostics.Metrics;
using EmailApi.Http;
using EmailApi.Operations;

namespace EmailApi.Tracking;

/// <summary>Opens and clicks, and what was not kept of them.</summary>
public sealed class HitMetrics
{
    readonly Counter<long> told;
    readonly Counter<long> dropped;

    public HitMetrics(IMeterFactory meters)
    {
        var meter = meters.Create(Metrics.Meter);
        told = meter.CreateCounter<long>("emailapi.tracking.hits", "{hit}", "Opens and clicks that became events, by kind and class");
        dropped = meter.CreateCounter<long>("emailapi.tracking.dropped", "{hit}", "Opens and clicks that were not recorded, by reason");
    }

    public void Told(Hit hit, HitVerdict verdict) => told.Add(1, new("kind", hit.Click is null ? "open" : "click"), new("class", verdict.Class.Word()));

    public void Dropped(string reason, int count = 1) => dropped.Add(count, new KeyValuePair<string, object?>("reason", reason));
}
