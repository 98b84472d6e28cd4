using EmailApi.Operations;

namespace EmailApi.Delivery;

/// <summary>Attachments and large bodies that are in memory at once on their way to one relay, in bytes. The others wait, in their order; small ones are not counted.</summary>
public sealed class ContentBudget(long limit)
{
    const long Small = 256 * 1024;

    readonly Lock gate = new();
    readonly LinkedList<Waiter> waiting = new();
    long taken;

    /// <param name="bytes">More than the limit goes alone.</param>
    /// <returns>To be disposed when they are not needed any more.</returns>
    public async Task<IDisposable?> TakeAsync(long bytes, CancellationToken cancel)
    {
        if (bytes <= Small) return null;
        var waiter = new Waiter(this, Math.Min(bytes, limit));
        lock (gate)
        {
            waiting.AddLast(waiter);
            Grant();
        }

        try
        {
            await waiter.Granted.Task.WaitAsync(cancel);
            return waiter;
        }
        catch
        {
            lock (gate)
            {
                if (waiting.Remove(waiter)) Grant();
                else waiter.Dispose();
            }

            throw;
        }
    }

    void Grant()
    {
        while (waiting.First is { Value: var next } && taken + next.Bytes <= limit)
        {
            waiting.RemoveFirst();
            taken += next.Bytes;
            next.Granted.SetResult();
        }
    }

    sealed class Waiter(ContentBudget budget, long bytes) : IDisposable
    {
        public long Bytes => bytes;
        public TaskCompletionSource Granted { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public void Dispose()
        {
            lock (budget.gate)
            {
                budget.taken -= bytes;
                budget.Grant();
            }

            LargeGarbage.Leave(bytes);
        }
    }
}
