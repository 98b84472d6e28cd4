using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using EmailApi.Tests.Support;
using Microsoft.EntityFrameworkCore;

namespace EmailApi.Tests.Suppressions;

/// <summary>One app for all tests of a class, with a stream <c>news</c>; each begins without suppressions.</summary>
public sealed class SharedApp : IAsyncLifetime
{
    TestApp app = null!;

    public async ValueTask InitializeAsync()
    {
        app = await TestApp.StartAsync();
        (await app.PostAsync(new JsonObject { ["name"] = "news" }, "/v1/streams")).Dispose();
    }

    /// <summary>The mail of tests before has left: else it could get the answer that is meant for this one's.</summary>
    public async Task<TestApp> BeginAsync()
    {
        app.Relay.AnswerAsUsual();
        await Eventually.IsAsync(
            () => app.QueryAsync(async db => !await db.Queue.AnyAsync(q => q.LeaseUntil != null || q.DueAt <= DateTimeOffset.UtcNow)), TimeSpan.FromSeconds(20));
        await app.ExecuteAsync("delete from suppressions");
        return app;
    }

    public ValueTask DisposeAsync() => app.DisposeAsync();
}

/// <summary>What the tests of suppressions share.</summary>
static class Suppressing
{
    public static async Task<JsonElement> SuppressAsync(this TestApp app, string email, string? reason = null, string? stream = null, DateTimeOffset? until = null)
    {
        var body = new JsonObject { ["email"] = email };
        if (reason is not null) body["reason"] = reason;
        if (stream is not null) body["stream"] = stream;
        if (until is { } at) body["expires_at"] = at.ToString("o");
        using var answer = await app.PostAsync(body, "/v1/suppressions");
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
        return await answer.JsonAsync();
    }

    public static async Task<JsonElement> AcceptAsync(this TestApp app, JsonNode mail, string path = "/v1/emails")
    {
        using var answer = await app.PostAsync(mail, path);
        Assert.True(answer.StatusCode is HttpStatusCode.Accepted, await answer.Content.ReadAsStringAsync());
        return await answer.JsonAsync();
    }

    public static string Path(string email) => $"/v1/suppressions/{Uri.EscapeDataString(email)}";

    public static async Task<(HttpStatusCode Status, JsonElement Body)> ImportAsync(this HttpClient http, string body, string query = "", string type = "text/csv") =>
        await http.ImportAsync(Encoding.UTF8.GetBytes(body), query, type);

    public static async Task<(HttpStatusCode Status, JsonElement Body)> ImportAsync(this HttpClient http, byte[] body, string query = "", string type = "text/csv")
    {
        using var content = new ByteArrayContent(body) { Headers = { ContentType = new MediaTypeHeaderValue(type) } };
        using var answer = await http.PostAsync($"/v1/suppressions/import{query}", content);
        return (answer.StatusCode, await answer.JsonAsync());
    }
}
