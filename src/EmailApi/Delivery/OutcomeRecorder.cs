using EmailApi.Data;
using EmailApi.Emails;
using EmailApi.Http;
using EmailApi.Restore;

namespace EmailApi.Delivery;

/// <summary>Records how attempts ended: state, attempt and event in one transaction. While the database is away no more waits than there are connections, and the leases are renewed
/// as soon as it is back.</summary>
public sealed partial class OutcomeRecorder(
    EngineDatabase database, DeliveryQueue queue, LastWork lastWork, DeliveryMetrics metrics, TimeProvider clock, ILogger<OutcomeRecorder> logger) : GroupRecorder<Result>(logger)
{
    protected override string What => "results";

    protected override async Task WriteAsync(IReadOnlyList<Result> group)
    {
        var recorded = await RecordSql.WriteAsync(database.Source, group, clock, CancellationToken.None);
        metrics.Recorded(group, recorded);
        if (recorded == group.Count) lastWork.Recorded(group);
        foreach (var result in group) Settle(result);
        await RecordSql.DropEndedAsync(database.Source, [.. group.Where(r => r.IsSensitive).Select(r => r.EmailId).Distinct()]);   // also when put off: past its time limit that is its end
    }

    /// <summary>Nothing is lost: the lease dies, and the sweeper calls the recipient in doubt.</summary>
    protected override void GiveUp(Result ended, Exception error)
    {
        LogGivenUp(logger, error, EmailId.Format(ended.EmailId), ended.N, ended.Transition.State.Word());
        Settle(ended);
    }

    void Settle(Result result)
    {
        queue.Settled(result.Token);
        result.Kept?.Settle();
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "The result of {Email} recipient {N} ({State}) could not be recorded")]
    static partial void LogGivenUp(ILogger logger, Exception error, string email, int n, string state);
}
