using System.Collections.Concurrent;
using EmailApi.Relays;

namespace EmailApi.Delivery;

/// <summary>The lanes that this node works on: one run each, whoever started it.</summary>
public sealed class LaneRuns(TimeProvider clock) : IAsyncDisposable
{
    readonly ConcurrentDictionary<string, Lane> lanes = new(StringComparer.Ordinal);
    readonly CancellationTokenSource stopping = new();

    public IEnumerable<string> Names => lanes.Keys;

    public IEnumerable<RelayConnections> Connections => lanes.Values.Select(l => l.Connections);

    public void Add(RelayOptions relay) => lanes[relay.Name] = new(new(relay, clock));

    public bool IsRunning(string lane) => lanes[lane].IsRunning;

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
