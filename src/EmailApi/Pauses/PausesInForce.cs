using System.Collections.Frozen;
using EmailApi.Data;
using EmailApi.Emails;
using Npgsql;

namespace EmailApi.Pauses;

/// <summary>Where anything is paused, as this node last saw it: a hint, so that accepting costs nothing more where nothing is. Whether a mail is stopped
/// is read in the transaction that stores it. One that was paused on another node within the last second may be missed; then its claim holds it.</summary>
public sealed class PausesInForce(DatabaseGate gate, EngineDatabase database, TimeProvider clock, ILogger<PausesInForce> logger) : LookedAtEachSecond(gate, database, clock, logger)
{
    volatile Places places = Places.None;

    /// <summary>Whether some pause is in force in a mail's project or at its relay.</summary>
    public bool MayConcern(IReadOnlyList<EmailDraft> drafts)
    {
        var now = places;
        return now != Places.None && drafts.Any(d => now.Projects.Contains(d.Caller.ProjectId) || now.Relays.Contains(d.Lane));
    }

    protected override string What => "What is paused";

    protected override async Task LookAsync(NpgsqlDataSource source, CancellationToken cancel)
    {
        await using var command = source.CreateCommand("select distinct project_id, case when by = 'relay' then value end from pauses where resumed_at is null");
        var (projects, relays) = (new List<int>(), new List<string>());
        await using (var reader = await command.ExecuteReaderAsync(cancel))
        {
            while (await reader.ReadAsync(cancel))
                if (reader.IsDBNull(1)) projects.Add(reader.GetInt32(0));
                else relays.Add(reader.GetString(1));
        }

        places = projects.Count + relays.Count == 0 ? Places.None : new(projects.ToFrozenSet(), relays.ToFrozenSet(StringComparer.Ordinal));
    }

    sealed record Places(FrozenSet<int> Projects, FrozenSet<string> Relays)
    {
        public static readonly Places None = new([], []);
    }
}
