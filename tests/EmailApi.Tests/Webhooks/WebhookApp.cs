using System.Text.Json;
using System.Text.Json.Nodes;
using EmailApi.Tests.Support;

namespace EmailApi.Tests.Webhooks;

/// <summary>The app, and somebody's endpoint that it may call.</summary>
sealed class WebhookApp : IAsyncDisposable
{
    public const string Loopback = "--EmailApi:Webhooks:AllowedNetworks:0=127.0.0.0/8";

    static readonly TimeSpan Limit = TimeSpan.FromSeconds(20);

    WebhookApp(TestApp app, WebhookReceiver receiver) => (App, Receiver) = (app, receiver);

    public TestApp App { get; }
    public WebhookReceiver Receiver { get; }

    public static async Task<WebhookApp> StartAsync() => new(await TestApp.StartAsync(Loopback), await WebhookReceiver.StartAsync());

    /// <returns>As it was answered, with its secret.</returns>
    public async Task<JsonElement> AddAsync(string? url = null, JsonObject? more = null)
    {
        var request = new JsonObject { ["url"] = url ?? Receiver.Url(), ["events"] = new JsonArray("email.*") };
        foreach (var (name, value) in more ?? []) request[name] = value?.DeepClone();
        using var answer = await App.PostAsync(request, "/v1/webhooks");
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
        return await answer.JsonAsync();
    }

    public async Task<JsonElement> ChangeAsync(string id, JsonObject change)
    {
        using var answer = await App.Http.PatchAsync($"/v1/webhooks/{id}", new StringContent(change.ToJsonString(), new System.Net.Http.Headers.MediaTypeHeaderValue("application/json")));
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
        return await answer.JsonAsync();
    }

    public async Task<long> ReplayAsync(string id, JsonObject request)
    {
        using var answer = await App.PostAsync(request, $"/v1/webhooks/{id}/replay");
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
        return (await answer.JsonAsync()).GetProperty("queued").GetInt64();
    }

    /// <summary>Waits until the receiver has so many calls, of some type if one is named.</summary>
    public async Task<IReadOnlyList<ReceivedCall>> CallsAsync(int count, string? type = null)
    {
        try
        {
            await Eventually.IsAsync(() => Calls().Count >= count, Limit);
        }
        catch (TimeoutException)
        {
            throw new TimeoutException($"{Calls().Count} of {count} calls came: {string.Join(", ", Receiver.Calls.Select(c => c.Type))}.");
        }

        return Calls();

        List<ReceivedCall> Calls() => [.. Receiver.Calls.Where(c => type is null || c.Type == type)];
    }

    /// <summary>Waits until so many calls were recorded.</summary>
    /// <returns>Newest first.</returns>
    public async Task<List<JsonElement>> DeliveriesAsync(string id, int count, string query = "")
    {
        List<JsonElement> found = [];
        await Eventually.IsAsync(async () =>
        {
            found = [.. (await App.GetAsync($"/v1/webhooks/{id}/deliveries?limit=100{query}")).GetProperty("data").EnumerateArray()];
            return found.Count >= count;
        }, Limit);
        return found;
    }

    /// <summary>What waits for its time is due.</summary>
    public Task MakeDueAsync() => App.ExecuteAsync("update webhook_queue set due_at = now() where lease_token is null and due_at < 'infinity'");

    public async ValueTask DisposeAsync()
    {
        await App.DisposeAsync();
        await Receiver.DisposeAsync();
    }
}
