using System.Threading.Channels;
using EmailApi.Data;
using EmailApi.Emails;
using EmailApi.Http;
using EmailApi.Restore;

namespace EmailApi.Delivery;

/// <summary>Records how attempts ended, in bulk: one loop takes what is waiting and writes state, attempt and event in one transaction. While
/// the database is away it keeps what it has (no more than there are connections) and the leases are renewed as soon as it is back.</summary>
public sealed partial class OutcomeRecorder(
    EngineDatabase database, DeliveryQueue queue, LastWork lastWork, DeliveryMetrics metrics, TimeProvider clock, ILogger<OutcomeRecorder> logger) : BackgroundService
{
    const int MaxGroup = 128;

    readonly Channel<Result> waiting = Channel.CreateUnbounded<Result>(new() { SingleReader = true });
    int pending;

    /// <summary>Results that are not yet in the database.</summary>
    public int Pending => Volatile.Read(ref pending);

    public void Record(Result result)
    {
        Interlocked.Increment(ref pending);
        waiting.Writer.TryWrite(result);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var group = new List<Result>(MaxGroup);
        // Not ended by the stop: what was sent is recorded, within the time that the host gives.
        while (await waiting.Reader.WaitToReadAsync(CancellationToken.None))
        {
            group.Clear();
            while (group.Count < MaxGroup && waiting.Reader.TryRead(out var result)) group.Add(result);
            await WriteAsync(group);
            Interlocked.Add(ref pending, -group.Count);
        }
    }

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        waiting.Writer.TryComplete();
        await base.StopAsync(cancellationToken);
        if (ExecuteTask is { } loop) await loop.WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    async Task WriteAsync(List<Result> group)
    {
        for (var failures = 0; ; failures++)
        {
            try
            {
                var recorded = await RecordSql.WriteAsync(database.Source, group, clock, CancellationToken.None);
                metrics.Recorded(group, recorded);
                if (recorded == group.Count) lastWork.Recorded(group);
                foreach (var result in group) Settle(result);
                await DropSensitiveAsync(group);
                return;
            }
            catch (Exception error) when (DatabaseTrouble.IsUnavailable(error))
            {
                if (failures % 30 == 0) LogAway(logger, error, group.Count);
                await Task.Delay(TimeSpan.FromMilliseconds(Math.Min(1000, 100 << Math.Min(failures, 4))), CancellationToken.None);
            }
            catch (Exception error) when (group.Count > 1)
            {
                LogSplit(logger, error, group.Count);
                foreach (var result in group.ToArray()) await WriteAsync([result]);
                return;
            }
            catch (Exception error)
            {
                // Nothing is lost: the lease dies, and the sweeper calls the recipient in doubt.
                LogGivenUp(logger, error, EmailId.Format(group[0].EmailId), group[0].N, group[0].Transition.State.Word());
                Settle(group[0]);
                return;
            }
        }
    }

    void Settle(Result result)
    {
        queue.Settled(result.Token);
        result.Kept?.Settle();
    }

    async Task DropSensitiveAsync(List<Result> group)
    {
        var emails = group.Where(r => r.IsSensitive && !r.Transition.State.IsOpen()).Select(r => r.EmailId).Distinct().ToArray();
        if (emails.Length == 0) return;
        try
        {
            await using var connection = await database.Source.OpenConnectionAsync();
            await RecordSql.DropSensitiveAsync(connection, emails, CancellationToken.None);
        }
        catch (Exception error) when (DatabaseTrouble.IsUnavailable(error))
        {
            // The sweeper does it when the database is back.
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Count} results wait for the database")]
    static partial void LogAway(ILogger logger, Exception error, int count);

    [LoggerMessage(Level = LogLevel.Error, Message = "{Count} results were not recorded together; each is tried alone")]
    static partial void LogSplit(ILogger logger, Exception error, int count);

    [LoggerMessage(Level = LogLevel.Error, Message = "The result of {Email} recipient {N} ({State}) could not be recorded")]
    static partial void LogGivenUp(ILogger logger, Exception error, string email, int n, string state);
}
