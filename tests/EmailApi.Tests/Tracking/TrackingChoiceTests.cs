using System.Net;
using System.Text.Json.Nodes;
using EmailApi.Tests.Support;

namespace EmailApi.Tests.Tracking;

/// <summary>Who decides whether a mail is tracked: the mail, then its key, then its stream; and nobody without an address for readers.</summary>
public sealed class TrackingChoiceTests(TrackingApp tracking) : IClassFixture<TrackingApp>
{
    TestApp App => tracking.App;

    [Theory]
    [InlineData("on", null, null, true)]
    [InlineData("on", "off", null, false)]
    [InlineData("off", "on", null, true)]
    [InlineData("on", "off", "on", true)]
    [InlineData("off", "on", "off", false)]
    [InlineData("on", null, "off", false)]
    [InlineData("off", null, "on", true)]
    public async Task The_mail_then_the_key_then_the_stream(string stream, string? key, string? mail, bool expected)
    {
        using (var changed = await App.Http.PatchAsync("/v1/streams/transactional", Json($$$"""{"track": {"opens": {{{Word(stream)}}}}}"""))) changed.EnsureSuccessStatusCode();
        var ofKey = key is null ? "" : $", \"track\": {{\"opens\": {Word(key)}}}";
        using var made = await App.PostAsync(JsonNode.Parse($$"""{"name": "a", "scopes": ["send", "read"]{{ofKey}}}""")!, "/v1/keys");
        using var client = App.WithKey((await made.JsonAsync()).Text("key"));
        var request = TestApp.Mail();
        request["html"] = TrackingApp.Html;
        if (mail is not null) request["track"] = new JsonObject { ["opens"] = mail == "on" };

        using var sent = await client.PostAsync("/v1/emails", Json(request.ToJsonString()));
        var copy = new Copy(Assert.Single(await App.RelayedAsync((await sent.JsonAsync()).Text("id"))));

        Assert.Equal(expected, copy.Pixel.Length > 0);
    }

    [Fact]
    public async Task A_keys_word_can_be_changed_and_taken_back()
    {
        using var made = await App.PostAsync(JsonNode.Parse("""{"name": "a", "scopes": ["send"], "track": {"opens": true}, "return_receipt": true}""")!, "/v1/keys");
        var id = (await made.JsonAsync()).Text("id");

        Assert.Equal("True,,,True", await ChangeAsync("""{"rate_limit": {}}"""));
        Assert.Equal(",False,,True", await ChangeAsync("""{"track": {"clicks": false}}"""));
        Assert.Equal(",,,True", await ChangeAsync("""{"track": {}}"""));
        Assert.Equal(",,,", await ChangeAsync("""{"return_receipt": null}"""));
        using var nothing = await App.Http.PatchAsync($"/v1/keys/{id}", Json("{}"));
        Assert.Equal(HttpStatusCode.UnprocessableEntity, nothing.StatusCode);

        async Task<string> ChangeAsync(string change)
        {
            using var changed = await App.Http.PatchAsync($"/v1/keys/{id}", Json(change));
            var key = await changed.JsonAsync();
            var track = key.GetProperty("track");
            return string.Join(',', new[] { track.GetProperty("opens"), track.GetProperty("clicks"), track.GetProperty("clicks_text"), key.GetProperty("return_receipt") }.Select(e => e.ToString()));
        }
    }

    [Fact]
    public async Task A_stream_shows_what_it_was_given()
    {
        using var made = await App.PostAsync(JsonNode.Parse("""{"name": "news", "track": {"clicks": true, "clicks_text": true}, "return_receipt": true, "unsubscribe": "stream"}""")!, "/v1/streams");
        using var changed = await App.Http.PatchAsync("/v1/streams/news", Json("""{"unsubscribe": "none", "track": {"opens": true}}"""));

        var stream = await changed.JsonAsync();
        Assert.Equal("""{"opens":true,"clicks":true,"clicks_text":true}""", stream.GetProperty("track").GetRawText());
        Assert.Equal(("none", true), (stream.Text("unsubscribe"), stream.GetProperty("return_receipt").GetBoolean()));
    }

    [Theory]
    [InlineData("""{"track": {"opens": true}}""", "#/track/opens", "no_public_url")]
    [InlineData("""{"track": {"clicks": true}}""", "#/track/clicks", "no_public_url")]
    [InlineData("""{"track": {"clicks_text": true}}""", "#/track/clicks_text", "no_public_url")]
    [InlineData("""{"unsubscribe": "stream"}""", "#/unsubscribe", "no_public_url")]
    [InlineData("""{"stream": "tracking"}""", "#/track", "no_public_url")]
    public async Task Without_an_address_for_readers_it_is_refused(string more, string pointer, string code)
    {
        await using var app = await TestApp.StartAsync();
        await app.ExecuteAsync("insert into streams (project_id, name, priority, life, in_doubt, track_opens) select id, 'tracking', 100, interval '1 day', 'retry', true from projects");

        await AssertRefusedAsync(app, more, pointer, code);
        if (!more.Contains("\"stream\":", StringComparison.Ordinal)) await AssertRefusedAsync(app, more, pointer, code, "/v1/streams");
        var off = TestApp.Mail();
        (off["stream"], off["track"], off["unsubscribe"], off["return_receipt"]) = ("tracking", JsonNode.Parse("""{"opens": false}"""), "none", true);
        using var taken = await app.PostAsync(off);
        Assert.Equal(HttpStatusCode.Accepted, taken.StatusCode);
    }

    [Theory]
    [InlineData("""{"track": {"open": true}}""", "#/track/open", "unknown_field")]
    [InlineData("""{"unsubscribe": "all"}""", "#/unsubscribe", "unknown_value")]
    [InlineData("""{"unsubscribe": "stream", "headers": {"list-unsubscribe": "<https://a.example/>"}}""", "#/headers/list-unsubscribe", "contradiction")]
    public async Task What_makes_no_sense_is_refused(string more, string pointer, string code) => await AssertRefusedAsync(App, more, pointer, code);

    [Theory]
    [InlineData("""{"track": true}""")]
    [InlineData("""{"track": {"opens": "yes"}}""")]
    [InlineData("""{"return_receipt": "yes"}""")]
    public async Task A_wrong_type_is_said_to_be_one(string more)
    {
        using var refused = await App.PostAsync(With(more));

        Assert.Equal(HttpStatusCode.BadRequest, refused.StatusCode);
    }

    static async Task AssertRefusedAsync(TestApp app, string more, string pointer, string code, string path = "/v1/emails")
    {
        var body = path == "/v1/streams" ? JsonNode.Parse(more)!.AsObject() : With(more);
        if (path == "/v1/streams") body["name"] = "x";
        using var refused = await app.PostAsync(body, path);
        Assert.Equal(HttpStatusCode.UnprocessableEntity, refused.StatusCode);
        var error = Assert.Single((await refused.JsonAsync()).GetProperty("errors").EnumerateArray());
        Assert.Equal((pointer, code), (error.Text("pointer"), error.Text("code")));
    }

    static JsonObject With(string more)
    {
        var mail = TestApp.Mail();
        foreach (var (name, value) in JsonNode.Parse(more)!.AsObject()) mail[name] = value?.DeepClone();
        return mail;
    }

    static string Word(string word) => word == "on" ? "true" : "false";

    static StringContent Json(string json) => new(json, new System.Net.Http.Headers.MediaTypeHeaderValue("application/json"));
}
