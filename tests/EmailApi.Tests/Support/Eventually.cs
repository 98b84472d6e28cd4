namespace EmailApi.Tests.Support;

/// <summary>Waits for what comes about in its own time, by looking again and again.</summary>
static class Eventually
{
    /// <exception cref="TimeoutException">It was not so in time.</exception>
    public static Task IsAsync(Func<bool> isSo, TimeSpan within) => IsAsync(() => Task.FromResult(isSo()), within);

    /// <exception cref="TimeoutException">It was not so in time.</exception>
    public static async Task IsAsync(Func<Task<bool>> isSo, TimeSpan within)
    {
        var startedAt = TimeProvider.System.GetTimestamp();
        while (!await isSo())
        {
            if (TimeProvider.System.GetElapsedTime(startedAt) > within) throw new TimeoutException($"It did not come about within {within.TotalSeconds:0} s.");
            await Task.Delay(30, TestContext.Current.CancellationToken);
        }
    }
}
