using System.Collections.Concurrent;
using EmailApi.Data;
using Microsoft.EntityFrameworkCore;

namespace EmailApi.Projects;

/// <summary>Streams by name, remembered for 4 s: every accept and every outcome asks.</summary>
public sealed class StreamCatalog(IDbContextFactory<EmailDb> databases, TimeProvider clock)
{
    static readonly TimeSpan Memory = TimeSpan.FromSeconds(4);
    const int MaxRemembered = 10_000;

    readonly ConcurrentDictionary<(int Project, string Name), (Stream? Stream, long ReadAt)> remembered = new();

    public ValueTask<Stream?> FindAsync(int projectId, string name, CancellationToken cancel) =>
        !StreamValidator.IsName(name) ? new((Stream?)null)   // else anybody's words would be asked for and remembered, whatever their length
        : remembered.TryGetValue((projectId, name), out var known) && clock.GetElapsedTime(known.ReadAt) < Memory
            ? new(known.Stream)
            : new(ReadAsync(projectId, name, cancel));

    /// <summary>This node sees a change at once; others within 5 s.</summary>
    public void Forget(int projectId, string name) => remembered.TryRemove((projectId, name), out _);

    async Task<Stream?> ReadAsync(int projectId, string name, CancellationToken cancel)
    {
        await using var db = await databases.CreateDbContextAsync(cancel);
        var stream = await db.Streams.AsNoTracking().SingleOrDefaultAsync(s => s.ProjectId == projectId && s.Name == name, cancel);
        if (remembered.Count > MaxRemembered) remembered.Clear();
        remembered[(projectId, name)] = (stream, clock.GetTimestamp());
        return stream;
    }
}
