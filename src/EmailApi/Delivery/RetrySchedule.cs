namespace EmailApi.Delivery;

/// <summary>When a deferred recipient is tried again.</summary>
public static class RetrySchedule
{
    static readonly TimeSpan[] Waits =
    [
        TimeSpan.FromMinutes(1), TimeSpan.FromMinutes(5), TimeSpan.FromMinutes(15), TimeSpan.FromMinutes(30),
        TimeSpan.FromHours(1), TimeSpan.FromHours(2), TimeSpan.FromHours(4), TimeSpan.FromHours(8),
    ];

    /// <param name="waits">The stream's own; null: the server's.</param>
    /// <param name="attempts">Attempts made so far; 1 after the first.</param>
    /// <param name="random">From 0 to 1: where in the ±15 % the wait falls.</param>
    /// <returns>1, 5, 15, 30 min, then 1, 2, 4 and every 8 h, each ±15 %. The caller gives up when that is past the recipient's
    /// <c>ExpiresAt</c>.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="attempts"/> is below 1.</exception>
    /// <remarks>RFC 5321 §4.5.4.1 asks for 30 min between tries; the first waits are shorter on purpose, for greylisting.</remarks>
    public static TimeSpan NextWait(TimeSpan[]? waits, int attempts, double random)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(attempts, 1);
        waits ??= Waits;
        return waits[Math.Min(attempts, waits.Length) - 1] * (0.85 + 0.3 * random);
    }
}
