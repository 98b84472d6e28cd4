using System.Collections.Frozen;
using EmailApi.Data;
using EmailApi.Emails;
using Npgsql;

namespace EmailApi.Suppressions;

/// <summary>Which projects have suppressions, as this node last saw it: a hint, so that accepting costs nothing more in one that has none. The first suppression of
/// a project that was made on another node within the last second may be missed at accept; then the claim finds it.</summary>
public sealed class SuppressedProjects(DatabaseGate gate, EngineDatabase database, TimeProvider clock, ILogger<SuppressedProjects> logger) : LookedAtEachSecond(gate, database, clock, logger)
{
    /// <summary>Null until it was read: then any may have some.</summary>
    volatile FrozenSet<int>? projects;
    int additions;

    public bool MayConcern(EmailDraft draft) => !draft.OverridesSuppression && projects?.Contains(draft.Caller.ProjectId) is not false;

    protected override string What => "Which projects have suppressions";

    /// <remarks>"exists" would be planned as a join with every suppression there is.</remarks>
    protected override async Task LookAsync(NpgsqlDataSource source, CancellationToken cancel)
    {
        await using var command = source.CreateCommand("select p.id from projects p cross join lateral (select from suppressions s where s.project_id = p.id limit 1) any_of_it");
        var (found, before) = (new List<int>(), Volatile.Read(ref additions));
        await using (var reader = await command.ExecuteReaderAsync(cancel))
        {
            while (await reader.ReadAsync(cancel)) found.Add(reader.GetInt32(0));
        }

        if (before == Volatile.Read(ref additions)) projects = found.ToFrozenSet();   // else it may not have seen what was added meanwhile
    }

    /// <summary>After something was added here: the next mail that this node accepts sees it.</summary>
    public void Added(int project)
    {
        Interlocked.Increment(ref additions);
        if (projects is { } known && !known.Contains(project)) projects = [.. known, project];
    }
}
