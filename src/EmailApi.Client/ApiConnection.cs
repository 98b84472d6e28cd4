using System.Net;
using System.Security.Authentication;

namespace EmailApi.Client;

/// <summary>Makes requests, again where that helps: on a failed connection, 408, 429, 502, 503, 504, and on 409 while the first try of the same
/// send is still being stored.</summary>
sealed class ApiConnection(HttpClient http, Uri address, EmailApiOptions options, TimeProvider clock)
{
    /// <exception cref="EmailApiException">The answer is no success, or none came.</exception>
    public async Task<ApiAnswer> SendAsync(ApiRequest request, CancellationToken cancel)
    {
        var mayBeTaken = false;
        for (var tries = 1; ; tries++)
        {
            var (answer, failure) = await TryAsync(request, cancel).ConfigureAwait(false);
            if (answer is { IsSuccess: true }) return answer;

            var wasTaken = answer is null ? !NeverLeft(failure!) : answer.Status is not HttpStatusCode.TooManyRequests;
            var isWorthIt = answer is null ? IsPassing(failure!) : IsPassing(answer);
            if (isWorthIt && tries < options.MaxTries && (request.MayRepeat || !wasTaken) && WaitAfter(tries, answer?.RetryAfter) is { } wait)
            {
                mayBeTaken |= wasTaken;
                await Task.Delay(wait, clock, cancel).ConfigureAwait(false);
                continue;
            }

            if (answer is null) throw NoAnswer(request, tries, failure!);
            throw answer.ToException(request, mayBeTaken);
        }
    }

    async Task<(ApiAnswer? Answer, Exception? Failure)> TryAsync(ApiRequest request, CancellationToken cancel)
    {
        using var late = new CancellationTokenSource(options.TryTimeout, clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancel, late.Token);
        try
        {
            using var message = request.ToMessage(address, options.Key);
            using var answer = await http.SendAsync(message, either.Token).ConfigureAwait(false);
            var body = await answer.Content.ReadAsByteArrayAsync(either.Token).ConfigureAwait(false);
            return (new(answer.StatusCode, body, answer.Headers.Contains("Idempotent-Replayed"), RetryAfter(answer)), null);
        }
        catch (HttpRequestException error)
        {
            return (null, error);
        }
        catch (OperationCanceledException error) when (!cancel.IsCancellationRequested)
        {
            return (null, new TimeoutException($"No answer within {options.TryTimeout}.", error));   // ours, or that of the HttpClient given
        }
    }

    TimeSpan? RetryAfter(HttpResponseMessage answer) => answer.Headers.RetryAfter switch
    {
        { Delta: { } delta } => delta,
        { Date: { } date } => date - clock.GetUtcNow() is var wait && wait > TimeSpan.Zero ? wait : TimeSpan.Zero,
        _ => null,
    };

    /// <returns>Null: the server asks for more patience than the options allow.</returns>
    TimeSpan? WaitAfter(int tries, TimeSpan? asked)
    {
        var growing = options.RetryDelay * Math.Pow(2, tries - 1);
        if (growing > options.MaxRetryDelay) growing = options.MaxRetryDelay;
        var shortened = growing * (1 - Random.Shared.NextDouble() / 2);
        if (asked is not { } least) return shortened;
        return least > options.MaxRetryDelay ? null : least > shortened ? least : shortened;
    }

    static bool IsPassing(ApiAnswer answer) => (int)answer.Status is 408 or 429 or 502 or 503 or 504 || answer.Code is "idempotency_in_progress";

    /// <summary>A certificate or a proxy login that is wrong stays wrong.</summary>
    static bool IsPassing(Exception failure) =>
        failure is TimeoutException
        || failure is HttpRequestException { InnerException: not AuthenticationException } error && error.HttpRequestError is not (
            HttpRequestError.UserAuthenticationError or HttpRequestError.VersionNegotiationError or HttpRequestError.ExtendedConnectNotSupported
            or HttpRequestError.ConfigurationLimitExceeded);

    static bool NeverLeft(Exception failure) => failure is HttpRequestException
    {
        HttpRequestError: HttpRequestError.NameResolutionError or HttpRequestError.ConnectionError or HttpRequestError.SecureConnectionError or HttpRequestError.ProxyTunnelError
    };

    EmailApiException NoAnswer(ApiRequest request, int tries, Exception failure)
    {
        var doubt = request.IdempotencyKey is { } key ? $" Whether the mail was stored is not known: the same call under the idempotency key {key} finds out." : "";
        return new($"{request.Method} {request.Path} at {address}: no answer after {tries} {(tries == 1 ? "try" : "tries")}. {failure.Message}{doubt}", failure)
        {
            Code = "no_answer",
            IdempotencyKey = request.IdempotencyKey,
        };
    }
}
