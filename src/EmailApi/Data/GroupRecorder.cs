using System.Threading.Channels;

namespace EmailApi.Data;

/// <summary>Records how things ended, in bulk: one loop takes what is waiting and writes it in one transaction. While the database is away it keeps what it has, and a group
/// that fails is tried one by one, so that a bad one fails alone.</summary>
public abstract partial class GroupRecorder<T>(ILogger logger) : BackgroundService
{
    const int MaxGroup = 128;

    /// <summary>Under load the next group is given so long to grow: a statement and a flush for 30 results cost little more than for 5, and what is not recorded yet
    /// is kept elsewhere. One that comes alone is not made to wait.</summary>
    static readonly TimeSpan Linger = TimeSpan.FromMilliseconds(4);
    const int Several = 4;

    readonly Channel<T> waiting = Channel.CreateUnbounded<T>(new() { SingleReader = true });
    int pending;

    /// <summary>What is not yet in the database.</summary>
    public int Pending => Volatile.Read(ref pending);

    public void Record(T ended)
    {
        Interlocked.Increment(ref pending);
        waiting.Writer.TryWrite(ended);
    }

    /// <summary>For the log: what there are several of.</summary>
    protected abstract string What { get; }

    /// <summary>Writes a group, all of it or nothing.</summary>
    protected abstract Task WriteAsync(IReadOnlyList<T> group);

    /// <summary>One that cannot be recorded, and that the database is not the reason for.</summary>
    protected abstract void GiveUp(T ended, Exception error);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var group = new List<T>(MaxGroup);
        // Not ended by the stop: what ended is recorded, within the time that the host gives.
        while (await waiting.Reader.WaitToReadAsync(CancellationToken.None))
        {
            if (group.Count >= Several && Pending < MaxGroup) await Task.Delay(Linger, CancellationToken.None);
            group.Clear();
            while (group.Count < MaxGroup && waiting.Reader.TryRead(out var ended)) group.Add(ended);
            await WritePatientlyAsync(group);
            Interlocked.Add(ref pending, -group.Count);
        }
    }

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        waiting.Writer.TryComplete();
        await base.StopAsync(cancellationToken);
        if (ExecuteTask is { } loop) await loop.WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    async Task WritePatientlyAsync(List<T> group)
    {
        for (var failures = 0; ; failures++)
        {
            try
            {
                await WriteAsync(group);
                return;
            }
            catch (Exception error) when (DatabaseTrouble.IsUnavailable(error))
            {
                if (failures % 30 == 0) LogAway(logger, error, group.Count, What);
                await Task.Delay(TimeSpan.FromMilliseconds(Math.Min(1000, 100 << Math.Min(failures, 4))), CancellationToken.None);
            }
            catch (Exception error) when (group.Count > 1)
            {
                LogSplit(logger, error, group.Count, What);
                foreach (var ended in group) await WritePatientlyAsync([ended]);
                return;
            }
            catch (Exception error)
            {
                GiveUp(group[0], error);
                return;
            }
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Count} {What} wait for the database")]
    static partial void LogAway(ILogger logger, Exception error, int count, string what);

    [LoggerMessage(Level = LogLevel.Error, Message = "{Count} {What} were not recorded together; each is tried alone")]
    static partial void LogSplit(ILogger logger, Exception error, int count, string what);
}
