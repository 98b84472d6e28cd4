using System.Collections.Frozen;
using EmailApi.Data;
using EmailApi.Emails;
using Npgsql;

namespace EmailApi.Suppressions;

/// <summary>Which projects have suppressions, as this node last saw it: a hint, so that accepting costs nothing more in one that has none. The first suppression of
/// a project that was made on another node within the last second may be missed at accept; then the claim finds it.</summary>
public sealed partial class SuppressedProjects(DatabaseGate gate, EngineDatabase database, TimeProvider clock, ILogger<SuppressedProjects> logger) : BackgroundService
{
    static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(1);

    /// <summary>Null until it was read: then any may have some.</summary>
    volatile FrozenSet<int>? projects;

    public bool MayConcern(EmailDraft draft) => !draft.OverridesSuppression && projects?.Contains(draft.Caller.ProjectId) is not false;

    public async Task LookAsync(CancellationToken cancel)
    {
        await using var command = database.Source.CreateCommand("select p.id from projects p where exists (select from suppressions s where s.project_id = p.id)");
        var found = new List<int>();
        await using (var reader = await command.ExecuteReaderAsync(cancel))
        {
            while (await reader.ReadAsync(cancel)) found.Add(reader.GetInt32(0));
        }

        projects = found.ToFrozenSet();
    }

    /// <summary>After something was added here: the next mail that this node accepts sees it.</summary>
    public void Added(int project)
    {
        if (projects is { } known && !known.Contains(project)) projects = [.. known, project];
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await gate.WaitAsync(stoppingToken);
        using var timer = new PeriodicTimer(LookEvery, clock);
        var failed = false;
        do
        {
            try
            {
                await LookAsync(stoppingToken);
                failed = false;
            }
            catch (NpgsqlException error)
            {
                if (!failed) LogFailed(logger, error.GetBaseException().Message);
                failed = true;
            }
        }
        while (await timer.WaitForNextTickAsync(stoppingToken));
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Which projects have suppressions could not be read ({Reason}); a second later again")]
    static partial void LogFailed(ILogger logger, string reason);
}
