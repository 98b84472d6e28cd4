using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace EmailApi.Benchmarks;

/// <summary>A webhook's endpoint that takes every call at once and counts them.</summary>
sealed class WebhookSink(WebApplication app, int port) : IAsyncDisposable
{
    int count;

    public string Url { get; } = $"http://127.0.0.1:{port}/";

    public int Count => Volatile.Read(ref count);

    public static async Task<WebhookSink> StartAsync(int port, CancellationToken cancel)
    {
        var builder = WebApplication.CreateEmptyBuilder(new());
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelCore().UseUrls($"http://127.0.0.1:{port}");
        var sink = new WebhookSink(builder.Build(), port);
        sink.Listen();
        await sink.StartAsync(cancel);
        return sink;
    }

    void Listen() => app.Run(http =>
    {
        Interlocked.Increment(ref count);
        http.Response.StatusCode = StatusCodes.Status204NoContent;
        return Task.CompletedTask;
    });

    Task StartAsync(CancellationToken cancel) => app.StartAsync(cancel);

    public ValueTask DisposeAsync() => app.DisposeAsync();
}
