namespace EmailApi.Operations;

/// <summary>Has the collector look for large arrays that nobody needs any more. By itself it lets them grow to a multiple of what lives: 50 requests of 25 MB took 1.1 GB.</summary>
static class LargeGarbage
{
    const long CollectEvery = 64_000_000;

    static long left;

    /// <param name="bytes">That are not needed from now on. Counted until there is enough of it; then collected beside what else runs.</param>
    public static void Leave(long bytes)
    {
        if (Interlocked.Add(ref left, bytes) < CollectEvery) return;
        Interlocked.Exchange(ref left, 0);
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Forced, blocking: false);
    }
}
