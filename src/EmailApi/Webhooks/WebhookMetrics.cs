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
        duration = meter.CreateHistogram<double>("emailapi.webhook.duration", "s", "How long webhook calls took");
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
