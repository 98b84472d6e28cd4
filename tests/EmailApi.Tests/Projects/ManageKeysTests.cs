using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Nodes;
using EmailApi.Emails;
using EmailApi.Tests.Support;

namespace EmailApi.Tests.Projects;

public sealed class ManageKeysTests : IAsyncLifetime
{
    TestApp app = null!;

    public async ValueTask InitializeAsync() => app = await TestApp.StartAsync();

    public ValueTask DisposeAsync() => app.DisposeAsync();

    async Task<JsonElement> CreateAsync(JsonObject key)
    {
        using var answer = await app.PostAsync(key, "/v1/keys");
        Assert.Equal(HttpStatusCode.Created, answer.StatusCode);
        return await answer.Content.ReadFromJsonAsync<JsonElement>();
    }

    async Task<HttpResponseMessage> SendWithAsync(JsonElement key, JsonObject mail)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/emails") { Content = JsonContent.Create(mail) };
        request.Headers.Authorization = new("Bearer", key.GetProperty("key").GetString());
        return await app.Http.SendAsync(request);
    }

    static JsonObject Key(params string[] scopes) => new() { ["name"] = "shop", ["scopes"] = new JsonArray([.. scopes.Select(s => JsonValue.Create(s))]) };

    [Fact]
    public async Task A_key_is_shown_once_and_kept_as_a_hash()
    {
        var made = await CreateAsync(Key("send"));
        var shown = await app.GetAsync($"/v1/keys/{made.GetProperty("id").GetString()}");

        Assert.StartsWith("ek_live_", made.GetProperty("key").GetString(), StringComparison.Ordinal);
        Assert.False(shown.TryGetProperty("key", out _));
        Assert.Equal(32, await app.QueryAsync(db => Task.FromResult(db.ApiKeys.Single(k => k.Id == made.GetProperty("id").GetString()).Hash.Length)));
    }

    [Fact]
    public async Task A_revoked_key_is_refused_at_once_on_its_node_and_within_5_s_on_another()
    {
        await using var other = await app.StartNodeAsync();
        var key = await CreateAsync(Key("send"));
        other.Http.DefaultRequestHeaders.Authorization = new("Bearer", key.GetProperty("key").GetString());
        Assert.Equal(HttpStatusCode.Accepted, (await other.PostAsync(TestApp.Mail())).StatusCode);

        await app.Http.DeleteAsync($"/v1/keys/{key.GetProperty("id").GetString()}");
        var here = await SendWithAsync(key, TestApp.Mail());
        await Task.Delay(TimeSpan.FromSeconds(5));
        var there = await other.PostAsync(TestApp.Mail());

        Assert.Equal(HttpStatusCode.Unauthorized, here.StatusCode);
        Assert.Equal(HttpStatusCode.Unauthorized, there.StatusCode);
    }

    [Fact]
    public async Task An_expired_key_is_refused()
    {
        var key = await CreateAsync(Key("send"));
        await app.ExecuteAsync("update api_keys set expires_at = now() - interval '1 second' where id <> 'bootstrap'");

        Assert.Equal(HttpStatusCode.Unauthorized, (await SendWithAsync(key, TestApp.Mail())).StatusCode);
    }

    [Theory]
    [InlineData("from", "eve@other.example", "sender_not_allowed")]
    [InlineData("stream", "invoice", "stream_not_allowed")]
    [InlineData("to", "taro@example.com", "recipient_not_allowed")]
    public async Task A_bound_key_sends_only_within_its_bounds(string field, string value, string code)
    {
        await app.PostAsync(new JsonObject { ["name"] = "invoice" }, "/v1/streams");
        var bounds = Key("send");
        bounds["senders"] = new JsonArray("shop.example");
        bounds["streams"] = new JsonArray("transactional");
        bounds["recipients"] = new JsonArray("*.jp", "hanako@example.net");
        var key = await CreateAsync(bounds);
        var mail = TestApp.Mail();
        mail[field] = value;

        using var within = await SendWithAsync(key, TestApp.Mail());
        using var outside = await SendWithAsync(key, mail);
        var problem = await outside.Content.ReadFromJsonAsync<JsonElement>();

        Assert.Equal(HttpStatusCode.Accepted, within.StatusCode);
        Assert.Equal(HttpStatusCode.Forbidden, outside.StatusCode);
        Assert.Equal(($"#/{field}", code), (problem.GetProperty("errors")[0].GetProperty("pointer").GetString(), problem.GetProperty("errors")[0].GetProperty("code").GetString()));
    }

    [Theory]
    [InlineData("invoice")]
    [InlineData("a\0")]
    [InlineData(null)]
    public async Task A_key_is_bound_to_streams_that_there_are(string? stream)
    {
        var bounds = Key("send");
        bounds["streams"] = new JsonArray("transactional", stream);

        using var answer = await app.PostAsync(bounds, "/v1/keys");

        var problem = await ProblemDocument.ReadAsync(answer);
        Assert.Equal((422, "#/streams/1"), (problem.Status, Assert.Single(problem.Errors).Pointer));
    }

    [Fact]
    public async Task Mail_of_a_test_key_is_captured_and_never_leaves()
    {
        var test = Key("send");
        test["mode"] = "test";
        var key = await CreateAsync(test);

        using var answer = await SendWithAsync(key, TestApp.Mail("hanako@example.jp"));
        var captured = await app.GetAsync("/v1/captured?wait=15");
        await app.WaitForAsync((await answer.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("id").GetString()!, RecipientState.Sent);

        Assert.Equal("hanako@example.jp", captured.GetProperty("data")[0].GetProperty("to")[0].GetString());
        Assert.Empty(app.Relay.Mails);
    }

    [Fact]
    public async Task A_key_gives_no_more_than_it_has()
    {
        var manager = await CreateAsync(Key("manage"));
        app.Http.DefaultRequestHeaders.Authorization = new("Bearer", manager.GetProperty("key").GetString());

        using var answer = await app.PostAsync(Key("manage", "approve"), "/v1/keys");

        Assert.Equal(HttpStatusCode.Forbidden, answer.StatusCode);
        Assert.Contains("approve", (await answer.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("detail").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Five_wrong_keys_slow_an_address_down_but_not_a_key_that_is_good()
    {
        Assert.Equal(HttpStatusCode.OK, (await app.Http.GetAsync("/v1/keys")).StatusCode);
        using var guesser = new HttpClient { BaseAddress = app.Http.BaseAddress };
        guesser.DefaultRequestHeaders.Authorization = new("Bearer", "ek_live_wrong");

        var answers = new List<HttpStatusCode>();
        for (var i = 0; i < 6; i++) answers.Add((await guesser.GetAsync("/v1/keys")).StatusCode);

        Assert.Equal([.. Enumerable.Repeat(HttpStatusCode.Unauthorized, 5), HttpStatusCode.TooManyRequests], answers);
        Assert.Equal(HttpStatusCode.OK, (await app.Http.GetAsync("/v1/keys")).StatusCode);
    }

    [Fact]
    public async Task Another_projects_keys_streams_and_mail_are_not_there()
    {
        var id = await app.SendAsync();
        using var made = await app.PostAsync(new JsonObject { ["name"] = "other" }, "/v1/projects");
        var other = Key("send", "read", "manage");
        other["project"] = (await made.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("id").GetString();
        var key = await CreateAsync(other);
        await app.PostAsync(new JsonObject { ["name"] = "invoice" }, "/v1/streams");

        app.Http.DefaultRequestHeaders.Authorization = new("Bearer", key.GetProperty("key").GetString());

        foreach (var path in new[] { $"/v1/emails/{id}", $"/v1/emails/{id}/events", $"/v1/emails/{id}/attempts", $"/v1/emails/{id}/content", $"/v1/emails/{id}/raw", "/v1/keys/bootstrap", "/v1/streams/invoice", "/v1/projects/prj_1" })
            Assert.Equal(HttpStatusCode.NotFound, (await app.Http.GetAsync(path)).StatusCode);
        Assert.Single((await app.GetAsync("/v1/projects")).GetProperty("data").EnumerateArray());
        Assert.Equal(HttpStatusCode.Forbidden, (await app.PostAsync(new JsonObject { ["name"] = "third" }, "/v1/projects")).StatusCode);
    }

    [Fact]
    public async Task A_test_keys_mail_stays_here_when_a_live_key_retries_it_and_a_test_key_decides_about_no_other()
    {
        var test = Key("send", "read", "manage");
        test["mode"] = "test";
        var key = await CreateAsync(test);
        var later = TestApp.Mail("hanako@example.jp");
        later["send_at"] = DateTimeOffset.UtcNow.AddDays(1).ToString("o");
        using var sent = await SendWithAsync(key, later);
        var ofTest = (await sent.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("id").GetString()!;
        var ofLive = await app.SendAsync(more: new() { ["send_at"] = later["send_at"]!.DeepClone() });
        await app.ExecuteAsync($"update queue set expires_at = now() where email_id = '{ofTest.ToGuid()}'");
        await app.WaitForAsync(ofTest, RecipientState.Expired);

        Assert.Equal(HttpStatusCode.OK, (await app.PostAsync(new JsonObject(), $"/v1/emails/{ofTest}/retry")).StatusCode);
        await app.WaitForAsync(ofTest, RecipientState.Sent);
        app.Http.DefaultRequestHeaders.Authorization = new("Bearer", key.GetProperty("key").GetString());

        Assert.Empty(app.Relay.Mails);
        Assert.Equal(HttpStatusCode.NotFound, (await app.PostAsync(new JsonObject(), $"/v1/emails/{ofLive}/cancel")).StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, (await app.Http.DeleteAsync("/v1/keys/bootstrap")).StatusCode);
        Assert.Equal(HttpStatusCode.Forbidden, (await app.PostAsync(new JsonObject { ["name"] = "other" }, "/v1/projects")).StatusCode);
        Assert.Equal(HttpStatusCode.Forbidden, (await app.PostAsync(new JsonObject { ["name"] = "invoice" }, "/v1/streams")).StatusCode);
    }

    [Fact]
    public async Task A_bound_key_changes_nothing_that_others_use()
    {
        var bound = Key("send", "manage");
        bound["senders"] = new JsonArray("shop.example");
        var key = await CreateAsync(bound);
        app.Http.DefaultRequestHeaders.Authorization = new("Bearer", key.GetProperty("key").GetString());

        Assert.Equal(HttpStatusCode.Forbidden, (await app.Http.DeleteAsync("/v1/keys/bootstrap")).StatusCode);
        Assert.Equal(HttpStatusCode.Forbidden, (await app.Http.PatchAsJsonAsync("/v1/streams/transactional", new { priority = 1 })).StatusCode);
        Assert.Equal(HttpStatusCode.Forbidden, (await app.Http.PatchAsJsonAsync("/v1/projects/prj_1", new { name = "default" })).StatusCode);
    }
}
