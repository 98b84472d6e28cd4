using EmailApi.Data;
using Npgsql;

namespace EmailApi.Operations;

/// <summary>Hourly: looks for recipients that the ledger would miss — open without a place in the queue, so that nobody would ever send to
/// them, or final and still in it. Each gets one <c>ledger.mismatch</c> event, and the metric shows how many the last look found.</summary>
public sealed partial class LedgerJob(EngineDatabase database, QueueMetrics metrics, ILogger<LedgerJob> logger)
{
    /// <summary>One partition's worth of ids a statement, so that no transaction stays open for long.</summary>
    static readonly TimeSpan Step = TimeSpan.FromDays(1);

    /// <summary>Older mail was looked at hundreds of times; the queue's side is looked at whatever its age.</summary>
    const int Days = 35;

    /// <summary>One statement, so one snapshot: state and queue change in one transaction, and never differ.</summary>
    static readonly string Check = $"""
        with wrong as materialized (
            select r.email_id, r.n, r.project_id, 'open but not in the queue' as fault
            from recipients r
            where r.email_id >= $1 and r.email_id < $2 and r.final_at is null
                and not exists (select from queue q where q.email_id = r.email_id and q.n = r.n)
            union all
            select q.email_id, q.n, q.project_id, case when r.email_id is null then 'in the queue but not stored' else 'final but in the queue' end
            from queue q left join recipients r on r.email_id = q.email_id and r.n = q.n
            where q.email_id >= $1 and q.email_id < $2 and (r.email_id is null or r.final_at is not null)
        ), told as (
            select w.* from wrong w where not exists (
                select from events e where e.email_id = w.email_id and e.n = w.n and e.type = '{Event}')
        ), counted as (
            update recipients r set sequence = r.sequence + 1 from told t where r.email_id = t.email_id and r.n = t.n returning r.email_id, r.n, r.sequence
        ), written as (
            insert into events (email_id, n, sequence, project_id, type, data)
            select t.email_id, t.n, coalesce(c.sequence, 1), t.project_id, '{Event}', jsonb_build_object('reason', t.fault)
            from told t left join counted c on c.email_id = t.email_id and c.n = t.n
        )
        select count(*) from wrong
        """;

    const string Event = "ledger.mismatch";

    public async Task RunAsync(CancellationToken cancel)
    {
        long found = 0;
        var now = await database.NowAsync(cancel);
        for (var day = 0; day < Days; day++) found += await CheckAsync(Partitions.FirstId(now - (day + 1) * Step), Partitions.FirstId(day == 0 ? now + Step : now - day * Step), cancel);
        metrics.LedgerMismatches = found;
        if (found > 0) LogMismatch(logger, found);
    }

    async Task<long> CheckAsync(Guid first, Guid last, CancellationToken cancel)
    {
        await using var command = database.Source.CreateCommand(Check);
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = first });
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = last });
        return (long)(await command.ExecuteScalarAsync(cancel))!;
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "The ledger does not balance: {Count} recipients; ledger.mismatch events name them")]
    static partial void LogMismatch(ILogger logger, long count);
}
