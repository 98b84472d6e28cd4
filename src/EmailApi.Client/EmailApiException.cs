using System.Net;

namespace EmailApi.Client;

/// <summary>The server refused a request, or could not be reached after all tries.</summary>
public sealed class EmailApiException : Exception
{
    internal EmailApiException(string message, Exception? inner = null) : base(message, inner)
    {
    }

    /// <summary>The HTTP status; null when no answer came.</summary>
    public HttpStatusCode? Status { get; init; }

    /// <summary>The stable word to decide by, e.g. <c>validation</c>, <c>wrong_state</c>, <c>idempotency_mismatch</c>. <c>no_answer</c>: the
    /// connection failed. <c>not_understood</c>: the answer was not one of this API, as of a proxy between.</summary>
    public required string Code { get; init; }

    /// <summary>What would work, in the server's words; null when it said nothing.</summary>
    public string? Detail { get; init; }

    /// <summary>Every place of the request that is wrong; empty when the fault lies elsewhere.</summary>
    public IReadOnlyList<FieldError> Errors { get; init; } = [];

    /// <summary>What to tell the operator: the error stands in the server's log under it.</summary>
    public string? TraceId { get; init; }

    /// <summary>How long the server asks to wait before the next request.</summary>
    public TimeSpan? RetryAfter { get; init; }

    /// <summary>The key that a send went under. Whether its mail was stored may be unknown (no answer, 502, 504): the same request under the
    /// same key, within 24 h, finds out and never makes a second mail.</summary>
    public string? IdempotencyKey { get; init; }

    /// <summary>Whether an earlier try of the same call may have been taken, its answer being lost.</summary>
    internal bool FollowsLostAnswer { get; init; }
}

/// <summary>A place in a request that is wrong.</summary>
/// <param name="Pointer">JSON pointer into the body as a URI fragment (RFC 6901 §6), e.g. <c>#/to/1</c>; in a batch <c>#/3/to/1</c>.</param>
/// <param name="Code">A stable word.</param>
/// <param name="Detail">What would be right.</param>
public sealed record FieldError(string Pointer, string Code, string Detail);
