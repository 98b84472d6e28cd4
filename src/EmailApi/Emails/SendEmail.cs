using EmailApi.Http;
using EmailApi.Projects;

namespace EmailApi.Emails;

/// <summary>POST /v1/emails: answers once the email is committed; nothing is sent on the request.</summary>
public static class SendEmail
{
    public static async Task<IResult> HandleAsync(
        RequestBody<SendEmailRequest> body, Caller caller, HttpContext http, EmailAcceptor acceptor, CancellationToken cancel)
    {
        var answer = await acceptor.AcceptAsync(body.Value, caller, IdempotencyHeader.Read(http.Request, body.Fingerprint), cancel);
        return new AcceptedJson(answer, WithLocation: true);
    }
}

/// <summary>POST /v1/emails/batch: up to 1,000 mails, stored together.</summary>
public static class SendBatch
{
    public static async Task<IResult> HandleAsync(
        RequestBody<SendBatchRequest> body, string? mode, Caller caller, HttpContext http, EmailAcceptor acceptor, CancellationToken cancel)
    {
        if (mode is not (null or "strict" or "permissive")) throw new ProblemException(ProblemKind.BadRequest, $"mode is strict or permissive; {mode} is neither.");
        var answer = await acceptor.AcceptBatchAsync(body.Value, mode is "permissive", caller, IdempotencyHeader.Read(http.Request, body.Fingerprint), cancel);
        return new AcceptedJson(answer, WithLocation: false);
    }
}

/// <summary>A 202 whose body is JSON already: the bytes that a repeat gets again.</summary>
sealed record AcceptedJson(AcceptedAnswer Answer, bool WithLocation) : IResult
{
    public async Task ExecuteAsync(HttpContext httpContext)
    {
        var response = httpContext.Response;
        response.StatusCode = StatusCodes.Status202Accepted;
        response.ContentType = "application/json; charset=utf-8";
        response.ContentLength = Answer.Body.Length;
        if (Answer.IsReplayed) response.Headers["Idempotent-Replayed"] = "true";
        // {"id":"em_…": the id leads the body, so a replay finds it there as well.
        if (WithLocation) response.Headers.Location = $"/v1/emails/{System.Text.Encoding.ASCII.GetString(Answer.Body, 7, 35)}";
        await response.Body.WriteAsync(Answer.Body, httpContext.RequestAborted);
    }
}

/// <summary>The Idempotency-Key header: 1 to 255 printable ASCII characters, bare or as a quoted string (both are in use).</summary>
static class IdempotencyHeader
{
    const int MaxLength = 255;

    /// <exception cref="ProblemException">400 when it is empty, too long or given twice.</exception>
    public static Idempotency? Read(HttpRequest request, byte[] fingerprint)
    {
        var values = request.Headers["Idempotency-Key"];
        if (values.Count == 0) return null;
        var key = values.Count == 1 ? values[0]!.Trim() : "";
        if (key is ['"', .. var quoted, '"']) key = quoted;
        return key.Length is >= 1 and <= MaxLength && !key.AsSpan().ContainsAnyExceptInRange(' ', '~')
            ? new(key, fingerprint)
            : throw new ProblemException(ProblemKind.BadRequest, $"Idempotency-Key is given once, with 1 to {MaxLength} printable ASCII characters.");
    }
}
