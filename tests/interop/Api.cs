using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Nodes;
using EmailApi.Benchmarks.Servers;

namespace EmailApi.Interop;

/// <summary>The app's HTTP API, as a client sees it.</summary>
static class Api
{
    static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    public static JsonObject Mail(string to, string subject = "Hello", string text = "It works.") =>
        new() { ["from"] = "Shop <orders@shop.example>", ["to"] = to, ["subject"] = subject, ["text"] = text };

    /// <returns>The id.</returns>
    public static async Task<string> SendAsync(this EmailApiServer app, JsonObject mail, CancellationToken cancel)
    {
        using var answer = await app.Http.PostAsJsonAsync("/v1/emails", mail, cancel);
        if (!answer.IsSuccessStatusCode) throw new CheckFailedException($"POST /v1/emails answered {(int)answer.StatusCode}: {await answer.Content.ReadAsStringAsync(cancel)}");
        return (await answer.Content.ReadFromJsonAsync<JsonElement>(cancel)).GetProperty("id").GetString()!;
    }

    public static Task<JsonElement> GetAsync(this EmailApiServer app, string path, CancellationToken cancel) => app.Http.GetFromJsonAsync<JsonElement>(path, cancel);

    /// <summary>Waits until the email's status is one of those given.</summary>
    /// <returns>The email.</returns>
    public static async Task<JsonElement> WaitForAsync(this EmailApiServer app, string id, string status, CancellationToken cancel, TimeSpan? limit = null)
    {
        var wait = limit ?? Limit;
        var until = Environment.TickCount64 + (long)wait.TotalMilliseconds;
        while (true)
        {
            var email = await app.GetAsync($"/v1/emails/{id}", cancel);
            if (email.GetProperty("status").GetString() == status) return email;
            if (Environment.TickCount64 > until) throw new CheckFailedException($"{id} is not {status} after {wait.TotalSeconds:0} s: {email.GetProperty("recipients")}");
            await Task.Delay(50, cancel);
        }
    }

    /// <summary>Everything captured for a recipient, newest first; waits until there is something.</summary>
    public static async Task<List<JsonElement>> CapturedAsync(this EmailApiServer app, string to, int waitSeconds, CancellationToken cancel)
    {
        var all = new List<JsonElement>();
        string? after = null;
        do
        {
            var page = await app.GetAsync($"/v1/captured?limit=100&to={Uri.EscapeDataString(to)}&wait={(after is null ? waitSeconds : 0)}&after={after}", cancel);
            all.AddRange(page.GetProperty("data").EnumerateArray());
            after = page.GetProperty("next_cursor").GetString();
        } while (after is not null);
        return all;
    }
}
