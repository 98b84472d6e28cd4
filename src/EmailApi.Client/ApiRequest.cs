using System.Net;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace EmailApi.Client;

/// <summary>A request as it is made once or several times: the same bytes under the same key each time.</summary>
/// <param name="Path">Below the base address, without a leading slash.</param>
/// <param name="MayRepeat">Whether making it twice does what making it once does. If not, only what was surely not taken is tried again.</param>
sealed record ApiRequest(HttpMethod Method, string Path, byte[]? Body = null, string? IdempotencyKey = null, bool MayRepeat = true)
{
    public static ApiRequest Get(string path) => new(HttpMethod.Get, path);

    public HttpRequestMessage ToMessage(Uri address, string key)
    {
        var message = new HttpRequestMessage(Method, new Uri(address, Path));
        message.Headers.Authorization = new("Bearer", key);
        message.Headers.UserAgent.Add(Agent);
        if (IdempotencyKey is not null) message.Headers.TryAddWithoutValidation("Idempotency-Key", IdempotencyKey);
        // Never without a body: on a connection used before that ends in silence, HttpClient itself repeats a POST that has none.
        if (Method != HttpMethod.Get) message.Content = new ByteArrayContent(Body ?? NoFields) { Headers = { ContentType = new("application/json") } };
        return message;
    }

    static readonly byte[] NoFields = "{}"u8.ToArray();
    static readonly System.Net.Http.Headers.ProductInfoHeaderValue Agent = new("EmailApi.Client", typeof(ApiRequest).Assembly.GetName().Version?.ToString(3));
}

/// <summary>An answer, read to its end.</summary>
sealed record ApiAnswer(HttpStatusCode Status, byte[] Body, bool IsReplayed, TimeSpan? RetryAfter)
{
    public bool IsSuccess => (int)Status is >= 200 and < 300;

    /// <exception cref="EmailApiException"><c>not_understood</c>.</exception>
    public T Read<T>(JsonTypeInfo<T> type)
    {
        try
        {
            if (JsonSerializer.Deserialize(Body, type) is { } value) return value;
        }
        catch (JsonException error)
        {
            throw NotUnderstood(error);
        }

        throw NotUnderstood();
    }

    /// <summary>The problem document, or the little there is when something between answered for the server.</summary>
    public EmailApiException ToException(ApiRequest request, bool followsLostAnswer)
    {
        var problem = Problem();
        return new($"{request.Method} {request.Path}: {(int)Status} {problem?.Code ?? "without a problem document"}{Sentence(problem)}")
        {
            Status = Status,
            Code = problem?.Code ?? "not_understood",
            Detail = problem?.Detail,
            Errors = problem?.Errors ?? [],
            TraceId = problem?.TraceId,
            RetryAfter = RetryAfter,
            IdempotencyKey = request.IdempotencyKey,
            FollowsLostAnswer = followsLostAnswer,
        };
    }

    public string? Code => IsSuccess ? null : Problem()?.Code;

    Problem? Problem()
    {
        try
        {
            return JsonSerializer.Deserialize(Body, EmailApiJson.Wire.Problem);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    static string Sentence(Problem? problem) => problem switch
    {
        { Errors: [var only] } => $". {only.Pointer}: {only.Detail}",
        { Errors: [var first, ..] } => $". {problem.Detail} {first.Pointer}: {first.Detail}",
        { Detail: { } detail } => $". {detail}",
        { Title: { } title } => $". {title}",
        _ => "",
    };

    EmailApiException NotUnderstood(Exception? inner = null) =>
        new($"The answer ({(int)Status}, {Body.Length} bytes) is not what this API answers; does BaseAddress name the server?", inner) { Status = Status, Code = "not_understood" };
}
