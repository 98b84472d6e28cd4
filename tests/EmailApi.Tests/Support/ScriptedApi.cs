using System.Collections.Concurrent;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace EmailApi.Tests.Support;

/// <summary>A request as the <see cref="ScriptedApi"/> got it.</summary>
public sealed record ScriptedRequest(string Method, string Path, string? Key, string Body, long At);

/// <summary>An HTTP server that answers by a script, in order; the last answer stays.</summary>
sealed class ScriptedApi : IAsyncDisposable
{
    readonly WebApplication app;
    readonly ConcurrentQueue<Func<HttpContext, Task>> script;
    readonly ConcurrentQueue<ScriptedRequest> requests = new();

    ScriptedApi(WebApplication app, IEnumerable<Func<HttpContext, Task>> script) => (this.app, this.script) = (app, new(script));

    public Uri Address => new(app.Urls.First());

    public IReadOnlyList<ScriptedRequest> Requests => [.. requests];

    public static async Task<ScriptedApi> StartAsync(params Func<HttpContext, Task>[] script)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var api = new ScriptedApi(builder.Build(), script);
        api.app.Run(api.AnswerAsync);
        await api.app.StartAsync();
        return api;
    }

    public static Func<HttpContext, Task> Answer(int status, string body = "", string? retryAfter = null) => async http =>
    {
        http.Response.StatusCode = status;
        http.Response.ContentType = status < 400 ? "application/json" : "application/problem+json";
        if (retryAfter is not null) http.Response.Headers.RetryAfter = retryAfter;
        await http.Response.WriteAsync(body);
    };

    public static Func<HttpContext, Task> Problem(int status, string code, string? retryAfter = null) =>
        Answer(status, $$"""{"type": "urn:emailapi:problem:{{code}}", "code": "{{code}}", "title": "No", "status": {{status}}, "detail": "Not now.", "trace_id": "t1"}""", retryAfter);

    /// <summary>Breaks the connection.</summary>
    public static Task Cut(HttpContext http)
    {
        http.Abort();
        return Task.CompletedTask;
    }

    /// <summary>Says nothing until the client goes.</summary>
    public static async Task Hang(HttpContext http)
    {
        var gone = new TaskCompletionSource();
        await using var _ = http.RequestAborted.Register(gone.SetResult);
        await gone.Task.WaitAsync(TimeSpan.FromSeconds(20));
    }

    public async ValueTask DisposeAsync() => await app.DisposeAsync();

    async Task AnswerAsync(HttpContext http)
    {
        using var body = new StreamReader(http.Request.Body);
        requests.Enqueue(new(http.Request.Method, http.Request.Path + http.Request.QueryString, http.Request.Headers["Idempotency-Key"],
            await body.ReadToEndAsync(), TimeProvider.System.GetTimestamp()));
        if (script.Count > 1 && script.TryDequeue(out var answer) || script.TryPeek(out answer)) await answer(http);
    }
}
