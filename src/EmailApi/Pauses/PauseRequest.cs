using System.Text.Json;
using System.Text.Json.Serialization;
using EmailApi.Emails;
using EmailApi.Http;
using FluentValidation;

namespace EmailApi.Pauses;

/// <summary>What is to be paused or resumed: exactly one of project, stream, key, tag and relay.</summary>
public sealed record PauseRequest
{
    /// <summary>The project's id or name: all its mail. Another project's only for keys that see it.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Project { get; init; }
    /// <summary>A stream of the key's project.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Stream { get; init; }
    /// <summary>The id of a key of the project: mail that it sent.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Key { get; init; }
    /// <summary><c>name:value</c>, or the name alone for any value, as in the log's filter.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Tag { get; init; }
    /// <summary>A relay's name: mail of all projects that would leave through it.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Relay { get; init; }
    /// <summary>Why, for people: shown in the list, and as <c>note</c> in the events. 1 to 500 characters.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Reason { get; init; }

    [JsonExtensionData]
    public Dictionary<string, JsonElement>? Unknown { get; set; }

    internal IEnumerable<(PauseBy By, string Value)> Selectors()
    {
        if (Project is not null) yield return (PauseBy.Project, Project);
        if (Stream is not null) yield return (PauseBy.Stream, Stream);
        if (Key is not null) yield return (PauseBy.Key, Key);
        if (Tag is not null) yield return (PauseBy.Tag, Tag);
        if (Relay is not null) yield return (PauseBy.Relay, Relay);
    }
}

public sealed class PauseValidator : AbstractValidator<PauseRequest>
{
    const int MaxValue = 200;
    const int MaxReason = 500;

    public PauseValidator() => RuleFor(r => r).Custom((request, context) =>
    {
        context.RefuseUnknown(request.Unknown);
        var selectors = request.Selectors().ToList();
        if (selectors.Count != 1) context.Add("one_of", $"Give exactly one of {string.Join(", ", Words.All<PauseBy>())}; for all mail of a project its id or name as project.");
        foreach (var (by, value) in selectors)
            if (value.Length is 0 or > MaxValue) context.Add("invalid", $"Give 1 to {MaxValue} characters.", by.Word());
            else if (MailText.ControlFault(value) is { } fault) context.Add("invalid", fault, by.Word());
        if (request.Tag is [':', ..]) context.Add("invalid", "A tag is name:value, or the name alone for any value.", "tag");
        if (request.Reason is not { } reason) return;
        if (string.IsNullOrWhiteSpace(reason) || reason.Length > MaxReason) context.Add("invalid", $"Give 1 to {MaxReason} characters, or leave it out.", "reason");
        else if (MailText.ControlFault(reason) is { } fault) context.Add("invalid", fault, "reason");
    });
}

/// <summary>A pause. While it stands no mail that it matches is handed to a relay.</summary>
/// <param name="Selector">What was paused, as <c>POST /v1/resume</c> takes it.</param>
/// <param name="Project">The project whose mail it stops; null for a relay, which takes mail of all.</param>
/// <param name="PausedBy">The id of the key that paused it.</param>
/// <param name="ResumedAt">Null while it is paused.</param>
/// <param name="Settled">All that it matched is held, or after a resume released; false while the server is still at it, which lets nothing out.</param>
public sealed record PauseResponse(
    PauseRequest Selector, string? Project, string? Reason, string PausedBy, DateTimeOffset PausedAt, DateTimeOffset? ResumedAt, bool Settled)
{
    internal static PauseResponse Of(Pause pause, bool isSettled) => new(
        pause.By switch
        {
            PauseBy.Project => new() { Project = pause.Value },
            PauseBy.Stream => new() { Stream = pause.Value },
            PauseBy.Key => new() { Key = pause.Value },
            PauseBy.Tag => new() { Tag = pause.Value },
            _ => new() { Relay = pause.Value },
        },
        pause.ProjectId is { } project ? Projects.ProjectAccess.Format(project) : null, pause.Note, pause.PausedBy, pause.PausedAt, pause.ResumedAt, isSettled);
}
