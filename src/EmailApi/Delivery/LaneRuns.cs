using System.Collections.Concurrent;
using EmailApi.Relays;

namespace EmailApi.Delivery;

/// <summary>The lanes that this node works on: one run each, whoever started it.</summary>
public sealed class LaneRuns(TimeProvider clock) : IAsyncDisposable
{
    readonly ConcurrentDictionary<string, Lane> lanes = new(StringComparer.Ordinal);
    readonly CancellationTokenSource stopping = new();
    RelayConnections[] inOrder = [];

    public IEnumerable<string> Names => lanes.Keys;

    public IEnumerable<RelayConnections> Connections => lanes.Values.Select(l => l.Connections);

    /// <summary>Those of the settings, in their order.</summary>
    public IReadOnlyList<RelayConnections> Configured => inOrder;

    /// <param name="standIn">Whether it takes the mail of others of this kind that are down, and they its own.</param>
    public void Add(RelayOptions relay, bool standIn)
    {
        var lane = lanes[relay.Name] = new(new(relay, clock));
        if (standIn) inOrder = [.. inOrder, lane.Connections];
    }

    /// <summary>The lanes that a relay takes mail of: its own, and while others are down theirs, if it is the first that is not. With all down
    /// each probes with anybody's mail, or one whose own lane is empty would never be found to be back.</summary>
    public IEnumerable<string> LanesOf(RelayConnections relay)
    {
        yield return relay.Relay.Name;
        if (Array.IndexOf(inOrder, relay) < 0 || (Array.Find(inOrder, r => !r.IsDown) ?? relay) != relay) yield break;
        foreach (var down in inOrder)
            if (down != relay && down.IsDown) yield return down.Relay.Name;
    }

    /// <summary>Whether another relay takes this one's mail while it is down.</summary>
    public bool HasStandIn(RelayConnections relay) => Array.IndexOf(inOrder, relay) >= 0 && Array.Exists(inOrder, r => r != relay && !r.IsDown);

    public bool IsRunning(string lane) => lanes[lane].IsRunning;

    /// <summary>Some lane may still be claiming.</summary>
    public bool AreRunning => lanes.Values.Any(lane => lane.IsRunning);

    /// <summary>Begins the lane's run; null when it has one, or when the node does not know the lane or stops.</summary>
    public Run? TryBegin(string lane) =>
        !IsStopping && lanes.TryGetValue(lane, out var known) && known.TryBegin()
            ? new Run(known, stopping.Token)
            : null;

    public bool IsStopping => stopping.IsCancellationRequested;

    /// <summary>Ends the claiming; dialogues go on.</summary>
    public void Stop() => stopping.Cancel();

    public async ValueTask DisposeAsync()
    {
        foreach (var lane in lanes.Values) await lane.Connections.DisposeAsync();
        stopping.Dispose();
    }

    sealed class Lane(RelayConnections connections)
    {
        int running;

        public RelayConnections Connections { get; } = connections;

        public bool IsRunning => Volatile.Read(ref running) == 1;

        public bool TryBegin() => Interlocked.CompareExchange(ref running, 1, 0) == 0;

        public void End() => Volatile.Write(ref running, 0);
    }

    /// <summary>A run that has begun; disposing it lets another begin.</summary>
    public sealed class Run : IDisposable
    {
        readonly Action end;

        internal Run(object lane, CancellationToken stopping)
        {
            var known = (Lane)lane;
            (Connections, Stopping, end) = (known.Connections, stopping, known.End);
        }

        public RelayConnections Connections { get; }
        public CancellationToken Stopping { get; }

        public void Dispose() => end();
    }
}
