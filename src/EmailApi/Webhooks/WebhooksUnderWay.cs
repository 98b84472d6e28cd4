using System.Collections.Concurrent;
using System.Security.Cryptography;
using EmailApi.Data;

namespace EmailApi.Webhooks;

/// <summary>The calls that this node is making. A webhook has room for a few at once, one that fails for fewer, so that those which are dead or slow cannot take all the room there is.</summary>
public sealed partial class WebhooksUnderWay(
    EngineDatabase database, WebhookCaller caller, WebhookSecrets secrets, WebhookRecorder recorder, TimeProvider clock, ILogger<WebhooksUnderWay> logger) : IDisposable
{
    public const int PerWebhook = 20;
    /// <summary>Of one whose last call failed: enough to see that it is back.</summary>
    public const int PerFailing = 2;
    const int All = 1000;
    /// <summary>At the stop: with the database away their leases do the rest.</summary>
    static readonly TimeSpan RecordWithin = TimeSpan.FromSeconds(1);

    readonly ConcurrentDictionary<Guid, int> byWebhook = new();
    readonly ConcurrentBag<ClaimedCall> cut = [];
    readonly CancellationTokenSource stopping = new();
    readonly SemaphoreSlim room = new(0, 1);
    int count;

    /// <summary>Calls made and not yet recorded are among them.</summary>
    public int Count => Volatile.Read(ref count);

    public IReadOnlyDictionary<Guid, int> ByWebhook => byWebhook;

    public int Room => All - Count;

    /// <summary>Where half of the room is taken, by those that are slow, each webhook has one at a time.</summary>
    public int Limit => Count < All / 2 ? PerWebhook : 1;

    public void Start(ClaimedCall call)
    {
        Interlocked.Increment(ref count);
        byWebhook.AddOrUpdate(call.WebhookId, 1, (_, calls) => calls + 1);
        _ = Task.Run(() => MakeAsync(call));
    }

    /// <returns>When a call has ended, or after <paramref name="atMost"/>.</returns>
    public Task WaitAsync(TimeSpan atMost, CancellationToken cancel) => room.WaitAsync(atMost, cancel);

    /// <summary>Cuts what is under way, and gives it back to be made again: a call that nobody has seen end may have been taken.</summary>
    public async Task CutAsync(CancellationToken cancel)
    {
        await stopping.CancelAsync();
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        limit.CancelAfter(RecordWithin);
        while (Count > 0 && !limit.IsCancellationRequested) await Task.Delay(10, CancellationToken.None);
        if (cut.IsEmpty) return;
        try
        {
            await WebhookRecordSql.ReleaseAsync(database.Source, [.. cut], cancel);
        }
        catch (Exception error)
        {
            LogNotReleased(logger, error.GetBaseException().Message);
        }
    }

    public void Dispose()
    {
        stopping.Dispose();
        room.Dispose();
    }

    async Task MakeAsync(ClaimedCall call)
    {
        try
        {
            recorder.Record(new(call.Event is { } told ? await CallAsync(call, told) : Without(call), () => End(call)));
        }
        catch (OperationCanceledException)
        {
            cut.Add(call);
            End(call);
        }
        catch (Exception error)
        {
            LogFailed(logger, error, call.Event?.Id ?? "", Webhook.Format(call.WebhookId));   // made again when the lease ends
            End(call);
        }
    }

    async Task<MadeCall> CallAsync(ClaimedCall call, ToldEvent told)
    {
        var answer = await caller.CallAsync(call.Url, secrets.Open(call.Secret, call.Previous, clock.GetUtcNow()), told, stopping.Token);
        var attempt = call.Attempts + 1;
        var wait = answer.IsSuccess ? null : WebhookRetry.NextWait(attempt, answer.RetryAfter, RandomNumberGenerator.GetInt32(1_000_001) / 1e6);
        var outcome = answer.IsSuccess ? CallOutcome.Succeeded : wait is null ? CallOutcome.GivenUp : CallOutcome.Failed;
        return new(Guid.CreateVersion7(clock.GetUtcNow()), call.WebhookId, call.ProjectId, call.Token, attempt, call.Url, told, answer, clock.GetTimestamp(), outcome, wait);
    }

    /// <summary>Retention took the event: there is nothing to tell, and nothing to keep.</summary>
    MadeCall Without(ClaimedCall call) => new(
        Guid.CreateVersion7(clock.GetUtcNow()), call.WebhookId, call.ProjectId, call.Token, call.Attempts, call.Url, new(call.EmailId, call.N, call.Sequence, "", default, null, null, null, null, null),
        new(0, TimeSpan.Zero, [], null, null, null, null), clock.GetTimestamp(), CallOutcome.Succeeded, null)
    { IsWithoutEvent = true };

    void End(ClaimedCall call)
    {
        Interlocked.Decrement(ref count);
        while (byWebhook.TryGetValue(call.WebhookId, out var calls))
        {
            if (calls > 1 ? byWebhook.TryUpdate(call.WebhookId, calls - 1, calls) : byWebhook.TryRemove(new(call.WebhookId, calls))) break;
        }

        try
        {
            if (room.CurrentCount == 0) room.Release();
        }
        catch (Exception error) when (error is SemaphoreFullException or ObjectDisposedException)
        {
            // Another call ended in between, or the node has ended.
        }
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "{Event} could not be told to {Webhook}; it is tried again")]
    static partial void LogFailed(ILogger logger, Exception error, string @event, string webhook);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Webhook calls that were cut are made again after their lease ({Reason})")]
    static partial void LogNotReleased(ILogger logger, string reason);
}
