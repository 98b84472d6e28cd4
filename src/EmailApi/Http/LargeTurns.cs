namespace EmailApi.Http;

/// <summary>Few large bodies are in memory at once; the others wait for a turn. A turn goes to the project that holds the fewest, and one
/// whose body comes slowly is cut while somebody waits: else as many trickling uploads as there are turns would lock everybody out.</summary>
sealed class LargeTurns(int count, TimeProvider clock)
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

    public async Task<Turn> TakeAsync(int project, CancellationToken cancel)
    {
        var waiter = new Waiter(project);
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
        while (held.Count < count && waiting.MinBy(w => Held(w.Project)) is { } next)
        {
            waiting.Remove(next);
            var turn = new Turn(this, next.Project, clock.GetTimestamp());
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
            if (held.Remove(turn)) Grant();
    }

    sealed record Waiter(int Project)
    {
        public TaskCompletionSource<Turn> Granted { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    /// <summary>Held until the answer: the decoded copies live that long.</summary>
    public sealed class Turn(LargeTurns turns, int project, long takenAt) : IDisposable
    {
        readonly CancellationTokenSource cut = new();

        public int Project => project;
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
