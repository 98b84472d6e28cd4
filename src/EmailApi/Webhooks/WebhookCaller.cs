using System.Globalization;
using System.Net.Http.Headers;
using System.Text;
using EmailApi.Data;
using EmailApi.Http.Outbound;
using EmailApi.Operations;

namespace EmailApi.Webhooks;

/// <summary>What a call met with.</summary>
/// <param name="Timestamp">The <c>webhook-timestamp</c>, Unix seconds.</param>
/// <param name="Answer">The first 4 KB.</param>
/// <param name="Error">Why there was no answer, or why it does not count; null when the status says all.</param>
public sealed record CallAnswer(long Timestamp, TimeSpan Duration, byte[] Body, int? Status, string? Answer, string? Error, TimeSpan? RetryAfter)
{
    public bool IsSuccess => Status is >= 200 and < 300;

    /// <summary>The endpoint wants no more.</summary>
    public bool IsGone => Status == 410;

    /// <summary>A few words for people.</summary>
    public string Words => Error ?? $"it answered {Status}";
}

/// <summary>Makes one call: signed as Standard Webhooks has it, one event a call, with a Content-Length, in 15 s at most.</summary>
public sealed class WebhookCaller(GuardedClient client, TimeProvider clock)
{
    public static readonly TimeSpan Limit = TimeSpan.FromSeconds(15);

    const int KeptAnswer = 4096;
    const int MaxError = 300;
    public const string UserAgent = "EmailApi-Webhooks/1";
    public const string ContentType = "application/json";

    /// <param name="secrets">The one in force, and those that it replaced while they are too.</param>
    /// <exception cref="OperationCanceledException"><paramref name="cancel"/> was called: nobody knows what became of it.</exception>
    public async Task<CallAnswer> CallAsync(string url, IReadOnlyList<byte[]> secrets, ToldEvent told, CancellationToken cancel)
    {
        var (body, timestamp, startedAt) = (WebhookBody.Of(told), clock.GetUtcNow().ToUnixTimeSeconds(), clock.GetTimestamp());
        using var request = new HttpRequestMessage(HttpMethod.Post, url) { Content = new ByteArrayContent(body) };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue(ContentType);
        request.Headers.TryAddWithoutValidation("User-Agent", UserAgent);
        request.Headers.TryAddWithoutValidation("webhook-id", told.Id);
        request.Headers.TryAddWithoutValidation("webhook-timestamp", timestamp.ToString(CultureInfo.InvariantCulture));
        request.Headers.TryAddWithoutValidation("webhook-signature", WebhookSignature.Of(secrets, told.Id, timestamp, body));
        using var span = Traces.Call(told);
        if ((span?.Id ?? told.TraceParent) is { } trace) request.Headers.TryAddWithoutValidation("traceparent", trace);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        limit.CancelAfter(Limit);
        try
        {
            var answer = await client.SendAsync(request, KeptAnswer, limit.Token);
            span.End(answer.Status);
            return Answered(answer.Status, Text(answer.Beginning), answer.Status is >= 300 and < 400 ? "a redirect is not followed" : null, answer.RetryAfter);
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            span.Fail("timeout");
            return Answered(null, null, limit.IsCancellationRequested ? $"no answer within {Limit.TotalSeconds:0} s" : "no connection in time", null);
        }
        catch (Exception error) when (error is HttpRequestException or IOException)
        {
            var cause = error.GetBaseException();
            span.Fail(cause.GetType().Name);
            return Answered(null, null, StorableText.Cut(cause is AddressRefusedException ? $"refused: {cause.Message}" : cause.Message, MaxError), null);
        }

        CallAnswer Answered(int? status, string? text, string? error, TimeSpan? retryAfter) => new(timestamp, clock.GetElapsedTime(startedAt), body, status, text, error, retryAfter);
    }

    /// <summary>What can be kept as text: a character that was cut, or is none, is U+FFFD.</summary>
    static string Text(byte[] bytes) => Encoding.UTF8.GetString(bytes).Replace('\0', '\uFFFD');
}
