namespace EmailApi.Limits;

/// <summary>One limit on one node: tokens that this node has leased from the database, where all nodes share them. Taking one of them asks
/// nobody; a lease takes what about 100 ms need, so that nodes share fairly and little is stranded.</summary>
sealed class Bucket(TimeProvider clock)
{
    /// <summary>After a lease that gave nothing nobody asks again for so long.</summary>
    static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100);

    /// <summary>Tokens that nobody took for so long are void: the shared bucket has filled up meanwhile.</summary>
    static readonly TimeSpan Life = TimeSpan.FromSeconds(5);

    readonly Lock gate = new();
    double tokens;
    Lease last = new(0, 0, default);
    long leasedAt;
    long refusedAt;
    bool isRefused;
    int refusedNeed;
    Task? leasing;

    /// <summary>When the last lease was taken, for a look at what is left.</summary>
    public TimeSpan Age => clock.GetElapsedTime(leasedAt);

    /// <summary>Tokens left in the shared bucket at the last lease, and here.</summary>
    public double Left { get { lock (gate) return last.Left + tokens; } }

    public DateTimeOffset EndsAt { get { lock (gate) return last.EndsAt; } }

    /// <param name="lease">Leases from the database: at least so many tokens or none.</param>
    /// <returns>False: the limit is reached.</returns>
    public async ValueTask<bool> TryTakeAsync(int count, Func<int, Task<Lease>> lease)
    {
        while (true)
        {
            Task wait;
            lock (gate)
            {
                if (IsOver()) tokens = 0;
                if (tokens >= count)
                {
                    tokens -= count;
                    return true;
                }

                if (leasing is null)
                {
                    if (isRefused && refusedNeed <= count && clock.GetElapsedTime(refusedAt) < Pause) return false;
                    leasing = LeaseAsync(count - (int)tokens, lease);
                }

                wait = leasing;
            }

            await wait;
        }
    }

    public void Give(int count)
    {
        lock (gate) tokens += count;
    }

    /// <summary>What was leased and not used, to be returned; nothing is left here.</summary>
    public double Drain()
    {
        lock (gate)
        {
            var left = IsOver() ? 0 : tokens;
            tokens = 0;
            return left;
        }
    }

    bool IsOver() => last.EndsAt == default ? clock.GetElapsedTime(leasedAt) > Life : clock.GetUtcNow() >= last.EndsAt;

    async Task LeaseAsync(int need, Func<int, Task<Lease>> lease)
    {
        await Task.Yield();   // not under the caller's lock
        try
        {
            var given = await lease(need);
            lock (gate)
            {
                tokens += given.Count;
                (last, leasedAt) = (given, clock.GetTimestamp());
                (isRefused, refusedAt, refusedNeed) = (given.Count == 0, leasedAt, need);
                leasing = null;
            }
        }
        catch
        {
            lock (gate) leasing = null;
            throw;
        }
    }
}

/// <summary>What the database gave.</summary>
/// <param name="Count">Tokens; 0 when there were fewer than needed.</param>
/// <param name="Left">Tokens that are left there for all nodes.</param>
/// <param name="EndsAt">When a quota's period is over and all tokens are void; default for a rate.</param>
readonly record struct Lease(int Count, double Left, DateTimeOffset EndsAt);
