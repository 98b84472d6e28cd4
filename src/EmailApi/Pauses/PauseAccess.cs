using EmailApi.Data;
using EmailApi.Http;
using EmailApi.Projects;
using EmailApi.Relays;
using Microsoft.EntityFrameworkCore;

namespace EmailApi.Pauses;

/// <summary>Which pause a request speaks of, if its key may.</summary>
/// <param name="Project">Null for a relay.</param>
public sealed record PauseTarget(int? Project, PauseBy By, string Value);

/// <summary>Who may pause what: a key bound to nothing, all of its project; one that is bound, the mail that it sends; a test key, that of test keys; a relay
/// or another project, who runs the server.</summary>
public sealed class PauseAccess(EmailDb db, ProjectAccess projects, RelayCatalog relays)
{
    /// <param name="mustExist">For a pause. What a resume speaks of may be gone meanwhile.</param>
    /// <exception cref="ProblemException">403; 404: another project; 422: no such stream, key or relay.</exception>
    public async Task<PauseTarget> TargetAsync(PauseRequest request, Caller caller, bool mustExist, CancellationToken cancel)
    {
        var (by, value) = request.Selectors().Single();
        if (by is PauseBy.Relay) await projects.DemandOperatorAsync(caller, cancel);
        else if (by is PauseBy.Key) await DemandOwnAsync(value, caller, cancel);
        else caller.DemandWholeProject();

        if (by is PauseBy.Project)
        {
            var project = await ProjectAsync(value, caller, cancel);
            return new(project, by, ProjectAccess.Format(project));
        }

        if (mustExist && await RefusalAsync(by, value, caller, cancel) is { } refusal)
            throw Validation.Invalid([new(JsonPointer.Of(by.Word()), $"unknown_{by.Word()}", refusal)]);
        return new(by is PauseBy.Relay ? null : caller.ProjectId, by, value);
    }

    /// <summary>A stop is not undone by whom it was meant for: a bound or test key ends what it paused itself, and what the operator paused in another project only
    /// the operator ends.</summary>
    /// <exception cref="ProblemException">403.</exception>
    public async Task DemandResumeAsync(Pause pause, Caller caller, CancellationToken cancel)
    {
        if ((caller.IsBound || caller.Mode is KeyMode.Test) && pause.PausedBy != caller.KeyId)
            throw new ProblemException(ProblemKind.Forbidden, "A bound key or a test key resumes only what it paused itself.");
        if (pause.ProjectId is { } project && await db.ApiKeys.AnyAsync(k => k.Id == pause.PausedBy && k.ProjectId != project, cancel))
            await projects.DemandOperatorAsync(caller, cancel);
    }

    async Task DemandOwnAsync(string key, Caller caller, CancellationToken cancel)
    {
        if (caller.IsBound && key != caller.KeyId) throw new ProblemException(ProblemKind.Forbidden, "A key that is bound to senders, streams or recipients pauses only the mail that it sends; give its own id as key.");
        if (caller.Mode is KeyMode.Test && await db.ApiKeys.AnyAsync(k => k.Id == key && k.ProjectId == caller.ProjectId && k.Mode == KeyMode.Live, cancel))
            throw new ProblemException(ProblemKind.Forbidden, "A test key pauses only mail of test keys.");
    }

    /// <summary>By id as elsewhere, or by name.</summary>
    async Task<int> ProjectAsync(string value, Caller caller, CancellationToken cancel)
    {
        var named = await db.Projects.Where(p => p.Name == value).Select(p => (int?)p.Id).SingleOrDefaultAsync(cancel);
        return await projects.ProjectAsync(named is { } id ? ProjectAccess.Format(id) : value, caller, cancel);
    }

    async Task<string?> RefusalAsync(PauseBy by, string value, Caller caller, CancellationToken cancel) => by switch
    {
        PauseBy.Stream when !await db.Streams.AnyAsync(s => s.ProjectId == caller.ProjectId && s.Name == value, cancel) =>
            $"The project has no stream {value}; GET /v1/streams lists those that there are.",
        PauseBy.Key when !await db.ApiKeys.AnyAsync(k => k.ProjectId == caller.ProjectId && k.Id == value, cancel) =>
            $"The project has no key {value}; give the id of one that GET /v1/keys lists.",
        PauseBy.Relay when value != RelayCatalog.Capture && relays.Relays.All(r => r.Name != value) =>
            $"There is no relay {value}; give one of {string.Join(", ", relays.Relays.Select(r => r.Name).Append(RelayCatalog.Capture))}.",
        _ => null,
    };
}
