using System.Net;
using System.Text.Json.Nodes;
using EmailApi.Tests.Support;
using Microsoft.EntityFrameworkCore;

namespace EmailApi.Tests.Webhooks;

public sealed class ManageWebhooksTests(SharedApp shared) : IClassFixture<SharedApp>
{
    readonly TestApp app = shared.App;

    static JsonObject Request(string url = "https://hooks.example/a") => new() { ["url"] = url, ["events"] = new JsonArray("email.*"), ["description"] = "Orders" };

    [Fact]
    public async Task A_webhook_is_made_shown_changed_and_removed_and_its_secret_is_shown_once()
    {
        using var answer = await app.PostAsync(Request(), "/v1/webhooks");
        var made = await answer.JsonAsync();
        var id = made.Text("id");
        var shown = await app.GetAsync($"/v1/webhooks/{id}");
        var listed = await app.GetAsync("/v1/webhooks?limit=100");
        using var change = await app.Http.PatchAsync($"/v1/webhooks/{id}", new StringContent("""{"events": ["email.bounced", "webhook.*"], "streams": ["transactional"], "tags": {"order": "4711"}, "enabled": false}""", new System.Net.Http.Headers.MediaTypeHeaderValue("application/json")));
        var changed = await change.JsonAsync();
        using var removed = await app.Http.DeleteAsync($"/v1/webhooks/{id}");
        using var again = await app.Http.GetAsync($"/v1/webhooks/{id}");

        Assert.Equal(HttpStatusCode.Created, answer.StatusCode);
        Assert.Matches("^wh_[0-9a-f]{32}$", id);
        Assert.Matches("^whsec_[A-Za-z0-9+/]{43}=$", made.Text("secret"));
        Assert.Equal(("https://hooks.example/a", "Orders", true), (shown.Text("url"), shown.Text("description"), shown.GetProperty("enabled").GetBoolean()));
        Assert.False(shown.TryGetProperty("secret", out _));
        Assert.Contains(listed.GetProperty("data").EnumerateArray(), w => w.Text("id") == id && !w.TryGetProperty("secret", out _));
        Assert.Equal(["email.bounced", "webhook.*"], changed.GetProperty("events").EnumerateArray().Select(e => e.GetString()));
        Assert.Equal(("transactional", "4711", false, "by_hand"), (changed.GetProperty("streams")[0].GetString(), changed.GetProperty("tags").Text("order"), changed.GetProperty("enabled").GetBoolean(), changed.Text("disabled_reason")));
        Assert.Equal((HttpStatusCode.NoContent, HttpStatusCode.NotFound), (removed.StatusCode, again.StatusCode));
        Assert.Empty(await app.TablesWithAsync(made.Text("secret")));
        Assert.Empty(await app.TablesWithAsync(made.Text("secret")["whsec_".Length..]));
    }

    [Theory]
    [InlineData("ftp://hooks.example/", "invalid_url")]
    [InlineData("file:///etc/passwd", "invalid_url")]
    [InlineData("gopher://hooks.example/", "invalid_url")]
    [InlineData("javascript:alert(1)", "invalid_url")]
    [InlineData("//hooks.example/", "invalid_url")]
    [InlineData("/hooks", "invalid_url")]
    [InlineData("hooks.example", "invalid_url")]
    [InlineData("", "invalid_url")]
    [InlineData("http://", "invalid_url")]
    [InlineData("https://user:secret@hooks.example/", "invalid_url")]
    [InlineData("https://user@hooks.example/", "invalid_url")]
    [InlineData("https://hooks.example/#part", "invalid_url")]
    [InlineData("https://hooks.example/a b", "invalid_url")]
    [InlineData("https://hooks.example\\@127.0.0.1/", "invalid_url")]
    [InlineData("https://hooks.example/\r\nX: y", "invalid_url")]
    [InlineData("http://127.0.0.1/", "private_address")]
    [InlineData("http://localhost:8080/", "private_address")]
    [InlineData("http://2130706433/", "private_address")]
    [InlineData("http://0x7f.1/", "private_address")]
    [InlineData("http://127.0.0.1./", "private_address")]
    [InlineData("http://169.254.169.254./latest/meta-data", "private_address")]
    [InlineData("http://[::1]/", "private_address")]
    [InlineData("http://[::ffff:169.254.169.254]/latest/meta-data", "private_address")]
    [InlineData("http://169.254.169.254/latest/meta-data", "private_address")]
    [InlineData("https://10.0.0.8/", "private_address")]
    [InlineData("https://[64:ff9b::a00:8]/", "private_address")]
    public async Task A_URL_that_must_not_be_called_is_refused_with_a_reason(string url, string code)
    {
        using var answer = await app.PostAsync(Request(url), "/v1/webhooks");
        var problem = await ProblemDocument.ReadAsync(answer);

        Assert.Equal((422, "validation"), (problem.Status, problem.Code));
        var error = Assert.Single(problem.Errors);
        Assert.Equal(("#/url", code), (error.Pointer, error.Code));
    }

    [Theory]
    [InlineData("""{"events": ["email.*"]}""", "#/url", "required")]
    [InlineData("""{"url": "https://hooks.example/", "events": []}""", "#/events", "invalid")]
    [InlineData("""{"url": "https://hooks.example/", "events": ["email.sent", "sent"]}""", "#/events/1", "unknown_value")]
    [InlineData("""{"url": "https://hooks.example/", "events": ["em*"]}""", "#/events/0", "unknown_value")]
    [InlineData("""{"url": "https://hooks.example/", "events": [null]}""", "#/events/0", "unknown_value")]
    [InlineData("""{"url": "https://hooks.example/", "streams": ["invoice"]}""", "#/streams/0", "unknown_stream")]
    [InlineData("""{"url": "https://hooks.example/", "tags": {"": "x"}}""", "#/tags/", "invalid")]
    [InlineData("""{"url": "https://hooks.example/", "tags": {"a": null}}""", "#/tags/a", "invalid")]
    [InlineData("""{"url": "https://hooks.example/", "secret": "whsec_x"}""", "#/secret", "unknown_field")]
    [InlineData("""{"url": "https://hooks.example/", "description": "a\u0000b"}""", "#/description", "invalid")]
    public async Task A_wrong_field_is_refused_where_it_stands(string json, string pointer, string code)
    {
        using var answer = await app.Http.PostTextAsync("/v1/webhooks", json);
        var problem = await ProblemDocument.ReadAsync(answer);

        Assert.Equal(422, problem.Status);
        Assert.Contains(problem.Errors, e => (e.Pointer, e.Code) == (pointer, code));
    }

    [Fact]
    public async Task Nothing_of_a_webhook_is_seen_or_done_from_another_project()
    {
        using var answer = await app.PostAsync(Request(), "/v1/webhooks");
        var id = (await answer.JsonAsync()).Text("id");
        using var stranger = app.WithKey(await app.AddKeyAsync("webhook-stranger", "manage", "read"));

        foreach (var (method, path) in new[] { ("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/test"), ("POST", "/rotate-secret"), ("GET", "/deliveries"), ("POST", "/replay") })
        {
            using var request = new HttpRequestMessage(new(method), $"/v1/webhooks/{id}{path}");
            if (path is "/replay" || method is "PATCH") request.Content = new StringContent(path is "/replay" ? """{"failed": true}""" : "{}", new System.Net.Http.Headers.MediaTypeHeaderValue("application/json"));
            using var refused = await stranger.SendAsync(request);
            Assert.True(refused.StatusCode is HttpStatusCode.NotFound, $"{method} {path} answered {refused.StatusCode}");
        }

        Assert.Empty((await stranger.GetAsync("/v1/webhooks").ContinueWith(t => t.Result.JsonAsync()).Unwrap()).GetProperty("data").EnumerateArray());
        Assert.True(await app.QueryAsync(db => db.Webhooks.AnyAsync(w => w.Url == "https://hooks.example/a")));
    }

    [Fact]
    public async Task Reading_needs_read_and_changing_manage()
    {
        using var reader = app.WithKey(await app.AddKeyAsync("default", "read"));

        using var read = await reader.GetAsync("/v1/webhooks");
        using var made = await reader.PostTextAsync("/v1/webhooks", Request().ToJsonString());

        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.Forbidden), (read.StatusCode, made.StatusCode));
    }

    [Fact]
    public async Task A_project_has_at_most_a_hundred_and_its_feed_goes_with_the_last()
    {
        using var client = app.WithKey(await app.AddKeyAsync("webhook-many", "manage", "read"));
        var ids = new List<string>();
        for (var i = 0; i < 100; i++)
        {
            using var answer = await client.PostTextAsync("/v1/webhooks", Request($"https://192.0.78.{i}/").ToJsonString());
            ids.Add((await answer.JsonAsync()).Text("id"));
        }

        using var tooMany = await client.PostTextAsync("/v1/webhooks", Request().ToJsonString());
        var feeds = await app.QueryAsync(db => db.WebhookFeeds.CountAsync(f => db.Projects.Any(p => p.Id == f.ProjectId && p.Name == "webhook-many")));
        foreach (var id in ids) (await client.DeleteAsync($"/v1/webhooks/{id}")).Dispose();

        Assert.Equal("too_many", Assert.Single((await ProblemDocument.ReadAsync(tooMany)).Errors!).Code);
        Assert.Equal(1, feeds);
        Assert.Equal(0, await app.QueryAsync(db => db.WebhookFeeds.CountAsync(f => db.Projects.Any(p => p.Id == f.ProjectId && p.Name == "webhook-many"))));
    }

    [Theory]
    [InlineData("{}", "#", "required")]
    [InlineData("""{"event_id": "ev_1", "failed": true}""", "#", "required")]
    [InlineData("""{"failed": false}""", "#", "required")]
    [InlineData("""{"from": "2026-12-01T00:00:00Z"}""", "#/to", "invalid_time")]
    [InlineData("""{"from": "2026-12-02T00:00:00Z", "to": "2026-12-01T00:00:00Z"}""", "#/from", "invalid")]
    [InlineData("""{"from": "yesterday", "to": "2026-12-01T00:00:00Z"}""", "#/from", "invalid_time")]
    public async Task A_replay_says_what_it_wants(string json, string pointer, string code)
    {
        using var made = await app.PostAsync(Request(), "/v1/webhooks");
        var id = (await made.JsonAsync()).Text("id");

        using var answer = await app.Http.PostTextAsync($"/v1/webhooks/{id}/replay", json);

        Assert.Contains((await ProblemDocument.ReadAsync(answer)).Errors!, e => (e.Pointer, e.Code) == (pointer, code));
    }

    [Theory]
    [InlineData("ev_1")]
    [InlineData("ev_019ac3f1e2a07d3b9c4e5f60718293a4_1_1")]
    public async Task An_event_that_there_is_not_cannot_be_replayed(string id)
    {
        using var made = await app.PostAsync(Request(), "/v1/webhooks");

        using var answer = await app.PostAsync(new JsonObject { ["event_id"] = id }, $"/v1/webhooks/{(await made.JsonAsync()).Text("id")}/replay");

        Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);
    }
}
