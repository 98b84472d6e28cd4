using System.Diagnostics.Metrics;
using EmailApi.Http;
using EmailApi.Operations;

namespace EmailApi.Delivery;

/// <summary>Outcomes by state and relay, and how busy the connections are.</summary>
public sealed class DeliveryMetrics
{
    readonly Counter<long> recorded;
    readonly Counter<long> superseded;
    readonly Counter<long> inDoubt;
    readonly Counter<long> recovered;

    public DeliveryMetrics(IMeterFactory meters, LaneRuns runs)
    {
        var meter = meters.Create(Metrics.Meter);
        recorded = meter.CreateCounter<long>("emailapi.recipients.recorded", "{recipient}", "Outcomes recorded, by state and relay");
        superseded = meter.CreateCounter<long>("emailapi.recipients.superseded", "{recipient}", "Outcomes that came after the recipient was claimed again");
        inDoubt = meter.CreateCounter<long>("emailapi.recipients.in_doubt", "{recipient}", "Recipients that a relay may have taken, whatever the stream's rule made of them, by relay");
        recovered = meter.CreateCounter<long>("emailapi.recipients.recovered", "{recipient}", "Recipients that a relay took from a node that died, recorded from what it left in the data directory");
        meter.CreateObservableGauge("emailapi.relay.connections.busy",
            () => runs.Connections.Select(c => new Measurement<int>(c.InUse, new KeyValuePair<string, object?>("relay", c.Relay.Name))), "{connection}", "Connections in use");
    }

    public void Recovered(int count)
    {
        if (count > 0) recovered.Add(count);
    }

    public void Recorded(IReadOnlyList<Result> results, int written)
    {
        foreach (var group in results.GroupBy(r => (r.Transition.State, r.Attempt?.Relay)))
            recorded.Add(group.Count(), new("state", group.Key.State.Word()), new("relay", group.Key.Relay ?? "none"));
        foreach (var relay in results.Where(r => r.IsDoubt).GroupBy(r => r.Attempt?.Relay)) inDoubt.Add(relay.Count(), new KeyValuePair<string, object?>("relay", relay.Key ?? "none"));
        if (written < results.Count) superseded.Add(results.Count - written);
    }
}
