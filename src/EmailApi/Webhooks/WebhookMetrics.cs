using System.Diagnostics.Metrics;
using EmailApi.Http;
using EmailApi.Operations;

namespace EmailApi.Webhooks;

/// <summary>Figures of this node's calls.</summary>
public sealed class WebhookMetrics
{
    readonly Counter<long> calls;
    readonly Histogram<double> duration;

    public WebhookMetrics(IMeterFactory meters)
    {
        var meter = meters.Create(Metrics.Meter);
        calls = meter.CreateCounter<long>("emailapi.webhook.calls", "{call}", "Webhook calls by outcome");
        duration = meter.CreateHistogram<double>("emailapi.webhook.duration", "s", "How long webhook calls took",
            advice: new() { HistogramBucketBoundaries = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15] });
    }

    public void Recorded(IReadOnlyList<MadeCall> made)
    {
        foreach (var call in made.Where(c => !c.IsWithoutEvent))
        {
            calls.Add(1, new KeyValuePair<string, object?>("outcome", call.Outcome.Word()));
            duration.Record(call.Answer.Duration.TotalSeconds);
        }
    }
}
