using System.Collections.Concurrent;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace EmailApi.Tests.Support;

/// <summary>A call as the <see cref="WebhookReceiver"/> got it.</summary>
public sealed record ReceivedCall(string Path, IReadOnlyDictionary<string, string> Headers, byte[] Body, long At)
{
    public string Id => Headers["webhook-id"];
    public JsonElement Json => JsonDocument.Parse(Body).RootElement;
    public string Type => Json.GetProperty("type").GetString()!;
}

/// <summary>Somebody's endpoint: an HTTP server on loopback that keeps what it gets and answers as told.</summary>
public sealed class WebhookReceiver : IAsyncDisposable
{
    readonly WebApplication app;
    readonly ConcurrentQueue<ReceivedCall> calls = new();

    WebhookReceiver(WebApplication app) => this.app = app;

    public IReadOnlyList<ReceivedCall> Calls => [.. calls];

    /// <summary>What it does once it has a call; nothing is 200.</summary>
    public Func<ReceivedCall, HttpContext, Task>? OnCall { get; set; }

    public int Port => new Uri(app.Urls.First()).Port;

    public string Url(string path = "/hook") => $"http://127.0.0.1:{Port}{path}";

    public static async Task<WebhookReceiver> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var receiver = new WebhookReceiver(builder.Build());
        receiver.app.Run(receiver.TakeAsync);
        await receiver.app.StartAsync();
        return receiver;
    }

    public static Func<ReceivedCall, HttpContext, Task> Answer(int status, string body = "", params (string Name, string Value)[] headers) => async (_, http) =>
    {
        http.Response.StatusCode = status;
        foreach (var (name, value) in headers) http.Response.Headers[name] = value;
        await http.Response.WriteAsync(body);
    };

    /// <summary>Says nothing until the caller goes.</summary>
    public static async Task Hang(ReceivedCall _, HttpContext http)
    {
        var gone = new TaskCompletionSource();
        await using var registration = http.RequestAborted.Register(gone.SetResult);
        await gone.Task.WaitAsync(TimeSpan.FromSeconds(60));
    }

    public async ValueTask DisposeAsync() => await app.DisposeAsync();

    async Task TakeAsync(HttpContext http)
    {
        using var body = new MemoryStream();
        await http.Request.Body.CopyToAsync(body);
        var call = new ReceivedCall(http.Request.Path, http.Request.Headers.ToDictionary(h => h.Key.ToLowerInvariant(), h => h.Value.ToString()), body.ToArray(), TimeProvider.System.GetTimestamp());
        calls.Enqueue(call);
        if (OnCall is { } act) await act(call, http);
    }
}
