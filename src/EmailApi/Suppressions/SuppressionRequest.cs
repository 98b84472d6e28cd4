using System.Text.Json;
using System.Text.Json.Serialization;
using EmailApi.Emails;
using EmailApi.Http;
using FluentValidation;

namespace EmailApi.Suppressions;

/// <summary>An address that is to be mailed no more.</summary>
public sealed record SuppressionRequest
{
    /// <summary>The address alone. Upper and lower case are the same, as are quotes that mean nothing and the two forms of an international domain;
    /// <c>taro+shop@example.jp</c> is another address than <c>taro@example.jp</c>.</summary>
    public string? Email { get; init; }
    /// <summary>A reason word; <c>manual</c> when left out.</summary>
    public string? Reason { get; init; }
    /// <summary>Only mail of this stream; left out: all mail of the project.</summary>
    public string? Stream { get; init; }
    /// <summary>RFC 3339 with an offset: when it ends; left out: never.</summary>
    public string? ExpiresAt { get; init; }

    [JsonExtensionData]
    public Dictionary<string, JsonElement>? Unknown { get; set; }
}

public sealed class SuppressionValidator : AbstractValidator<SuppressionRequest>
{
    public SuppressionValidator() => RuleFor(r => r).Custom((request, context) => context.RefuseUnknown(request.Unknown));
}

/// <summary>What is wrong with a field of a suppression.</summary>
readonly record struct SuppressionFault(string Field, string Code, string Detail);

/// <summary>What a suppression must be, one that is posted and a line of an import alike.</summary>
static class SuppressionRules
{
    static readonly HashSet<string> Reasons = [.. Suppression.Reasons];

    /// <param name="streams">The project's.</param>
    public static IEnumerable<SuppressionFault> Faults(string? email, string? reason, string? stream, string? expiresAt, HashSet<string> streams, DateTimeOffset now)
    {
        if (!Address.TryParse(email, out _, out var error)) yield return new("email", "invalid_address", error);
        if (reason is not null && !Reasons.Contains(reason))
            yield return new("reason", "unknown_value", $"Give one of {string.Join(", ", Suppression.Reasons)}, or leave it out for manual.");
        if (stream is not null && !streams.Contains(stream))
            yield return new("stream", "unknown_stream", $"The project has no stream {JsonPointer.Short(stream)}; leave it out for the whole project.");
        if (expiresAt is null) yield break;
        if (!Instant.TryParse(expiresAt, out var at)) yield return new("expires_at", "invalid_time", Instant.Wanted);
        else if (at <= now) yield return new("expires_at", "in_the_past", "expires_at must lie in the future.");
    }
}

/// <summary>An address that must not be mailed.</summary>
/// <param name="Email">As it is compared: in lower case, its domain in Unicode.</param>
/// <param name="Reason">One word.</param>
/// <param name="Stream">Null: the whole project.</param>
/// <param name="Source">What made it.</param>
/// <param name="CreatedAt">Since when it holds.</param>
/// <param name="ExpiresAt">When it ends; null: never.</param>
/// <param name="EmailId">The mail that caused it, if one did; it may be gone.</param>
public sealed record SuppressionResponse(
    string Email, string Reason, string? Stream, string Source, DateTimeOffset CreatedAt, DateTimeOffset? ExpiresAt, string? EmailId)
{
    internal static SuppressionResponse Of(Suppression suppression) => new(
        suppression.Address, suppression.Reason, suppression.Stream, suppression.Source.Word(), suppression.CreatedAt, suppression.ExpiresAt,
        suppression.EmailId is { } email ? Emails.EmailId.Format(email) : null);
}
