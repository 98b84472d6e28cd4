using EmailApi.Data;
using EmailApi.Delivery;

namespace EmailApi.Pauses;

/// <summary>Holds what a new pause matches, and releases what a resumed one held, in steps: a little within the request, the rest by the sweeper. Each step is
/// a transaction that also moves the mark, so a node that dies leaves the next step to any other.</summary>
public sealed class WalkPauses(EngineDatabase database, DeliverySignals signals, TimeProvider clock)
{
    static readonly TimeSpan AtMost = TimeSpan.FromSeconds(1);

    /// <summary>Walks for about a second.</summary>
    /// <param name="only">The pause to walk for; null: all there are.</param>
    public async Task WalkAsync(long? only, CancellationToken cancel)
    {
        var started = clock.GetTimestamp();
        while (clock.GetElapsedTime(started) < AtMost && await PauseSql.WalkAsync(database.Source, only, cancel) is { } step)
        {
            if (step.IsRelease) signals.WakeAll();
            if (step.IsLast && only is not null) return;
        }
    }
}
