using System.Diagnostics.Metrics;
using EmailApi.Operations;

namespace EmailApi.Emails;

/// <summary>How many mails were committed, in groups of what size, and how long a commit took.</summary>
public sealed class AcceptMetrics
{
    readonly TimeProvider clock;
    readonly Counter<long> accepted, refused;
    readonly Histogram<double> commit;
    readonly Histogram<int> group;

    public AcceptMetrics(IMeterFactory meters, TimeProvider clock)
    {
        this.clock = clock;
        var meter = meters.Create(Metrics.Meter);
        accepted = meter.CreateCounter<long>("emailapi.emails.accepted", "{email}", "Emails committed");
        refused = meter.CreateCounter<long>("emailapi.requests.limited", "{request}", "Requests refused by a rate limit or a quota");
        commit = meter.CreateHistogram<double>("emailapi.accept.commit.duration", "s", "Time to write and commit a group",
            advice: new() { HistogramBucketBoundaries = [0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1, 5] });
        group = meter.CreateHistogram<int>("emailapi.accept.group.size", "{email}", "Emails in a group",
            advice: new() { HistogramBucketBoundaries = [1, 2, 4, 8, 16, 32, 64, 1000] });
    }

    public void Refused() => refused.Add(1);

    public long Start() => clock.GetTimestamp();

    public void Committed(int emails, long startedAt)
    {
        accepted.Add(emails);
        group.Record(emails);
        commit.Record(clock.GetElapsedTime(startedAt).TotalSeconds);
    }
}
