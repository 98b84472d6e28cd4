using System.Collections.Concurrent;

namespace EmailApi.Delivery;

/// <summary>Wakes a lane's run inside this process: making a job for each wake would cost more than the mail. Best effort; a run that is
/// not woken looks at the queue each second.</summary>
public sealed class DeliverySignals
{
    readonly ConcurrentDictionary<string, SemaphoreSlim> lanes = new(StringComparer.Ordinal);

    /// <summary>Raised when there is new work and no run of this node to do it: the sign to tell other nodes.</summary>
    public event Action? WorkForOthers;

    public bool HasRuns { get; set; }

    public void Wake(string lane)
    {
        if (!HasRuns) { WorkForOthers?.Invoke(); return; }
        var signal = Of(lane);
        try
        {
            if (signal.CurrentCount == 0) signal.Release();
        }
        catch (SemaphoreFullException)
        {
            // Another thread woke it in between.
        }
    }

    public void WakeAll()
    {
        foreach (var lane in lanes.Keys) Wake(lane);
    }

    /// <returns>When woken, or after <paramref name="atMost"/>.</returns>
    public Task WaitAsync(string lane, TimeSpan atMost, CancellationToken cancel) => Of(lane).WaitAsync(atMost, cancel);

    SemaphoreSlim Of(string lane) => lanes.GetOrAdd(lane, _ => new(0, 1));
}
