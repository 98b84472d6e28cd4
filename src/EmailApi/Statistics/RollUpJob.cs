using EmailApi.Data;

namespace EmailApi.Statistics;

/// <summary>Each minute, for a minute: counts what happened, so that whoever asks has little left to count. It ends early when its node stops, and loses nothing: the next goes on at the cursors.</summary>
public sealed class RollUpJob(RollUp counts, EngineDatabase database, TimeProvider clock)
{
    static readonly TimeSpan Lasts = TimeSpan.FromSeconds(55);
    static readonly TimeSpan Apart = TimeSpan.FromSeconds(2);

    public async Task RunAsync(CancellationToken cancel)
    {
        for (var startedAt = clock.GetTimestamp(); clock.GetElapsedTime(startedAt) < Lasts; await Task.Delay(Apart, clock, cancel)) await counts.CountAllAsync(cancel);
    }

    /// <summary>Hourly: drops counts of more than 400 days ago.</summary>
    public async Task DropOldAsync(CancellationToken cancel)
    {
        await using var command = database.Source.CreateCommand("delete from stats where at < now() - interval '400 days'");
        await command.ExecuteNonQueryAsync(cancel);
    }
}
