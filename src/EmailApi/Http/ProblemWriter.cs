using System.Diagnostics;
using System.Text.Json;
using System.Text.RegularExpressions;
using EmailApi.Data;
using Microsoft.AspNetCore.Diagnostics;
using Microsoft.Extensions.Options;
using Microsoft.Net.Http.Headers;
using Npgsql;

namespace EmailApi.Http;

/// <summary>Turns whatever ends a request without an answer of its own into a problem document.</summary>
public static partial class ProblemWriter
{
    /// <summary>Writes it in the language that the client prefers, English or Japanese.</summary>
    public static async Task WriteAsync(HttpContext http, ProblemKind kind, string? detail, IReadOnlyList<FieldError>? errors = null)
    {
        var isJapanese = Japanese.IsPreferred(http.Request);
        http.Response.StatusCode = kind.Status;
        http.Response.ContentType = "application/problem+json";
        http.Response.Headers.CacheControl = "no-store";
        http.Response.Headers.ContentLanguage = isJapanese ? "ja" : "en";
        http.Response.Headers.Append(HeaderNames.Vary, HeaderNames.AcceptLanguage);
        if (HttpMethods.IsHead(http.Request.Method)) return;
        var problem = new Problem
        {
            Type = $"urn:emailapi:problem:{kind.Code}",
            Code = kind.Code,
            Title = kind.Title,
            Status = kind.Status,
            Detail = detail,
            Errors = errors,
            TraceId = Activity.Current?.TraceId.ToString() ?? http.TraceIdentifier,
        };
        if (isJapanese) problem = Japanese.Of(problem);
        await JsonSerializer.SerializeAsync(http.Response.Body, problem, ApiJson.Wire.Problem, http.RequestAborted);
    }

    /// <summary>The handler behind every endpoint.</summary>
    public static Task HandleAsync(HttpContext http)
    {
        var failed = http.Features.Get<IExceptionHandlerFeature>();
        var error = failed?.Error;
        switch (error)
        {
            case ProblemException problem:
                if (problem.RetryAfter is { } seconds) http.Response.Headers.RetryAfter = seconds.ToString(System.Globalization.CultureInfo.InvariantCulture);
                return WriteAsync(http, problem.Kind, problem.Message, problem.Errors);
            case not null when RequestBytes.IsCutOff(error):
            case IOException or OperationCanceledException when http.RequestAborted.IsCancellationRequested:
                http.Response.StatusCode = 499;   // the client has gone: nobody reads an answer, and nothing here is wrong
                return Task.CompletedTask;
            case BadHttpRequestException bad:
                return WriteAsync(http, ProblemKind.OfStatus(bad.StatusCode), bad.StatusCode == 413 ? TooLargeDetail : Explain(bad.Message));
            case PostgresException { SqlState: PostgresErrorCodes.CharacterNotInRepertoire }:
                return WriteAsync(http, ProblemKind.BadRequest, "The character U+0000 stands nowhere in the data, so nothing can be found by it.");
            case not null when DatabaseTrouble.IsUnavailable(error):
                // What the outage broke must not fail the next requests, one by one.
                http.RequestServices.GetRequiredService<NpgsqlDataSource>().Clear();
                http.RequestServices.GetRequiredService<EngineDatabase>().Source.Clear();
                http.Response.Headers.RetryAfter = "1";
                return WriteAsync(http, ProblemKind.DatabaseUnavailable, "Nothing was stored unless an earlier answer said so. Try again in a second.");
            default:
                var logger = http.RequestServices.GetRequiredService<ILoggerFactory>().CreateLogger("EmailApi.Http");
                LogUnhandled(logger, error, http.Request.Method, failed?.Endpoint?.DisplayName);
                return WriteAsync(http, ProblemKind.Internal, "The error is in the server's log under this trace_id.");
        }
    }

    /// <summary>For answers that have a status but no body: unknown routes, wrong methods.</summary>
    public static Task HandleStatusAsync(StatusCodeContext context)
    {
        var http = context.HttpContext;
        var kind = ProblemKind.OfStatus(http.Response.StatusCode);
        return WriteAsync(http, kind, kind.Status switch
        {
            404 => NothingAt(http),
            405 => $"{http.Request.Method} is not offered here; the Allow header names what is.",
            415 => "Send application/json.",
            _ => null,
        });
    }

    /// <summary>The framework names the .NET type of a parameter that it could not read; those there are, are whole numbers.</summary>
    static string Explain(string message) => BindingFailure().Replace(message, "$1 is a whole number; $2 is not.");

    [GeneratedRegex("""^Failed to bind parameter "\S+ (\w+)" from "(.*)"\.$""", RegexOptions.Singleline)]
    internal static partial Regex BindingFailure();

    internal static string NothingAt(HttpContext http) => http.RequestServices.GetRequiredService<IOptions<AppOptions>>().Value.Accepts
        ? $"Nothing lies at {http.Request.Path}; /swagger shows what does."
        : "A worker node answers /livez, /readyz and /metrics only.";

    internal const string TooLargeDetail = "A request may have 40 MB, its attachments 25 MB once decoded.";

    [LoggerMessage(Level = LogLevel.Error, Message = "{Method} {Endpoint} failed")]
    static partial void LogUnhandled(ILogger logger, Exception? error, string method, string? endpoint);
}
