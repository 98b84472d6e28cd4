using System.Threading.Channels;
using EmailApi.Data;

namespace EmailApi.Webhooks;

/// <summary>Records how calls ended, in bulk: one loop takes what is waiting. While the database is away it keeps what it has, no more than there may be under way.</summary>
public sealed partial class WebhookRecorder(EngineDatabase database, WebhookMetrics metrics, TimeProvider clock, ILogger<WebhookRecorder> logger) : BackgroundService
{
    const int MaxGroup = 128;

    readonly Channel<(MadeCall Call, Action Done)> waiting = Channel.CreateUnbounded<(MadeCall, Action)>(new() { SingleReader = true });

    /// <param name="done">Called once it is in the database, or given up.</param>
    public void Record(MadeCall call, Action done) => waiting.Writer.TryWrite((call, done));

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var group = new List<(MadeCall Call, Action Done)>(MaxGroup);
        // Not ended by the stop: what was called is recorded, within the time that the host gives.
        while (await waiting.Reader.WaitToReadAsync(CancellationToken.None))
        {
            group.Clear();
            while (group.Count < MaxGroup && waiting.Reader.TryRead(out var call)) group.Add(call);
            await WriteAsync(group.ConvertAll(c => c.Call));
            group.ForEach(c => c.Done());
        }
    }

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        waiting.Writer.TryComplete();
        await base.StopAsync(cancellationToken);
        if (ExecuteTask is { } loop) await loop.WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    async Task WriteAsync(List<MadeCall> calls)
    {
        for (var failures = 0; ; failures++)
        {
            try
            {
                await WebhookRecordSql.WriteAsync(database.Source, calls, clock, CancellationToken.None);
                metrics.Recorded(calls);
                return;
            }
            catch (Exception error) when (DatabaseTrouble.IsUnavailable(error))
            {
                if (failures % 30 == 0) LogAway(logger, error, calls.Count);
                await Task.Delay(TimeSpan.FromMilliseconds(Math.Min(1000, 100 << Math.Min(failures, 4))), CancellationToken.None);
            }
            catch (Exception error) when (calls.Count > 1)
            {
                LogSplit(logger, error, calls.Count);
                foreach (var call in calls) await WriteAsync([call]);
                return;
            }
            catch (Exception error)
            {
                // Nothing is lost: the lease ends, and the call is made again under the same id.
                LogGivenUp(logger, error, calls[0].Event.Id);
                return;
            }
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Count} webhook calls wait for the database")]
    static partial void LogAway(ILogger logger, Exception error, int count);

    [LoggerMessage(Level = LogLevel.Error, Message = "{Count} webhook calls were not recorded together; each is tried alone")]
    static partial void LogSplit(ILogger logger, Exception error, int count);

    [LoggerMessage(Level = LogLevel.Error, Message = "The webhook call of {Event} could not be recorded")]
    static partial void LogGivenUp(ILogger logger, Exception error, string @event);
}
