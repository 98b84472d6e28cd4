using System.Net.Http.Headers;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using EmailApi.Tests.Support;

namespace EmailApi.Tests.Tracking;

/// <summary>An app that readers can reach, and a reader.</summary>
public sealed class TrackingApp : IAsyncLifetime
{
    public const string Url = "https://track.example";
    public const string Chrome = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36";
    public const string Html = """<html><body><p>Hello</p><a href="https://shop.example/orders?id=1&amp;x=2">order</a> <a href="https://shop.example/help">help</a> <a href="mailto:a@shop.example">mail</a></body></html>""";

    public TestApp App { get; private set; } = null!;

    public async ValueTask InitializeAsync() => App = await TestApp.StartAsync($"--EmailApi:PublicUrl={Url}/");

    public ValueTask DisposeAsync() => App.DisposeAsync();

    /// <summary>Sends a mail and waits until the relay has it.</summary>
    /// <param name="more">What is asked, as JSON, e.g. <c>"track": {"opens": true}</c>.</param>
    /// <returns>Its id, and each recipient's copy in their order.</returns>
    public async Task<(string Id, IReadOnlyList<Copy> Copies)> SentAsync(string more, params string[] to)
    {
        var mail = JsonNode.Parse($$"""{{{more}}}""")!.AsObject();
        mail.TryAdd("html", Html);
        mail["to"] = new JsonArray([.. (to.Length == 0 ? ["taro@example.jp"] : to).Select(t => JsonValue.Create(t))]);
        var id = await App.SendAsync(more: mail);
        var relayed = await App.RelayedAsync(id);
        return (id, [.. relayed.OrderBy(m => m.Recipients[0], StringComparer.Ordinal).Select(m => new Copy(m))]);
    }

    /// <summary>Comes as a reader's program does; follows no redirect.</summary>
    public async Task<HttpResponseMessage> VisitAsync(string url, string? agent = Chrome, HttpMethod? method = null, HttpContent? body = null, string? language = null)
    {
        using var client = new HttpClient(new HttpClientHandler { AllowAutoRedirect = false }) { BaseAddress = App.Http.BaseAddress };
        using var request = new HttpRequestMessage(method ?? HttpMethod.Get, url.Replace(Url, "", StringComparison.Ordinal)) { Content = body };
        if (agent is not null) request.Headers.TryAddWithoutValidation("User-Agent", agent);
        if (language is not null) request.Headers.AcceptLanguage.Add(new StringWithQualityHeaderValue(language));
        return await client.SendAsync(request);
    }

    /// <summary>Waits until a mail has so many events of a type.</summary>
    public async Task<JsonElement[]> EventsAsync(string id, string type, int count = 1)
    {
        var guid = id.ToGuid();
        await App.UntilAsync(async db => await Microsoft.EntityFrameworkCore.EntityFrameworkQueryableExtensions.CountAsync(db.Events.Where(e => e.EmailId == guid && e.Type == type)) >= count);
        return [.. (await App.Http.ListAsync($"/v1/emails/{id}/events?limit=100")).Where(e => e.Text("type") == type)];
    }
}

/// <summary>A copy as it was relayed.</summary>
public sealed partial class Copy(RelayedMail mail)
{
    public RelayedMail Mail => mail;

    public string Html { get; } = mail.Read().HtmlBody ?? "";

    public string Pixel => PixelUrl().Match(Html).Groups[1].Value;

    public IReadOnlyList<string> Links => [.. LinkUrl().Matches(Html).Select(m => m.Groups[1].Value)];

    public string Unsubscribe => mail.Read().Headers["List-Unsubscribe"]!.Trim('<', '>');

    [GeneratedRegex("""<img src="([^"]+)" width="1" height="1" alt=""")]
    private static partial Regex PixelUrl();

    [GeneratedRegex("""<a href="(https?:[^"]+)">""")]
    private static partial Regex LinkUrl();
}
