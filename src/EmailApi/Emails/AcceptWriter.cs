using System.Collections.Concurrent;
using System.Threading.Channels;
using EmailApi.Data;
using EmailApi.Delivery;
using EmailApi.Http;
using EmailApi.Pauses;
using EmailApi.Suppressions;
using Npgsql;

namespace EmailApi.Emails;

/// <summary>What one request stores: all of it or nothing.</summary>
/// <param name="Tell">The answer as JSON, of the drafts as they are.</param>
public sealed record AcceptUnit(IReadOnlyList<EmailDraft> Drafts, Func<byte[]> Tell, Idempotency? Idempotency)
{
    /// <summary>Made by the one who asks, beside the loop; again only when a pause or a suppression changes it.</summary>
    internal byte[] Answer { get; private set; } = Tell();

    /// <summary>What was just read of pauses and suppressions; again when it is written again.</summary>
    /// <param name="stops">By draft, for those that a pause matches.</param>
    /// <param name="suppressed">By draft and recipient.</param>
    internal void Learn(IReadOnlyDictionary<Guid, Stop> stops, IReadOnlyDictionary<(Guid Email, int N), Suppressed> suppressed)
    {
        var changed = false;
        foreach (var draft in Drafts)
        {
            var stop = draft.SendAt is null ? stops.GetValueOrDefault(draft.Id) : null;   // what is not due is stopped when it is
            changed |= (draft.Stop is null) != (stop is null);
            draft.Stop = stop;
            changed |= draft.Suppressed.Count > 0;
            draft.Suppressed = suppressed.Count == 0 ? EmailDraft.NoneSuppressed
                : draft.Recipients.Where(r => suppressed.ContainsKey((draft.Id, r.N))).ToDictionary(r => r.N, r => suppressed[(draft.Id, r.N)]);
            changed |= draft.Suppressed.Count > 0;
        }

        if (changed) Answer = Tell();
    }

    internal TaskCompletionSource<AcceptedAnswer> Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    internal int ProjectId => Drafts[0].Caller.ProjectId;

    internal int Rows { get; } = Drafts.Sum(d => d.Recipients.Count);

    internal (int Project, string Key)? Key => Idempotency is null ? null : (ProjectId, Idempotency.Key);
}

/// <summary>The body of a 202.</summary>
public sealed record AcceptedAnswer(byte[] Body, bool IsReplayed);

/// <summary>The group commit: one loop writes whatever requests are waiting in one transaction, then answers them all. A group that fails is
/// written again one request at a time, so that a bad one fails alone.</summary>
/// <remarks>No lingering: under load the next group forms by itself while one is being committed.</remarks>
public sealed partial class AcceptWriter(EngineDatabase database, PausesInForce pauses, SuppressedProjects suppressions, AcceptMetrics metrics, ILogger<AcceptWriter> logger) : BackgroundService
{
    /// <summary>More rows in one statement cost more each, and the last of a group waits for all.</summary>
    const int MaxGroup = 64;
    /// <summary>Recipients of a group; a request with more is written beside the loop, or all others would wait for its rows.</summary>
    const int MaxGroupRows = 1000;
    const long MaxGroupBytes = 16 << 20;

    /// <summary>How long a repeat waits for the commit of the first: briefly in the loop, where all others wait with it, then beside it,
    /// looking again and again and holding no connection in between: the engine has few.</summary>
    static readonly TimeSpan KeyWaitInLoop = TimeSpan.FromMilliseconds(200), KeyWaitBeside = TimeSpan.FromSeconds(5), KeyLook = TimeSpan.FromMilliseconds(20), LookAgain = TimeSpan.FromMilliseconds(100);

    /// <summary>Connections that what is written beside the loop takes at most, the large ones one of them.</summary>
    readonly SemaphoreSlim beside = new(3), besideLarge = new(1);

    /// <summary>Rows that a project's usage of a day is spread over: each node's loop has one, what is written beside it another one each time,
    /// as that may take seconds and nobody is to wait for it.</summary>
    const int UsageShards = 32;
    readonly short usageShard = (short)Random.Shared.Next(UsageShards);

    /// <summary>Who is written beside the loop, by idempotency key: a repeat waits for that one's end, not for the database.</summary>
    readonly ConcurrentDictionary<(int Project, string Key), AcceptUnit> besideByKey = new();

    readonly Channel<AcceptUnit> waiting = Channel.CreateBounded<AcceptUnit>(new BoundedChannelOptions(4096) { SingleReader = true });

    /// <returns>Once it is committed with <c>synchronous_commit</c>.</returns>
    /// <exception cref="ProblemException">422 or 409 by the idempotency key.</exception>
    public async Task<AcceptedAnswer> WriteAsync(AcceptUnit unit, CancellationToken cancel)
    {
        await waiting.Writer.WriteAsync(unit, cancel);
        // Not cancellable from here on: a caller who has gone away does not take back what is being written.
        return await unit.Done.Task;
    }

    /// <summary>The first answer of a repeat, or null when the key is new or none was given.</summary>
    /// <exception cref="ProblemException">422: the key was used for another request.</exception>
    public async Task<AcceptedAnswer?> FindAnswerAsync(int projectId, Idempotency? idempotency, CancellationToken cancel)
    {
        if (idempotency is null) return null;
        await using var connection = await database.Source.OpenConnectionAsync(cancel);
        return await AcceptSql.FindAnswerAsync(connection, projectId, idempotency, cancel) is { } stored ? Replay(stored, idempotency) : null;
    }

    /// <summary>Sensitive content goes when all recipients are final, and where all are suppressed they are so from the start.</summary>
    public Task DropEndedAsync(IReadOnlyList<EmailDraft> drafts) =>
        RecordSql.DropEndedAsync(database.Source, [.. drafts.Where(d => d.IsSensitive && d.Suppressed.Count == d.Recipients.Count).Select(d => d.Id)]);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var group = new List<AcceptUnit>(MaxGroup);
        try
        {
            while (await waiting.Reader.WaitToReadAsync(stoppingToken))
            {
                group.Clear();
                var mails = 0;
                var rows = 0;
                long bytes = 0;
                while (mails < MaxGroup && rows < MaxGroupRows && bytes < MaxGroupBytes && waiting.Reader.TryRead(out var unit))
                {
                    if (IsBeside(unit, stoppingToken)) continue;
                    group.Add(unit);
                    mails += unit.Drafts.Count;
                    rows += unit.Rows;
                    bytes += unit.Drafts.Sum(d => d.Packed.SizeBytes);
                }

                if (group.Count > 0) await WriteGroupAsync(group, stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The host stops the listeners first, so nobody is left waiting but those cut off by a forced stop.
            while (waiting.Reader.TryRead(out var unit)) unit.Done.TrySetException(new DatabaseUnavailableException("The server is stopping."));
        }
    }

    async Task WriteGroupAsync(List<AcceptUnit> group, CancellationToken stopping)
    {
        try
        {
            await TryWriteAsync(group, KeyWaitInLoop, usageShard, stopping);
        }
        catch (Exception error) when (group.Count == 1 && group[0].Idempotency is null)
        {
            await SettleFailedAsync(group[0], error, stopping);
        }
        catch (Exception error)
        {
            if (error is not PostgresException { SqlState: PostgresErrorCodes.LockNotAvailable }) LogGroupFailed(logger, error, group.Count);
            foreach (var unit in group.Where(u => !u.Done.Task.IsCompleted))
            {
                // One that may wait for another node's commit waits beside the loop.
                if (unit.Idempotency is not null) Beside(unit, stopping);
                else await WriteAloneAsync(unit, stopping);
            }
        }
    }

    async Task WriteAloneAsync(AcceptUnit unit, CancellationToken stopping)
    {
        try { await TryWriteAsync([unit], KeyLook, usageShard, stopping); }
        catch (Exception error) { await SettleFailedAsync(unit, error, stopping); }
    }

    bool IsBeside(AcceptUnit unit, CancellationToken stopping)
    {
        if (unit.Rows <= MaxGroupRows && !(unit.Key is { } key && besideByKey.ContainsKey(key))) return false;
        Beside(unit, stopping);
        return true;
    }

    void Beside(AcceptUnit unit, CancellationToken stopping)
    {
        if (unit.Key is not { } key || besideByKey.TryAdd(key, unit)) _ = WriteBesideAsync(unit, stopping);
        else if (besideByKey.TryGetValue(key, out var first)) _ = FollowAsync(first, unit, stopping);
        else Beside(unit, stopping);   // it ended just now
    }

    async Task WriteBesideAsync(AcceptUnit unit, CancellationToken stopping)
    {
        var isLarge = unit.Rows > MaxGroupRows;
        try
        {
            if (isLarge) await besideLarge.WaitAsync(stopping);
            try { await WritePatientlyAsync(unit, stopping); }
            finally { if (isLarge) besideLarge.Release(); }
        }
        catch (Exception error)
        {
            await SettleFailedAsync(unit, error, stopping);
        }
        finally
        {
            if (unit.Key is { } key) besideByKey.TryRemove(key, out _);
        }
    }

    async Task WritePatientlyAsync(AcceptUnit unit, CancellationToken stopping)
    {
        var started = TimeProvider.System.GetTimestamp();
        while (true)
        {
            await beside.WaitAsync(stopping);
            try
            {
                await TryWriteAsync([unit], KeyLook, (short)(UsageShards + Random.Shared.Next(UsageShards)), stopping);
                return;
            }
            catch (PostgresException error) when (error.SqlState is PostgresErrorCodes.LockNotAvailable && TimeProvider.System.GetElapsedTime(started) < KeyWaitBeside)
            {
                // Looks again below, when others have had the connection.
            }
            finally
            {
                beside.Release();
            }

            await Task.Delay(LookAgain, stopping);
        }
    }

    /// <summary>A repeat of what is being written beside the loop: once that is over, its answer is there to be found, or it was in vain.</summary>
    async Task FollowAsync(AcceptUnit first, AcceptUnit unit, CancellationToken stopping)
    {
        try
        {
            await first.Done.Task.WaitAsync(KeyWaitBeside, stopping);
        }
        catch (Exception error) when (error is TimeoutException or ProblemException { Kind.Code: "idempotency_in_progress" })
        {
            unit.Done.TrySetException(InProgress());
            return;
        }
        catch (Exception)
        {
            // It failed for a reason of its own; this one is tried.
        }

        try { await waiting.Writer.WriteAsync(unit, stopping); }
        catch (OperationCanceledException) { unit.Done.TrySetException(new DatabaseUnavailableException("The server is stopping.")); }
    }

    async Task TryWriteAsync(List<AcceptUnit> group, TimeSpan keyWait, short shard, CancellationToken stopping)
    {
        var started = metrics.Start();
        await using var connection = await database.Source.OpenConnectionAsync(stopping);
        var repeats = await AcceptSql.WriteAsync(connection, group, pauses, suppressions, keyWait, shard, stopping);
        metrics.Committed(group.Sum(u => u.Drafts.Count) - repeats.Sum(r => r.Key.Drafts.Count), started);

        foreach (var unit in group)
        {
            if (!repeats.TryGetValue(unit, out var stored)) unit.Done.TrySetResult(new(unit.Answer, IsReplayed: false));
            else if (stored is null) unit.Done.TrySetException(InProgress());
            else
            {
                try { unit.Done.TrySetResult(Replay(stored, unit.Idempotency!)); }
                catch (ProblemException problem) { unit.Done.TrySetException(problem); }
            }
        }
    }

    /// <summary>A commit whose answer was lost may have happened: asks the database before saying that nothing was stored.</summary>
    async Task SettleFailedAsync(AcceptUnit unit, Exception error, CancellationToken stopping)
    {
        if (DatabaseTrouble.IsUnavailable(error)) database.Source.Clear();   // the pool's other connections are as broken as this one was
        try
        {
            await using var connection = await database.Source.OpenConnectionAsync(stopping);
            if (await AcceptSql.IsStoredAsync(connection, unit.Drafts[0].Id, stopping))
            {
                unit.Done.TrySetResult(new(unit.Answer, IsReplayed: false));
                return;
            }
        }
        catch (Exception again) when (DatabaseTrouble.IsUnavailable(again) || again is OperationCanceledException)
        {
            // Still away: the caller is told 503, and a repeat under the same idempotency key is safe.
        }

        unit.Done.TrySetException(error switch
        {
            OperationCanceledException => new DatabaseUnavailableException("The server is stopping."),
            PostgresException { SqlState: PostgresErrorCodes.LockNotAvailable } => InProgress(),
            _ => error,
        });
    }

    static ProblemException InProgress() => new(ProblemKind.IdempotencyInProgress, "Repeat it in a second.") { RetryAfter = 1 };

    static AcceptedAnswer Replay(StoredAnswer stored, Idempotency asked) =>
        stored.Fingerprint.AsSpan().SequenceEqual(asked.Fingerprint)
            ? new(stored.Body, IsReplayed: true)
            : throw new ProblemException(ProblemKind.IdempotencyMismatch, "Give each request a key of its own; this one came with another body or path before.");

    [LoggerMessage(Level = LogLevel.Warning, Message = "A group of {Count} requests was not stored together; each is tried alone")]
    static partial void LogGroupFailed(ILogger logger, Exception error, int count);
}
