using System.Collections.Concurrent;
using System.Threading.Channels;
using EmailApi.Data;

namespace EmailApi.Tracking;

/// <summary>Makes events of opens and clicks, in groups, behind the answers: a picture or a redirect waits for no write. What waits here is lost when the node is killed, up to a second of it:
/// an open proves nothing, and is no reason to keep a reader waiting.</summary>
public sealed partial class HitWriter(EngineDatabase database, DatabaseGate gate, HitMetrics metrics, TimeProvider clock, ILogger<HitWriter> logger) : BackgroundService
{
    const int Capacity = 20_000;
    const int MaxGroup = 500;

    /// <summary>What one copy may have waiting: whoever calls one link over and over takes no room from others.</summary>
    const int MaxOfCopy = 100;

    /// <summary>How long a first hit waits for others: those of a scanner come together, and are judged together.</summary>
    static readonly TimeSpan Gather = TimeSpan.FromSeconds(1);
    static readonly TimeSpan TryAgain = TimeSpan.FromMilliseconds(100);

    readonly Channel<Hit> waiting = Channel.CreateBounded<Hit>(new BoundedChannelOptions(Capacity) { SingleReader = true });
    readonly ConcurrentDictionary<CopyId, int> ofCopy = new();

    /// <summary>Returns at once; what finds no room is counted and forgotten.</summary>
    public void Add(Hit hit)
    {
        if (ofCopy.AddOrUpdate(hit.Copy, 1, (_, count) => count + 1) <= MaxOfCopy && waiting.Writer.TryWrite(hit)) return;
        Settled(hit);
        metrics.Dropped("overflow");
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var group = new List<Hit>(MaxGroup);
        // Not ended by the stop: what was taken is written, within the time that the host gives.
        while (await waiting.Reader.WaitToReadAsync(CancellationToken.None))
        {
            if (waiting.Reader.Count < MaxGroup) await Task.Delay(Gather, clock, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            while (group.Count < MaxGroup && waiting.Reader.TryRead(out var hit)) group.Add(hit);
            await WriteAsync(group, stoppingToken);
            group.Clear();
        }
    }

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        waiting.Writer.TryComplete();
        await base.StopAsync(cancellationToken);
        if (ExecuteTask is { } loop) await loop.WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    async Task WriteAsync(List<Hit> hits, CancellationToken stopping)
    {
        while (hits.Count > 0)
        {
            try
            {
                await gate.WaitAsync(stopping);
                var outcome = await HitSql.WriteAsync(database.Source, hits, clock, CancellationToken.None);
                foreach (var (hit, verdict) in outcome.Told) metrics.Told(hit, verdict);
                foreach (var hit in hits.Except(outcome.Locked, ReferenceEqualityComparer.Instance)) Settled((Hit)hit!);
                metrics.Dropped("gone", hits.Count - outcome.Told.Count - outcome.Locked.Count);
                hits = outcome.Locked;
                if (hits.Count == 0) return;
            }
            catch (Exception error) when (!stopping.IsCancellationRequested && DatabaseTrouble.IsUnavailable(error))
            {
                // Later: meanwhile no more than there is room for waits.
            }
            catch (Exception error) when (hits.Count > 1 && !stopping.IsCancellationRequested)
            {
                LogSplit(logger, error, hits.Count);
                foreach (var hit in hits) await WriteAsync([hit], stopping);
                return;
            }
            catch (Exception error)
            {
                LogLost(logger, error, hits.Count);
                foreach (var hit in hits)
                {
                    Settled(hit);
                    metrics.Dropped("failed");
                }

                return;
            }

            await Task.Delay(TryAgain, clock, CancellationToken.None);
        }
    }

    void Settled(Hit hit)
    {
        if (ofCopy.AddOrUpdate(hit.Copy, 0, (_, count) => count - 1) <= 0) ofCopy.TryRemove(new(hit.Copy, 0));
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Count} opens and clicks were not recorded together; each is tried alone")]
    static partial void LogSplit(ILogger logger, Exception error, int count);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Count} opens and clicks could not be recorded")]
    static partial void LogLost(ILogger logger, Exception error, int count);
}
