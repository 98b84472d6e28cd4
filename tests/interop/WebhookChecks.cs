using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using EmailApi.Benchmarks.Servers;

namespace EmailApi.Interop;

/// <summary>Calls verified by the npm packages <c>standardwebhooks</c> and <c>svix</c>, unmodified, in a receiver as their users write them.</summary>
static class WebhookChecks
{
    static readonly TimeSpan Limit = TimeSpan.FromMinutes(2);

    public static async Task RunAsync(Checks checks, WorkFolder folder, Database database)
    {
        var cancel = checks.Cancel;
        var program = Path.Combine(Top(new(AppContext.BaseDirectory)), "tests", "interop", "webhooks");
        // Versions and hashes stand in package-lock.json.
        await ChildProcess.RunAsync(folder["npm.log"], [Machine.Find("npm", "npm"), "ci", "--prefix", program, "--ignore-scripts", "--silent"], Limit, cancel);
        var port = Machine.FreePort();
        await using var node = ChildProcess.Start(folder["receiver.log"], [Machine.Find("node", "nodejs"), Path.Combine(program, "receiver.js"), port.ToString(CultureInfo.InvariantCulture)]);
        using var receiver = new HttpClient { BaseAddress = new($"http://127.0.0.1:{port}"), Timeout = TimeSpan.FromSeconds(20) };
        while (!(await File.ReadAllTextAsync(folder["receiver.log"], cancel)).Contains("listening", StringComparison.Ordinal))
        {
            if (node.HasExited) throw new CannotRunException(node.LogTail());
            await Task.Delay(50, cancel);
        }

        var settings = new Dictionary<string, string> { ["ASPNETCORE_ENVIRONMENT"] = "Development", ["EmailApi__Capture__Port"] = Machine.FreePort().ToString(CultureInfo.InvariantCulture), ["EmailApi__Webhooks__AllowedNetworks__0"] = "127.0.0.0/8" };
        await using var app = await EmailApiServer.StartAsync(folder, await database.CreateAsync(cancel), settings, cancel);
        var made = await PostAsync("/v1/webhooks", new JsonObject { ["url"] = $"{receiver.BaseAddress}hook", ["events"] = new JsonArray("*") });
        var (id, secret) = (made.GetProperty("id").GetString()!, made.GetProperty("secret").GetString()!);
        await ExpectAsync(secret);

        await checks.CheckAsync("standardwebhooks and svix verify the calls of a mail, with text in Japanese", async () =>
        {
            var mail = Api.Mail("taro@example.jp", "注文を承りました");
            mail["tags"] = new JsonObject { ["注文"] = "四七一一" };
            var email = await app.SendAsync(mail, cancel);
            var calls = await CallsAsync(2);
            Checks.Equal("email.accepted, email.sent", string.Join(", ", calls.Select(c => c.GetProperty("type").GetString()).Order(StringComparer.Ordinal)), "the calls");
            Checks.True(calls.All(c => c.GetProperty("id").GetString()!.StartsWith($"ev_{email[3..]}_", StringComparison.Ordinal)), "A call has another id than its event.");
            Checks.True(calls.All(c => c.GetProperty("body").GetString()!.Contains("四七一一", StringComparison.Ordinal)), "A call lacks the tag.");
        });

        await checks.CheckAsync("both refuse a call that was altered", async () =>
        {
            var call = (await CallsAsync(2))[0];
            using var again = new HttpRequestMessage(HttpMethod.Post, "/hook") { Content = new StringContent(call.GetProperty("body").GetString()!.Replace("taro", "jiro", StringComparison.Ordinal), Encoding.UTF8, "application/json") };
            foreach (var name in new[] { "webhook-id", "webhook-timestamp", "webhook-signature" }) again.Headers.Add(name, call.GetProperty("headers").GetProperty(name).GetString());
            using var answer = await receiver.SendAsync(again, cancel);
            Checks.Equal(HttpStatusCode.BadRequest, answer.StatusCode, "the receiver's answer");
        });

        await checks.CheckAsync("during a rotation the secret before and the new one are both right for one call", async () =>
        {
            var rotated = await PostAsync($"/v1/webhooks/{id}/rotate-secret", null);
            await ExpectAsync(secret, rotated.GetProperty("secret").GetString()!);
            var call = await PostAsync($"/v1/webhooks/{id}/test", null);
            Checks.Equal("succeeded", call.GetProperty("outcome").GetString(), $"the test call ({call})");
        });

        async Task<JsonElement> PostAsync(string path, JsonObject? body)
        {
            using var answer = await app.Http.PostAsync(path, body is null ? null : JsonContent.Create(body), cancel);
            if (!answer.IsSuccessStatusCode) throw new CheckFailedException($"POST {path} answered {(int)answer.StatusCode}: {await answer.Content.ReadAsStringAsync(cancel)}");
            return await answer.Content.ReadFromJsonAsync<JsonElement>(cancel);
        }

        async Task ExpectAsync(params string[] secrets) => (await receiver.PutAsJsonAsync("/secrets", secrets, cancel)).EnsureSuccessStatusCode().Dispose();

        async Task<List<JsonElement>> CallsAsync(int count)
        {
            var until = Environment.TickCount64 + 20_000;
            while (true)
            {
                var calls = (await receiver.GetFromJsonAsync<List<JsonElement>>("/calls", cancel))!;
                if (calls.Count >= count) return calls;
                if (Environment.TickCount64 > until) throw new CheckFailedException($"{calls.Count} of {count} calls were right: {await app.GetAsync($"/v1/webhooks/{id}/deliveries", cancel)}");
                await Task.Delay(50, cancel);
            }
        }
    }

    static string Top(DirectoryInfo folder) => File.Exists(Path.Combine(folder.FullName, "EmailApi.sln")) ? folder.FullName : Top(folder.Parent!);
}
