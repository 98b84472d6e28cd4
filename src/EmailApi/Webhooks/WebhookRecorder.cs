using EmailApi.Data;

namespace EmailApi.Webhooks;

/// <param name="Done">Called once it is in the database, or given up.</param>
public sealed record EndedCall(MadeCall Call, Action Done);

/// <summary>Records how calls ended. While the database is away no more waits than may be under way.</summary>
public sealed partial class WebhookRecorder(EngineDatabase database, WebhookMetrics metrics, TimeProvider clock, ILogger<WebhookRecorder> logger) : GroupRecorder<EndedCall>(logger)
{
    protected override string What => "webhook calls";

    protected override async Task WriteAsync(IReadOnlyList<EndedCall> group)
    {
        List<MadeCall> calls = [.. group.Select(e => e.Call)];
        await WebhookRecordSql.WriteAsync(database.Source, calls, clock, CancellationToken.None);
        metrics.Recorded(calls);
        foreach (var ended in group) ended.Done();
    }

    /// <summary>Nothing is lost: the lease ends, and the call is made again under the same id.</summary>
    protected override void GiveUp(EndedCall ended, Exception error)
    {
        LogGivenUp(logger, error, ended.Call.Event.Id);
        ended.Done();
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "The webhook call of {Event} could not be recorded")]
    static partial void LogGivenUp(ILogger logger, Exception error, string @event);
}
