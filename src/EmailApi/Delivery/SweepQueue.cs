using EmailApi.Data;
using EmailApi.Delivery.Journal;
using EmailApi.Emails;
using EmailApi.Http;
using EmailApi.Projects;
using Npgsql;

namespace EmailApi.Delivery;

/// <summary>Once a second, without Hangfire: expires what is too late, settles what a dead node left behind, and moves mail of lanes that are
/// gone, and walks on with what was paused or resumed. What it finds goes through the same record as every other outcome, which looks again before it writes.</summary>
public sealed partial class SweepQueue(
    DatabaseGate gate, EngineDatabase database, TakenJournal journal, LaneRuns runs, DeliverySignals signals, Relays.RelayCatalog relays, Pauses.WalkPauses pauses, Restore.EpochCheck epoch, DeliveryMetrics metrics, TimeProvider clock, ILogger<SweepQueue> logger)
    : BackgroundService
{
    const int MaxRows = 500;
    static readonly TimeSpan Apart = TimeSpan.FromSeconds(10);
    const int AdoptEveryRounds = 30;
    const int DropEveryRounds = 60;   // for what ended on two nodes at once, or while the database was away

    long? reachableSince;
    int rounds;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await gate.WaitAsync(stoppingToken);
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(1), clock);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            try
            {
                if (await epoch.IsFitAsync(stoppingToken))
                {
                    await SweepAsync(stoppingToken);
                    reachableSince ??= clock.GetTimestamp();
                }
                else
                {
                    reachableSince = null;   // restored: nothing ends until a person releases it
                }
            }
            catch (Exception error) when (!stoppingToken.IsCancellationRequested)
            {
                if (reachableSince is not null) LogFailed(logger, error);
                reachableSince = null;
            }
        }
    }

    /// <summary>One round.</summary>
    public async Task SweepAsync(CancellationToken cancel)
    {
        await RecordTakenAsync(cancel);
        await RecordAsync(await ExpiredAsync(cancel), cancel);
        // While the database was away nobody could renew: the living get one lease to do so.
        if (reachableSince is { } since && clock.GetElapsedTime(since) > DeliveryQueue.Lease) await SettleDeadAsync(cancel);
        if (rounds % AdoptEveryRounds == 0) await AdoptAsync(cancel);
        if (rounds % DropEveryRounds == 0)
        {
            await using var connection = await database.Source.OpenConnectionAsync(cancel);
            await RecordSql.DropSensitiveAsync(connection, null, cancel);
        }

        rounds++;
        await pauses.WalkAsync(only: null, cancel);
    }

    public async Task SettleDeadAsync(CancellationToken cancel)
    {
        var dead = await DeadAsync(cancel);
        await RecordAsync(dead, cancel);
        if (dead.Count > 0) signals.WakeAll();
    }

    /// <summary>What relays answered to a node of this data directory that died, while its leases are not yet called dead.</summary>
    async Task RecordTakenAsync(CancellationToken cancel)
    {
        foreach (var file in journal.LeftBehind())
        {
            try
            {
                foreach (var taken in file.Read().Chunk(MaxRows))
                    metrics.Recovered(await RecordSql.WriteAsync(database.Source, [.. taken.Select(journal.ResultOf)], clock, cancel));
                file.Settle();
            }
            catch (Exception error) when (DatabaseTrouble.IsUnavailable(error) || cancel.IsCancellationRequested)
            {
                file.Close();
                throw;
            }
            catch (Exception error)
            {
                LogNotTaken(logger, error);
                file.Settle();
            }
        }
    }

    async Task RecordAsync(List<Result> results, CancellationToken cancel)
    {
        if (results.Count == 0) return;
        var recorded = await RecordSql.WriteAsync(database.Source, results, clock, cancel);
        metrics.Recorded(results, recorded);
        await RecordSql.DropEndedAsync(database.Source, [.. results.Where(r => !r.Transition.State.IsOpen()).Select(r => r.EmailId).Distinct()]);
    }

    async Task<List<Result>> ExpiredAsync(CancellationToken cancel)
    {
        await using var command = database.Source.CreateCommand($"""
            select email_id, n from queue where expires_at <= now() and lease_until is null order by expires_at limit {MaxRows}
            """);
        return await ReadAsync(command, row => new Result(row.GetGuid(0), row.GetInt32(1), Guid.Empty, new(RecipientState.Expired, Reason: "expired"), LeaseProof.Expired), cancel);
    }

    /// <summary>A node that died was perhaps sending: the stream's rule decides, but a mail that was claimed three times and whose node died
    /// each time is poison. So the deaths just before this one are no doubts that hold it; one that a connection left is.</summary>
    async Task<List<Result>> DeadAsync(CancellationToken cancel)
    {
        await using var command = database.Source.CreateCommand($"""
            select q.email_id, q.n, q.lease_token, q.claims, q.doubts, coalesce(q.stand_in, q.lane), coalesce(s.in_doubt, 'retry')
            from (select * from queue where lease_until < now() order by lease_until limit {MaxRows}) q
            cross join lateral (select e.stream from emails e where e.id = q.email_id limit 1) e
            left join streams s on s.project_id = q.project_id and s.name = e.stream
            """);
        return await ReadAsync(command, row =>
        {
            var transition = row.GetInt16(3) >= Transition.PoisonClaims
                ? Transition.Poison
                : Transition.Of(new Outcome.InDoubt(""), 1, doubts: Math.Max(0, row.GetInt16(4) - (row.GetInt16(3) - 1)), Words.Parse<InDoubtRule>(row.GetString(6)), waits: null);
            // A second time may be one mail's doing: those that were beside it go apart, so that it does not take them along for a third.
            if (row.GetInt16(3) == Transition.PoisonClaims - 1 && transition.Wait is not null) transition = transition with { Wait = Apart * Random.Shared.NextDouble() };
            var now = clock.GetTimestamp();
            return new Result(row.GetGuid(0), row.GetInt32(1), row.GetGuid(2), transition, LeaseProof.Dead)
            {
                Attempt = new(row.GetString(5), SmtpStep.Dot, now, now, null),
                Reply = RelayReply.None("The node that was sending it ended before the outcome was recorded."),
                IsDoubt = transition != Transition.Poison,
            };
        }, cancel);
    }

    /// <summary>Mail whose lane this configuration no longer has waits for nobody: it goes where new mail goes.</summary>
    async Task AdoptAsync(CancellationToken cancel)
    {
        if (relays.IsMissing || !runs.Names.Any()) return;
        await using var command = database.Source.CreateCommand($"""
            with recursive lanes as (
                (select lane from queue where lease_until is null order by lane limit 1)
                union all
                select next.lane from lanes cross join lateral (select q.lane from queue q where q.lease_until is null and q.lane > lanes.lane order by q.lane limit 1) next
            )
            update queue set lane = $2 where (email_id, n) in (
                select row.email_id, row.n from lanes cross join lateral (select email_id, n from queue q where q.lane = lanes.lane and q.lease_until is null limit {MaxRows} for update skip locked) row
                where lanes.lane <> all($1) limit {MaxRows})
            """);
        command.Parameters.Add(new() { Value = runs.Names.ToArray() });
        command.Parameters.Add(new() { Value = relays.LaneOf() });
        int adopted;
        do
        {
            adopted = await command.ExecuteNonQueryAsync(cancel);
            if (adopted > 0) signals.WakeAll();
        }
        while (adopted == MaxRows);   // in steps, so that no claim waits long
    }

    static async Task<List<Result>> ReadAsync(NpgsqlCommand command, Func<NpgsqlDataReader, Result> read, CancellationToken cancel)
    {
        var results = new List<Result>();
        await using var reader = await command.ExecuteReaderAsync(cancel);
        while (await reader.ReadAsync(cancel)) results.Add(read(reader));
        return results;
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "What a dead node's relays took could not be recorded: its recipients become in doubt")]
    static partial void LogNotTaken(ILogger logger, Exception error);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The queue could not be swept; a second later again")]
    static partial void LogFailed(ILogger logger, Exception error);
}
