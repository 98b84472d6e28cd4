using EmailApi.Operations;

namespace EmailApi.Http;

/// <summary>Large bodies are in memory up to so many bytes at once; the others wait for a turn. A turn goes to the project that holds the fewest, and one
/// whose body comes slowly is cut while somebody waits: else as many trickling uploads as have turns would lock everybody out.</summary>
/// <param name="budget">Bytes of bodies; a larger one goes alone.</param>
sealed class LargeTurns(long budget, TimeProvider clock)
{
    /// <summary>What a body must come with while others wait: 2 Mbit/s after a start of <see cref="Grace"/>.</summary>
    const int MinBytesPerSecond = 256 * 1024;
    static readonly TimeSpan Grace = TimeSpan.FromSeconds(5);
    /// <summary>How long a body may come, however fast, when its project holds two turns more than the one that waits.</summary>
    static readonly TimeSpan FairTime = TimeSpan.FromSeconds(10);
    static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(1);

    readonly Lock gate = new();
    readonly List<Turn> held = [];
    readonly List<Waiter> waiting = [];

    /// <param name="bytes">That the body may have.</param>
    public async Task<Turn> TakeAsync(int project, long bytes, CancellationToken cancel)
    {
        var waiter = new Waiter(project, Math.Min(bytes, budget));
        lock (gate)
        {
            waiting.Add(waiter);
            Grant();
        }

        try
        {
            while (!waiter.Granted.Task.IsCompleted)
            {
                await Task.WhenAny(waiter.Granted.Task, Task.Delay(LookEvery, clock, cancel));
                cancel.ThrowIfCancellationRequested();
                CutSlow(project);
            }

            return await waiter.Granted.Task;
        }
        catch
        {
            lock (gate) waiting.Remove(waiter);
            if (waiter.Granted.Task.IsCompletedSuccessfully) waiter.Granted.Task.Result.Dispose();
            throw;
        }
    }

    void Grant()
    {
        // In turn whatever their size: many smaller ones would keep a larger one waiting.
        while (waiting.MinBy(w => Held(w.Project)) is { } next && held.Sum(t => t.Bytes) + next.Bytes <= budget)
        {
            waiting.Remove(next);
            var turn = new Turn(this, next.Project, next.Bytes, clock.GetTimestamp());
            held.Add(turn);
            next.Granted.SetResult(turn);
        }
    }

    int Held(int project) => held.Count(t => t.Project == project);

    void CutSlow(int waitingProject)
    {
        lock (gate)
        {
            foreach (var turn in held.Where(t => t.IsReading))
            {
                var age = clock.GetElapsedTime(turn.TakenAt);
                var isUnfair = age > FairTime && Held(turn.Project) > Held(waitingProject) + 1;
                if (isUnfair || age > Grace + TimeSpan.FromSeconds((double)turn.Received / MinBytesPerSecond)) turn.Cut();
                if (isUnfair) return;   // one is enough for the one who waits
            }
        }
    }

    void Release(Turn turn)
    {
        lock (gate)
        {
            if (!held.Remove(turn)) return;
            Grant();
        }

        LargeGarbage.Leave(2 * turn.Received);   // as it came, and decoded
    }

    sealed record Waiter(int Project, long Bytes)
    {
        public TaskCompletionSource<Turn> Granted { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    /// <summary>Held until the answer: the decoded copies live that long.</summary>
    public sealed class Turn(LargeTurns turns, int project, long bytes, long takenAt) : IDisposable
    {
        readonly CancellationTokenSource cut = new();

        public int Project => project;
        public long Bytes => bytes;
        public long TakenAt => takenAt;
        public bool IsReading { get; private set; } = true;
        public long Received { get; set; }
        public CancellationToken WasCut => cut.Token;

        /// <summary>The body is here; what follows depends on us alone.</summary>
        public void EndReading() => IsReading = false;

        public void Cut()
        {
            IsReading = false;
            _ = cut.CancelAsync();
        }

        public void Dispose() => turns.Release(this);
    }
}
