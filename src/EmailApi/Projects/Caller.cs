using System.Globalization;
using System.Security.Claims;

namespace EmailApi.Projects;

/// <summary>Who asks: the key behind a request, and its project.</summary>
public sealed record Caller(int ProjectId, string KeyId)
{
    const string ProjectClaim = "project";

    public ClaimsPrincipal ToPrincipal(IEnumerable<string> scopes, string scheme) => new(new ClaimsIdentity(
        [new(ProjectClaim, ProjectId.ToString(CultureInfo.InvariantCulture)), new(ClaimTypes.NameIdentifier, KeyId), .. scopes.Select(s => new Claim(Scopes.Claim, s))], scheme));

    /// <summary>Called by minimal APIs to make the parameter; endpoints that take one demand a scope, so there is always a key.</summary>
    public static ValueTask<Caller?> BindAsync(HttpContext http)
    {
        var user = http.User;
        var project = user.FindFirstValue(ProjectClaim) ?? throw new InvalidOperationException("The endpoint demands no scope.");
        return new(new Caller(int.Parse(project, CultureInfo.InvariantCulture), user.FindFirstValue(ClaimTypes.NameIdentifier)!));
    }
}

/// <summary>What a key may do.</summary>
public static class Scopes
{
    public const string Claim = "scope";
    public const string Send = "send";
    public const string Read = "read";
    public const string Manage = "manage";

    public static readonly string[] All = [Send, Read, Manage, "approve", "audit", "override_suppression"];
}
