using EmailApi.Emails;
using EmailApi.Http;

namespace EmailApi.Statistics;

/// <summary>Counts as they come from the table, made into points.</summary>
sealed class StatsTally
{
    /// <summary>Counted beside the types of events themselves.</summary>
    static readonly IReadOnlyList<string> Measures = new[]
    {
        "accepted", "bounced_late", "approved", "released", "retried", "opened", "opened_first", "opened_human", "opened_human_first",
        "clicked", "clicked_first", "clicked_human", "clicked_human_first", "unsubscribed", "read_receipt",
    }.Concat(Enum.GetValues<RecipientState>().Where(s => s is not RecipientState.Queued and not RecipientState.Sending).Select(s => s.Word())).Order(StringComparer.Ordinal).ToList();

    readonly Dictionary<(DateTimeOffset? At, string Value), Sum> sums = [];
    readonly Sum total = new();

    public void Add(DateTimeOffset? at, string value, string measure, short bucket, long count)
    {
        if (sums.TryGetValue((at, value), out var sum)) sum.Add(measure, bucket, count);
        else (sums[(at, value)] = new()).Add(measure, bucket, count);
    }

    public void AddToTotal(string measure, short bucket, long count) => total.Add(measure, bucket, count);

    /// <summary>By tags a mail counts for each that it has, and so does the total.</summary>
    public StatsNumbers Total() => new(total.Counts, total.Rates, total.TimeToRelay);

    /// <param name="limit">Of values; the times of each are all shown.</param>
    public (IReadOnlyList<StatsPoint> Points, bool IsCut) Points(StatsBy by, int limit)
    {
        var values = sums.GroupBy(s => s.Key.Value, StringComparer.Ordinal)
            .OrderByDescending(g => g.Sum(s => s.Value.Mail)).ThenBy(g => g.Key, StringComparer.Ordinal).ToList();
        var points = values.Take(limit).SelectMany(g => g.OrderBy(s => s.Key.At).Select(s => new StatsPoint(
            s.Key.At?.ToUniversalTime(), by is StatsBy.Time ? null : s.Key.Value, s.Value.Counts, s.Value.Rates, s.Value.TimeToRelay)));
        return ([.. points], values.Count > limit);
    }

    sealed class Sum
    {
        readonly Dictionary<string, long> counts = new(StringComparer.Ordinal);
        readonly Dictionary<short, long> times = [];

        public void Add(string measure, short bucket, long count)
        {
            if (measure == Statistics.TimeToRelay.Measure) times[bucket] = times.GetValueOrDefault(bucket) + count;
            else counts[measure] = Of(measure) + count;
        }

        long Of(string measure) => counts.GetValueOrDefault(measure);

        /// <summary>By relay nothing is accepted.</summary>
        public long Mail => Math.Max(Of("accepted"), Of("sent"));

        public IReadOnlyDictionary<string, long> Counts => new OrderedDictionary<string, long>(Measures.Select(m => KeyValuePair.Create(m, Of(m))), StringComparer.Ordinal);

        public StatsRates Rates
        {
            get
            {
                var (sent, refused) = (Of("sent"), Of("bounced") - Of("bounced_late"));
                return new(
                    Share(Of("deferred"), sent + refused + Of("deferred")), Share(Of("bounced"), sent + refused), Share(Of("complained"), sent),
                    Share(Of("opened_first"), sent), Share(Of("opened_human_first"), sent), Share(Of("clicked_first"), sent), Share(Of("clicked_human_first"), sent));
            }
        }

        public TimeToRelayResponse? TimeToRelay => times.Count == 0 ? null
            : new(Statistics.TimeToRelay.Percentile(times, 0.5), Statistics.TimeToRelay.Percentile(times, 0.95), Statistics.TimeToRelay.Percentile(times, 0.99));

        /// <summary>A late bounce may be of mail that was sent before.</summary>
        static double? Share(long part, long whole) => whole == 0 ? null : Math.Min(1, Math.Round((double)part / whole, 4));
    }
}
