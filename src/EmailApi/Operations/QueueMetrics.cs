using System.Diagnostics.Metrics;
using EmailApi.Data;

namespace EmailApi.Operations;

/// <summary>Figures of what all nodes share, read four times a minute: how late the oldest due mail of each lane is, how old the oldest open transaction, and what the last look at
/// the ledger found. Each node that delivers shows them.</summary>
public sealed partial class QueueMetrics : BackgroundService
{
    static readonly TimeSpan Every = TimeSpan.FromSeconds(15);

    /// <summary>Walks the index from lane to lane, priority to priority and project to project: its cost does not grow with the backlog.</summary>
    const string OldestDue = """
        with recursive groups as (
            (select lane, priority, project_id, is_retry from queue where lease_until is null order by lane, priority, project_id, is_retry limit 1)
            union all
            select next.lane, next.priority, next.project_id, next.is_retry from groups g cross join lateral (
                select q.lane, q.priority, q.project_id, q.is_retry from queue q
                where q.lease_until is null and (q.lane, q.priority, q.project_id, q.is_retry) > (g.lane, g.priority, g.project_id, g.is_retry)
                order by q.lane, q.priority, q.project_id, q.is_retry limit 1) next
        )
        select g.lane, greatest(0, extract(epoch from now() - min(first.due_at)))::float8
        from groups g cross join lateral (
            select q.due_at from queue q
            where q.lease_until is null and q.lane = g.lane and q.priority = g.priority and q.project_id = g.project_id and q.is_retry = g.is_retry
            order by q.due_at limit 1) first
        group by g.lane
        """;

    /// <summary>Whose work has a transaction number: the feed, and with it webhooks and statistics, tell nothing that was written after it began.</summary>
    const string OldestOpen = "select greatest(0, extract(epoch from clock_timestamp() - min(xact_start)))::float8 from pg_stat_activity where backend_xid is not null and pid <> pg_backend_pid()";

    readonly DatabaseGate gate;
    readonly EngineDatabase database;
    readonly TimeProvider clock;
    readonly ILogger<QueueMetrics> logger;
    volatile IReadOnlyList<Measurement<double>> ages = [];
    volatile IReadOnlyList<Measurement<double>> delay = [];

    public QueueMetrics(IMeterFactory meters, DatabaseGate gate, EngineDatabase database, TimeProvider clock, ILogger<QueueMetrics> logger)
    {
        (this.gate, this.database, this.clock, this.logger) = (gate, database, clock, logger);
        var meter = meters.Create(Metrics.Meter);
        meter.CreateObservableGauge("emailapi.queue.oldest_due.age", () => ages, "s", "How long the oldest due mail of a lane has waited");
        meter.CreateObservableGauge("emailapi.feed.delay", () => delay, "s", "How long the oldest transaction of the database has been open: what was written since waits for it in feed, webhooks and statistics");
        meter.CreateObservableGauge("emailapi.ledger.mismatches", () => LedgerMismatches, "{recipient}", "Recipients that the last look at the ledger found missing");
    }

    /// <summary>Of the last look by this node.</summary>
    public long LedgerMismatches { get; set; }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await gate.WaitAsync(stoppingToken);
        using var timer = new PeriodicTimer(Every, clock);
        do
        {
            try
            {
                (ages, delay) = (await ReadAsync(stoppingToken), await ReadDelayAsync(stoppingToken));
            }
            catch (Exception error) when (!stoppingToken.IsCancellationRequested)
            {
                ages = delay = [];   // no figure rather than an old one
                LogNotRead(logger, error.GetBaseException().Message);
            }
        }
        while (await timer.WaitForNextTickAsync(stoppingToken));
    }

    async Task<IReadOnlyList<Measurement<double>>> ReadAsync(CancellationToken cancel)
    {
        await using var command = database.Source.CreateCommand(OldestDue);
        await using var reader = await command.ExecuteReaderAsync(cancel);
        var read = new List<Measurement<double>>();
        while (await reader.ReadAsync(cancel)) read.Add(new(reader.GetDouble(1), new KeyValuePair<string, object?>("lane", reader.GetString(0))));
        return read;
    }

    async Task<IReadOnlyList<Measurement<double>>> ReadDelayAsync(CancellationToken cancel)
    {
        await using var command = database.Source.CreateCommand(OldestOpen);
        return [new(await command.ExecuteScalarAsync(cancel) as double? ?? 0)];
    }

    [LoggerMessage(Level = LogLevel.Debug, Message = "The queue's figures could not be read ({Reason})")]
    static partial void LogNotRead(ILogger logger, string reason);
}
