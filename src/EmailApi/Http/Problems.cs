using System.Text.Json.Serialization;

namespace EmailApi.Http;

/// <summary>A place in the request that is wrong.</summary>
/// <param name="Pointer">JSON pointer into the body as a URI fragment (RFC 6901 §6), e.g. <c>#/to/1</c>.</param>
/// <param name="Code">A stable word.</param>
/// <param name="Detail">What would be right.</param>
public sealed record FieldError(string Pointer, string Code, string Detail);

/// <summary>An error response (RFC 9457). The code is stable, the title never varies, the detail says what would work.</summary>
public sealed record Problem
{
    public required string Type { get; init; }
    public required string Code { get; init; }
    public required string Title { get; init; }
    public required int Status { get; init; }
    public string? Detail { get; init; }
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<FieldError>? Errors { get; init; }
    /// <summary>W3C trace id: what to tell the operator.</summary>
    public string? TraceId { get; init; }
}

/// <summary>Ends a request with a problem document.</summary>
public sealed class ProblemException(ProblemKind kind, string detail, IReadOnlyList<FieldError>? errors = null, Exception? inner = null)
    : Exception(detail, inner)
{
    public ProblemKind Kind { get; } = kind;
    public IReadOnlyList<FieldError>? Errors { get; } = errors;
    /// <summary>Seconds, for a Retry-After header.</summary>
    public int? RetryAfter { get; init; }
}

/// <summary>The kinds of problem there are: status, stable code, and a title that never varies.</summary>
public sealed record ProblemKind(int Status, string Code, string Title)
{
    public static readonly ProblemKind MalformedJson = new(400, "malformed_json", "The body is not the JSON that was expected");
    public static readonly ProblemKind BadRequest = new(400, "bad_request", "The request cannot be understood");
    public static readonly ProblemKind BadCursor = new(400, "bad_cursor", "The cursor is not one of ours");
    public static readonly ProblemKind Unauthorized = new(401, "unauthorized", "A valid API key is needed");
    public static readonly ProblemKind Forbidden = new(403, "forbidden", "The key may not do this");
    public static readonly ProblemKind NotAllowed = new(403, "not_allowed", "The key is not allowed to send this");
    public static readonly ProblemKind NotFound = new(404, "not_found", "There is no such thing");
    public static readonly ProblemKind MethodNotAllowed = new(405, "method_not_allowed", "The method is not offered here");
    public static readonly ProblemKind TooSlow = new(408, "too_slow", "The body came too slowly");
    public static readonly ProblemKind ContentGone = new(409, "content_gone", "The content is gone");
    public static readonly ProblemKind IdempotencyInProgress = new(409, "idempotency_in_progress", "The first request with this key is still under way");
    public static readonly ProblemKind WrongState = new(409, "wrong_state", "The email's state does not allow this");
    public static readonly ProblemKind WebhookOff = new(409, "webhook_off", "The webhook is switched off");
    public static readonly ProblemKind NotPaused = new(409, "not_paused", "Nothing is paused by this");
    public static readonly ProblemKind Exists = new(409, "exists", "There is one of that name");
    public static readonly ProblemKind InUse = new(409, "in_use", "It is still in use");
    public static readonly ProblemKind TooLarge = new(413, "too_large", "The request is too large");
    public static readonly ProblemKind UnsupportedMediaType = new(415, "unsupported_media_type", "The body's media type is not supported");
    public static readonly ProblemKind Validation = new(422, "validation", "The request is not valid");
    public static readonly ProblemKind IdempotencyMismatch = new(422, "idempotency_mismatch", "The idempotency key was used for another request");
    public static readonly ProblemKind TooManyFailures = new(429, "too_many_failures", "Too many wrong keys came from this address");
    public static readonly ProblemKind RateLimited = new(429, "rate_limited", "Too many mails came at once");
    public static readonly ProblemKind QuotaExceeded = new(429, "quota_exceeded", "The project's quota is used up");
    public static readonly ProblemKind TooManyImports = new(429, "too_many_imports", "Too many imports are under way");
    public static readonly ProblemKind Internal = new(500, "internal", "Something went wrong on our side");
    public static readonly ProblemKind DatabaseUnavailable = new(503, "database_unavailable", "The database is away");

    public static ProblemKind OfStatus(int status) => status switch
    {
        400 => BadRequest,
        401 => Unauthorized,
        403 => Forbidden,
        404 => NotFound,
        405 => MethodNotAllowed,
        408 => TooSlow,
        413 => TooLarge,
        415 => UnsupportedMediaType,
        503 => DatabaseUnavailable,
        >= 500 => Internal,
        _ => new(status, "error", Microsoft.AspNetCore.WebUtilities.ReasonPhrases.GetReasonPhrase(status)),
    };
}
