namespace EmailApi.Statistics;

/// <summary>Times from acceptance (or <c>send_at</c>) to the relay's yes, kept in buckets that each reach a tenth further than the one before: a percentile is right to 5 %,
/// and 200 of them reach over two days.</summary>
static class TimeToRelay
{
    public const string Measure = "time_to_relay";

    /// <summary>Each bucket is so many times as long as the one before.</summary>
    public const double Step = 1.1;

    /// <summary>The middle of the bucket in which the share lies, in milliseconds.</summary>
    /// <param name="counts">By bucket; not empty.</param>
    /// <param name="share">0.5 is the median.</param>
    public static double Percentile(IReadOnlyDictionary<short, long> counts, double share)
    {
        var rank = (long)Math.Ceiling(counts.Values.Sum() * share);
        foreach (var (bucket, count) in counts.OrderBy(c => c.Key))
        {
            rank -= count;
            if (rank <= 0) return Math.Round(Math.Pow(Step, bucket + 0.5), 1);
        }

        throw new ArgumentException("There are no times.", nameof(counts));
    }
}
