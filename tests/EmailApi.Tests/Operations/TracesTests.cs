using System.Collections.Concurrent;
using System.Text;
using System.Text.RegularExpressions;
using EmailApi.Emails;
using EmailApi.Tests.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging;

namespace EmailApi.Tests.Operations;

/// <summary>A mail's trace goes on from the caller's to the relay and the webhook, and goes by OTLP to who collects it.</summary>
public sealed partial class TracesTests : IAsyncLifetime
{
    const string TraceId = "4bf92f3577b34da6a3ce929d0e0e4736";
    const string Parent = $"00-{TraceId}-00f067aa0ba902b7-01";
    static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    readonly ConcurrentQueue<(string Path, byte[] Body)> collected = new();
    readonly ConcurrentQueue<string> called = new();
    WebApplication collector = null!;

    static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        collector = builder.Build();
        collector.Run(async http =>
        {
            using var body = new MemoryStream();
            await http.Request.Body.CopyToAsync(body);
            if (http.Request.Path == "/hook") called.Enqueue(http.Request.Headers.TraceParent.ToString());
            else collected.Enqueue((http.Request.Path, body.ToArray()));
        });
        await collector.StartAsync(Cancel);
    }

    public ValueTask DisposeAsync() => collector.DisposeAsync();

    [Fact]
    public async Task The_callers_trace_goes_on_through_the_wait_the_relay_and_the_webhook()
    {
        await using var app = await TestApp.StartAsync(
            $"--OTEL_EXPORTER_OTLP_ENDPOINT={collector.Urls.First()}", "--OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf", "--OTEL_BSP_SCHEDULE_DELAY=100",
            "--EmailApi:Webhooks:AllowedNetworks:0=127.0.0.0/8");
        using (await app.Http.PostTextAsync("/v1/webhooks", $$"""{"url": "{{collector.Urls.First()}}/hook", "events": ["email.sent"]}""")) { }

        using (await app.Http.GetAsync("/v1/suppressions/taro@example.jp", Cancel)) { }
        using (await app.Http.GetAsync("/v1/suppressions/taro%40example.jp/none", Cancel)) { }
        var id = await SendAsync(app);
        await app.WaitForAsync(id, RecipientState.Sent);
        await Eventually.IsAsync(() => new[] { "accept", "queue", "relay", "webhook" }.All(IsTold), Limit);
        await Eventually.IsAsync(() => !called.IsEmpty, Limit);

        Assert.Equal(TraceId, Assert.Single(called).Split('-')[1]);
        Assert.StartsWith($"00-{TraceId}-", await app.QueryAsync(db => db.Emails.Select(e => e.TraceParent).SingleAsync()), StringComparison.Ordinal);
        Assert.Contains(collected, c => c.Path == "/v1/traces" && Encoding.Latin1.GetString(c.Body).Contains("/v1/suppressions/{email}", StringComparison.Ordinal));
        Assert.DoesNotContain(collected, c => c.Path == "/v1/traces" && AddressOfTaro().IsMatch(Encoding.Latin1.GetString(c.Body)));
    }

    [Fact]
    public async Task Nobody_collects_and_the_callers_trace_still_reaches_the_webhook()
    {
        await using var app = await TestApp.StartAsync("--EmailApi:Webhooks:AllowedNetworks:0=127.0.0.0/8");
        using (await app.Http.PostTextAsync("/v1/webhooks", $$"""{"url": "{{collector.Urls.First()}}/hook", "events": ["email.sent"]}""")) { }

        await SendAsync(app);
        await app.SendAsync();   // brings no trace, and none is made up
        await Eventually.IsAsync(() => called.Count == 2, Limit);

        Assert.Equal([TraceId], called.Where(c => c.Length > 0).Select(c => c.Split('-')[1]));
        Assert.Equal(1, await app.QueryAsync(db => db.Emails.CountAsync(e => e.TraceParent == null)));
        Assert.Empty(collected);
    }

    [GeneratedRegex("taro(@|%40)example", RegexOptions.IgnoreCase)]
    private static partial Regex AddressOfTaro();

    static async Task<string> SendAsync(TestApp app)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/emails") { Content = new StringContent(TestApp.Mail().ToJsonString(), Encoding.UTF8, "application/json") };
        request.Headers.TryAddWithoutValidation("traceparent", Parent);
        using var answer = await app.Http.SendAsync(request, Cancel);
        return (await answer.JsonAsync()).Text("id");
    }

    /// <summary>A span of this name in the caller's trace: in protobuf the id's 16 bytes and the name stand as they are.</summary>
    bool IsTold(string span)
    {
        byte[] name = [0x2a, (byte)span.Length, .. Encoding.ASCII.GetBytes(span)];   // field 5 of a span, a text
        return collected.Any(c => c.Path == "/v1/traces" && c.Body.AsSpan().IndexOf(Convert.FromHexString(TraceId)) >= 0 && c.Body.AsSpan().IndexOf(name) >= 0);
    }
}
