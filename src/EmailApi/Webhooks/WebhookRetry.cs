namespace EmailApi.Webhooks;

/// <summary>When a call that failed is made again.</summary>
public static class WebhookRetry
{
    /// <summary>A webhook of which no call succeeded for so long is switched off.</summary>
    public static readonly TimeSpan OffAfter = TimeSpan.FromHours(120);

    /// <summary>What asks for longer is taken to ask for this: beyond it an event is worth little, and the schedule itself ends after 28 h.</summary>
    static readonly TimeSpan MaxRetryAfter = TimeSpan.FromHours(24);

    static readonly TimeSpan[] Waits =
    [
        TimeSpan.FromSeconds(5), TimeSpan.FromMinutes(5), TimeSpan.FromMinutes(30), TimeSpan.FromHours(2), TimeSpan.FromHours(5), TimeSpan.FromHours(10), TimeSpan.FromHours(10),
    ];

    /// <param name="attempts">Calls made so far; 1 after the first.</param>
    /// <param name="retryAfter">What the endpoint asked for.</param>
    /// <param name="random">From 0 to 1: where in the ±20 % the wait falls.</param>
    /// <returns>5 s, 5 and 30 min, 2, 5, 10 and 10 h, each ±20 %, and not less than was asked for; null: that was the last call.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="attempts"/> is below 1.</exception>
    public static TimeSpan? NextWait(int attempts, TimeSpan? retryAfter, double random)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(attempts, 1);
        if (attempts > Waits.Length) return null;
        var wait = Waits[attempts - 1] * (0.8 + 0.4 * random);
        return retryAfter > wait ? TimeSpan.FromTicks(Math.Min(retryAfter.Value.Ticks, MaxRetryAfter.Ticks)) : wait;
    }
}
