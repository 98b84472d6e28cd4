using System.Text;
using System.Text.Encodings.Web;
using EmailApi.Data;
using EmailApi.Http;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authorization;
using Microsoft.Extensions.Options;

namespace EmailApi.Projects;

/// <summary>Bearer keys on the API (RFC 6750), and the same keys as the password of Basic on pages that a browser opens (RFC 7617).</summary>
public sealed class ApiKeyAuthentication(
    ApiKeys keys, FailedKeys failures, DatabaseGate gate, IOptionsMonitor<AuthenticationSchemeOptions> options, ILoggerFactory logger, UrlEncoder encoder)
    : AuthenticationHandler<AuthenticationSchemeOptions>(options, logger, encoder)
{
    public const string SchemeName = "ApiKey";
    const int MaxTokenLength = 512;

    bool IsPage => Context.GetEndpoint()?.Metadata.GetMetadata<PageMetadata>() is not null;

    protected override async Task<AuthenticateResult> HandleAuthenticateAsync()
    {
        if (Context.GetEndpoint()?.Metadata.GetMetadata<ScopeMetadata>() is null) return AuthenticateResult.NoResult();   // /livez answers with a key as well, the database away or not
        if (Token() is not { Length: > 0 and <= MaxTokenLength } token) return AuthenticateResult.NoResult();
        if (!gate.IsOpen) throw new DatabaseUnavailableException(gate.Waiting);
        var address = Context.Connection.RemoteIpAddress;
        if (!keys.Remembers(token)) failures.ThrowIfSlowed(address);
        if (await keys.FindAsync(token, Context.RequestAborted) is not { } key)
        {
            failures.Add(address);
            return AuthenticateResult.Fail("unknown key");
        }

        var caller = Caller.Of(key);
        caller.StandBehind(Context);
        return AuthenticateResult.Success(new(caller.ToPrincipal(SchemeName), SchemeName));
    }

    string? Token()
    {
        var header = Request.Headers.Authorization.ToString();
        if (header.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase)) return header["Bearer ".Length..].Trim();
        if (!IsPage || !header.StartsWith("Basic ", StringComparison.OrdinalIgnoreCase)) return null;

        var bytes = new byte[header.Length];
        if (!Convert.TryFromBase64String(header["Basic ".Length..].Trim(), bytes, out var length)) return null;
        var userAndPassword = Encoding.UTF8.GetString(bytes, 0, length);
        return userAndPassword.IndexOf(':', StringComparison.Ordinal) is var colon and >= 0 ? userAndPassword[(colon + 1)..] : null;
    }

    protected override Task HandleChallengeAsync(AuthenticationProperties properties)
    {
        if (!gate.IsOpen) throw new DatabaseUnavailableException(gate.Waiting);
        Response.Headers.WWWAuthenticate = IsPage ? "Basic realm=\"EmailApi\", charset=\"UTF-8\"" : "Bearer realm=\"EmailApi\"";
        return ProblemWriter.WriteAsync(Context, ProblemKind.Unauthorized, Token() is null
            ? IsPage ? "Sign in with any user name and a key that has the scope manage as the password." : "Send the key as Authorization: Bearer ek_…"
            : "The key is unknown, expired or revoked: check that it is whole and belongs to this server.");
    }

    protected override Task HandleForbiddenAsync(AuthenticationProperties properties)
    {
        // A page that may not be seen is not there.
        if (IsPage) return ProblemWriter.WriteAsync(Context, ProblemKind.NotFound, ProblemWriter.NothingAt(Context));
        var scope = Context.GetEndpoint()?.Metadata.GetMetadata<ScopeMetadata>()?.Scope;
        return ProblemWriter.WriteAsync(Context, ProblemKind.Forbidden, $"The key lacks the scope {scope}.");
    }
}

/// <summary>The scope that an endpoint demands.</summary>
public sealed record ScopeMetadata(string Scope);

/// <summary>Marks what a browser opens: Basic is taken there.</summary>
public sealed record PageMetadata;

public static class ScopeExtensions
{
    public static T RequireScope<T>(this T endpoint, string scope) where T : IEndpointConventionBuilder =>
        endpoint.RequireAuthorization(scope).WithMetadata(new ScopeMetadata(scope));

    public static void AddScopePolicies(this AuthorizationOptions options)
    {
        foreach (var scope in Scopes.All) options.AddPolicy(scope, policy => policy.RequireClaim(Scopes.Claim, scope));
    }
}
