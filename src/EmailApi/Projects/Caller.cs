using System.Security.Claims;
using EmailApi.Emails;
using EmailApi.Http;
using EmailApi.Limits;

namespace EmailApi.Projects;

/// <summary>Who asks: the key behind a request, its project, and what it is bound to.</summary>
public sealed record Caller(int ProjectId, string KeyId)
{
    public KeyMode Mode { get; init; }
    public required IReadOnlyList<string> Scopes { get; init; }
    public IReadOnlyList<string> Senders { get; init; } = [];
    public IReadOnlyList<string> Streams { get; init; } = [];
    public IReadOnlyList<string> Recipients { get; init; } = [];
    /// <summary>Null: none.</summary>
    public RateLimit? Rate { get; init; }
    public ProjectLimits Limits { get; init; } = ProjectLimits.None;
    public KeyTracking Track { get; init; } = KeyTracking.Silent;

    /// <summary>Before something is changed that all keys of the project share.</summary>
    /// <exception cref="ProblemException">403 for a key that is bound to something, or a test key.</exception>
    public void DemandWholeProject()
    {
        if (IsBound) throw new ProblemException(ProblemKind.Forbidden, "A key that is bound to senders, streams or recipients changes nothing that other keys use.");
        if (Mode is KeyMode.Test) throw new ProblemException(ProblemKind.Forbidden, "A test key changes nothing that live keys use.");
    }

    public bool IsBound => Senders.Count + Streams.Count + Recipients.Count > 0;

    public static Caller Of(ApiKey key) => new(key.ProjectId, key.Id)
    {
        Mode = key.Mode,
        Scopes = key.Scopes,
        Senders = key.Senders,
        Streams = key.Streams,
        Recipients = key.Recipients,
        Rate = key.Rate,
        Limits = key.Project?.Limits ?? ProjectLimits.None,
        Track = new(key.TrackOpens, key.TrackClicks, key.TrackClicksText, key.ReturnReceipt),
    };

    public bool MaySendAs(string address) => Senders.Count == 0 || Senders.Any(s => AddressPattern.Covers(s, address));

    public bool MaySendTo(string address) => Recipients.Count == 0 || Recipients.Any(r => AddressPattern.Covers(r, address));

    public bool MayUse(string stream) => Streams.Count == 0 || Streams.Contains(stream);

    public ClaimsPrincipal ToPrincipal(string scheme) => new(new ClaimsIdentity(
        [new(ClaimTypes.NameIdentifier, KeyId), .. Scopes.Select(s => new Claim(Projects.Scopes.Claim, s))], scheme));

    /// <summary>Called by minimal APIs to make the parameter; endpoints that take one demand a scope, so there is always a key.</summary>
    public static ValueTask<Caller?> BindAsync(HttpContext http) => new(Behind(http));

    public static Caller Behind(HttpContext http) =>
        http.Items[typeof(Caller)] as Caller ?? throw new InvalidOperationException("The endpoint demands no scope.");

    internal void StandBehind(HttpContext http) => http.Items[typeof(Caller)] = this;
}

/// <summary>What a key says of its mail's tracking; null: nothing.</summary>
public sealed record KeyTracking(bool? Opens, bool? Clicks, bool? ClicksText, bool? ReturnReceipt)
{
    public static readonly KeyTracking Silent = new(null, null, null, null);
}

/// <summary>What a key may do.</summary>
public static class Scopes
{
    public const string Claim = "scope";
    public const string Send = "send";
    public const string Read = "read";
    public const string Manage = "manage";
    public const string OverrideSuppression = "override_suppression";

    public static readonly string[] All = [Send, Read, Manage, "approve", "audit", OverrideSuppression];
}
