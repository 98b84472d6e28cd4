using System.Net;
using System.Text.Json.Nodes;
using EmailApi.Emails;
using EmailApi.Tests.Support;

namespace EmailApi.Tests.Pauses;

/// <summary>Who may pause and resume what, and what is no pause.</summary>
public sealed class PauseAccessTests : IAsyncLifetime
{
    TestApp app = null!;

    public async ValueTask InitializeAsync() => app = await TestApp.StartAsync();

    public ValueTask DisposeAsync() => app.DisposeAsync();

    async Task<(string Id, HttpClient Http)> KeyAsync(JsonObject more)
    {
        var key = new JsonObject { ["name"] = "key", ["scopes"] = new JsonArray("send", "read", "manage") };
        foreach (var (name, value) in more) key[name] = value!.DeepClone();
        using var answer = await app.PostAsync(key, "/v1/keys");
        var made = await answer.JsonAsync();
        return (made.Text("id"), app.WithKey(made.Text("key")));
    }

    static async Task<HttpStatusCode> StatusAsync(HttpClient http, string path, string body)
    {
        using var answer = await http.PostTextAsync(path, body);
        return answer.StatusCode;
    }

    [Theory]
    [InlineData("{}", 422, "project, stream, key, tag, relay")]
    [InlineData("""{"stream": "transactional", "key": "bootstrap"}""", 422, "exactly one")]
    [InlineData("""{"stream": "nothing"}""", 422, "GET /v1/streams")]
    [InlineData("""{"key": "nobody"}""", 422, "GET /v1/keys")]
    [InlineData("""{"relay": "other"}""", 422, "test")]
    [InlineData("""{"tag": ":4711"}""", 422, "name:value")]
    [InlineData("""{"stream": ""}""", 422, "1 to 200")]
    [InlineData("""{"stream": "a\u0000b"}""", 422, "control character")]
    [InlineData("""{"stream": "transactional", "until": "tomorrow"}""", 422, "no field until")]
    [InlineData("""{"stream": "transactional", "reason": ""}""", 422, "1 to 500")]
    [InlineData("""{"project": true}""", 400, "a string")]
    [InlineData("""{"project": "prj_4711"}""", 404, "no project")]
    public async Task What_names_nothing_to_pause_is_refused_with_what_would_be_right(string body, int status, string says)
    {
        using var answer = await app.Http.PostTextAsync("/v1/pause", body);
        var text = await answer.Content.ReadAsStringAsync();

        Assert.Equal(status, (int)answer.StatusCode);
        Assert.Contains(says, text, StringComparison.Ordinal);
        Assert.Empty(await app.Http.ListAsync("/v1/pause"));
    }

    [Fact]
    public async Task What_is_not_paused_cannot_be_resumed()
    {
        Assert.Equal(HttpStatusCode.Conflict, await StatusAsync(app.Http, "/v1/resume", """{"stream": "transactional"}"""));
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(app.Http, "/v1/pause", """{"stream": "transactional"}"""));
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(app.Http, "/v1/resume", """{"stream": "transactional"}"""));
        using var again = await app.Http.PostTextAsync("/v1/resume", """{"stream": "transactional"}""");
        var problem = await ProblemDocument.ReadAsync(again);

        Assert.Equal((409, "not_paused"), (problem.Status, problem.Code));
    }

    [Fact]
    public async Task A_key_needs_the_scope_manage()
    {
        using var sender = app.WithKey(await app.AddKeyAsync("default", "send", "read"));

        Assert.Equal(HttpStatusCode.Forbidden, await StatusAsync(sender, "/v1/pause", """{"stream": "transactional"}"""));
        Assert.Equal(HttpStatusCode.Forbidden, await StatusAsync(sender, "/v1/resume", """{"stream": "transactional"}"""));
        Assert.Equal(HttpStatusCode.Forbidden, (await sender.GetAsync("/v1/pause")).StatusCode);
    }

    [Fact]
    public async Task Another_project_is_not_found_its_mail_not_touched_and_a_relay_is_the_operators()
    {
        using var tenant = app.WithKey(await app.AddKeyAsync("shop", "send", "read", "manage"));

        Assert.Equal(HttpStatusCode.NotFound, await StatusAsync(tenant, "/v1/pause", """{"project": "default"}"""));
        Assert.Equal(HttpStatusCode.UnprocessableEntity, await StatusAsync(tenant, "/v1/pause", """{"key": "bootstrap"}"""));
        Assert.Equal(HttpStatusCode.Forbidden, await StatusAsync(tenant, "/v1/pause", """{"relay": "test"}"""));
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(tenant, "/v1/pause", """{"stream": "transactional"}"""));
        await app.WaitForAsync(await app.SendAsync(), RecipientState.Sent);
        using var sent = await tenant.PostTextAsync("/v1/emails", TestApp.Mail().ToJsonString());
        await app.WaitForAsync((await sent.JsonAsync()).Text("id"), RecipientState.Held);
    }

    [Fact]
    public async Task What_the_operator_paused_in_a_project_only_the_operator_resumes()
    {
        using var tenant = app.WithKey(await app.AddKeyAsync("shop", "send", "read", "manage"));
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(app.Http, "/v1/pause", """{"project": "shop"}"""));

        Assert.Single(await tenant.ListAsync("/v1/pause"));
        Assert.Equal(HttpStatusCode.Forbidden, await StatusAsync(tenant, "/v1/resume", """{"project": "shop"}"""));
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(app.Http, "/v1/resume", """{"project": "shop"}"""));
    }

    [Fact]
    public async Task A_bound_key_pauses_its_own_mail_only_and_does_not_undo_what_others_stopped()
    {
        var (id, bound) = await KeyAsync(new() { ["streams"] = new JsonArray("transactional") });
        var own = $$"""{"key": "{{id}}"}""";

        Assert.Equal(HttpStatusCode.Forbidden, await StatusAsync(bound, "/v1/pause", """{"stream": "transactional"}"""));
        Assert.Equal(HttpStatusCode.Forbidden, await StatusAsync(bound, "/v1/pause", """{"project": "default"}"""));
        Assert.Equal(HttpStatusCode.Forbidden, await StatusAsync(bound, "/v1/pause", """{"relay": "test"}"""));
        Assert.Equal(HttpStatusCode.Forbidden, await StatusAsync(bound, "/v1/pause", """{"key": "bootstrap"}"""));
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(bound, "/v1/pause", own));
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(bound, "/v1/resume", own));
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(app.Http, "/v1/pause", own));
        Assert.Equal(HttpStatusCode.Forbidden, await StatusAsync(bound, "/v1/resume", own));
    }

    [Fact]
    public async Task A_test_key_pauses_mail_of_test_keys_only()
    {
        var (id, test) = await KeyAsync(new() { ["mode"] = "test" });

        Assert.Equal(HttpStatusCode.Forbidden, await StatusAsync(test, "/v1/pause", """{"stream": "transactional"}"""));
        Assert.Equal(HttpStatusCode.Forbidden, await StatusAsync(test, "/v1/pause", """{"key": "bootstrap"}"""));
        Assert.Equal(HttpStatusCode.Forbidden, await StatusAsync(test, "/v1/pause", """{"relay": "capture"}"""));
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(test, "/v1/pause", $$"""{"key": "{{id}}"}"""));
        using var sent = await test.PostTextAsync("/v1/emails", TestApp.Mail().ToJsonString());
        await app.WaitForAsync((await sent.JsonAsync()).Text("id"), RecipientState.Held);
    }
}
