using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json.Nodes;
using EmailApi.Http;
using EmailApi.Tests.Emails;
using EmailApi.Tests.Support;
using Microsoft.AspNetCore.Http;

namespace EmailApi.Tests.Http;

public sealed class JapaneseTests(SharedApp shared) : IClassFixture<SharedApp>
{
    public const string Letters = "[\u3041-\u3096\u30A1-\u30FA\u4E00-\u9FFF]";

    readonly TestApp app = shared.App;

    [Theory]
    [InlineData("ja", true)]
    [InlineData("JA-jp", true)]
    [InlineData("ja-JP, ja;q=0.9, en-US;q=0.8, en;q=0.7", true)]
    [InlineData("en;q=0.8, ja;q=0.9", true)]
    [InlineData("ja, en", true)]
    [InlineData("ja;q=0.1", true)]
    [InlineData("fr, ja;q=0.5, en;q=0.3", true)]
    [InlineData("*;q=0.5, ja", true)]
    [InlineData("*, en;q=0.1, ja;q=0.5", true)]
    [InlineData("ja, ???;q=x", true)]
    [InlineData(null, false)]
    [InlineData("", false)]
    [InlineData("*", false)]
    [InlineData("ja;q=0", false)]
    [InlineData("ja;q=0, *", false)]
    [InlineData("ja;q=0.5, *", false)]
    [InlineData("en", false)]
    [InlineData("en, ja", false)]
    [InlineData("en-GB, ja;q=0.9", false)]
    [InlineData("fr", false)]
    [InlineData("jam, jav-JP", false)]
    [InlineData("ja;q=2", false)]
    public void Japanese_is_told_when_it_is_liked_better_than_English(string? header, bool isJapanese)
    {
        var http = new DefaultHttpContext();
        if (header is not null) http.Request.Headers.AcceptLanguage = header;

        Assert.Equal(isJapanese, Japanese.IsPreferred(http.Request));
    }

    [Theory]
    [InlineData("#/to/1: An address has the form name@example.jp; the @ is missing.", "#/to/1：アドレスは name@example.jp の形式です。@ がありません。")]
    [InlineData("There is no field There is no field: leave it out.; leave it out.", "There is no field: leave it out. というフィールドはありません。取り除いてください。")]
    [InlineData("#/to: '(' cannot stand in a domain; letters, digits, hyphens and dots can.", "#/to：ドメインに '(' は使えません。使えるのは英数字、ハイフン、ドットです。")]
    [InlineData("#/a: template is not supported yet; leave it out.", "#/a：template にはまだ対応していません。取り除いてください。")]
    [InlineData("The body is not JSON: 'x' is wrong. (line 1, byte 2)", "リクエスト本文を JSON として読み取れません（1 行目、2 バイト目）：'x' is wrong.")]
    [InlineData("There is no field key; leave it out.", "key というフィールドはありません。取り除いてください。")]
    [InlineData("There is no field {1:ja}\n; leave it out.", "{1:ja}\n というフィールドはありません。取り除いてください。")]
    [InlineData("The key may send 3 mails a second; send again after the time in Retry-After.", "キーが送れるのは毎秒 3 通までです。Retry-After の時間が過ぎてから、もう一度送ってください。")]
    [InlineData("em_1 is paused by the pause of tag a b; it can be retried after POST /v1/resume with {\"tag\": \"a b\"}.", "em_1 は tag a b の停止により止められています。POST /v1/resume に {\"tag\": \"a b\"} を送ると再試行できるようになります。")]
    [InlineData("'é' cannot stand after a backslash before the @.", "@ より前の部分では、バックスラッシュの直後に 'é' を使えません。")]
    [InlineData("A space cannot stand in a domain; letters, digits, hyphens and dots can.", "ドメインに空白は使えません。使えるのは英数字、ハイフン、ドットです。")]
    [InlineData("Unexpected end of request content.", "Unexpected end of request content.")]
    [InlineData("Connection: lost; it is not.", "Connection: lost; it is not.")]
    public void A_sentence_is_found_and_its_values_stay_as_they_are(string english, string japanese) => Assert.Equal(japanese, Japanese.Of(english));

    [Fact]
    public void A_long_text_is_read_once()
    {
        var started = TimeProvider.System.GetTimestamp();

        foreach (var text in new[] { ": ", "; ", "is not.", " (line 1, byte 1)", "is a; " }) Japanese.Of(string.Concat(Enumerable.Repeat($"a{text}", 50_000)));

        Assert.True(TimeProvider.System.GetElapsedTime(started) < TimeSpan.FromSeconds(5));
    }

    /// <summary>What all these are told, in so many ways: the sentences in which others stand among them.</summary>
    [Theory]
    [InlineData("POST", "/v1/emails", "")]
    [InlineData("POST", "/v1/emails", "null")]
    [InlineData("POST", "/v1/emails", "{'a'}")]
    [InlineData("POST", "/v1/emails", "[]")]
    [InlineData("POST", "/v1/emails", "{\"subject\":5}")]
    [InlineData("POST", "/v1/emails", "{\"sensitive\":5}")]
    [InlineData("POST", "/v1/emails", "{\"tags\":[]}")]
    [InlineData("POST", "/v1/emails", "{\"attachments\":{}}")]
    [InlineData("POST", "/v1/emails", "{\"attachments\":[{\"content\":5}]}")]
    [InlineData("POST", "/v1/emails", "{\"to\":[5]}")]
    [InlineData("POST", "/v1/emails", "{\"to\":{\"email\":5}}")]
    [InlineData("POST", "/v1/emails", "{\"to\":{\"email\":\"\",\"email\":\"\"}}")]
    [InlineData("POST", "/v1/emails", "{\"subject\":\"\",\"subject\":\"\"}")]
    [InlineData("POST", "/v1/emails", "{\"subject\":\"\\ud800\"}")]
    [InlineData("POST", "/v1/emails", "{}")]
    [InlineData("POST", "/v1/emails/batch", "{}")]
    [InlineData("POST", "/v1/emails/batch", "[5]")]
    [InlineData("POST", "/v1/emails/batch", "[null]")]
    [InlineData("POST", "/v1/emails/batch", "[]")]
    [InlineData("POST", "/v1/emails/batch?mode=loose", "[]")]
    [InlineData("POST", "/v1/emails/cancel", "")]
    [InlineData("POST", "/v1/streams", "{\"name\":\"A\",\"priority\":0,\"life\":\"1s\",\"retry\":[\"x\"],\"in_doubt\":\"?\",\"retention\":{\"events\":\"P1M\"},\"track\":{\"x\":1}}")]
    [InlineData("POST", "/v1/streams", "{\"priority\":\"high\"}")]
    [InlineData("POST", "/v1/streams", "{\"name\":\"transactional\"}")]
    [InlineData("PATCH", "/v1/streams/transactional", "{\"name\":\"other\"}")]
    [InlineData("DELETE", "/v1/streams/transactional", "")]
    [InlineData("GET", "/v1/streams/nope", "")]
    [InlineData("POST", "/v1/keys", "{\"mode\":\"x\",\"scopes\":[\"x\"],\"senders\":[\"x\",\"a@b@c\"],\"expires_at\":\"2020-01-01T00:00:00Z\",\"rate_limit\":{\"burst\":0}}")]
    [InlineData("POST", "/v1/keys", "{\"name\":\"a\",\"scopes\":[\"send\"],\"streams\":[\"nope\"]}")]
    [InlineData("POST", "/v1/keys", "{\"name\":\"a\",\"scopes\":[\"send\"],\"project\":\"prj_77\"}")]
    [InlineData("POST", "/v1/keys", "{\"rate_limit\":{\"per_second\":5,\"burst\":1}}")]
    [InlineData("PATCH", "/v1/keys/nope", "{}")]
    [InlineData("DELETE", "/v1/keys/nope", "")]
    [InlineData("POST", "/v1/projects", "{}")]
    [InlineData("POST", "/v1/projects", "{\"name\":\"default\"}")]
    [InlineData("PATCH", "/v1/projects/prj_1", "{\"name\":\"other\"}")]
    [InlineData("PATCH", "/v1/projects/prj_1", "{\"quota\":{\"per_day\":10,\"per_month\":1}}")]
    [InlineData("DELETE", "/v1/projects/prj_1", "")]
    [InlineData("GET", "/v1/projects/prj_x", "")]
    [InlineData("POST", "/v1/pause", "{\"reason\":\"\"}")]
    [InlineData("POST", "/v1/pause", "{\"tag\":\":x\"}")]
    [InlineData("POST", "/v1/pause", "{\"stream\":\"nope\"}")]
    [InlineData("POST", "/v1/pause", "{\"key\":\"nope\"}")]
    [InlineData("POST", "/v1/pause", "{\"relay\":\"nope\"}")]
    [InlineData("POST", "/v1/pause", "{\"stream\":\"\"}")]
    [InlineData("POST", "/v1/resume", "{\"stream\":\"transactional\"}")]
    [InlineData("GET", "/v1/emails/em_x", "")]
    [InlineData("GET", "/v1/captured/cap_x", "")]
    [InlineData("GET", "/v1/captured?wait=61", "")]
    [InlineData("GET", "/v1/captured?to=%00", "")]
    [InlineData("GET", "/v1/emails?status=gone", "")]
    [InlineData("GET", "/v1/emails?address=taro", "")]
    [InlineData("GET", "/v1/emails?address=a@b", "")]
    [InlineData("GET", "/v1/emails?stream=", "")]
    [InlineData("GET", "/v1/emails?key=%00", "")]
    [InlineData("GET", "/v1/emails?from=today", "")]
    [InlineData("GET", "/v1/emails?color=red", "")]
    [InlineData("GET", "/v1/emails?limit=0", "")]
    [InlineData("GET", "/v1/emails?limit=ten", "")]
    [InlineData("GET", "/v1/events?types=x", "")]
    [InlineData("GET", "/v1/events?after=x", "")]
    [InlineData("GET", "/v1/ledger?from=x", "")]
    [InlineData("GET", "/v1/ledger?from=2026-12-02T00:00:00Z&to=2026-12-01T00:00:00Z", "")]
    [InlineData("GET", "/v1/usage?from=x", "")]
    [InlineData("GET", "/v1/usage?from=2020-01-01&to=2026-01-01", "")]
    [InlineData("GET", "/v1/stats?from=x", "")]
    [InlineData("GET", "/v1/stats?by=colour", "")]
    [InlineData("GET", "/nowhere", "")]
    [InlineData("DELETE", "/v1/emails", "")]
    public async Task A_wrong_request_is_told_so_in_Japanese(string method, string path, string body)
    {
        using var request = new HttpRequestMessage(new(method), path);
        if (method is "POST" or "PATCH") request.Content = new StringContent(body, new MediaTypeHeaderValue("application/json"));

        await RefusedAsync(app.Http, request);
    }

    [Fact]
    public async Task So_is_every_wrong_value()
    {
        foreach (var (field, json, _, _) in BadInputData.Values.Concat(BadInputData.ControlCharacters).Select(row => row.Data))
        {
            using var request = Post(Json.Mail((field, json)));
            await RefusedAsync(app.Http, request);
        }
    }

    [Fact]
    public async Task So_is_who_comes_without_a_key_or_with_a_wrong_type_or_too_much()
    {
        using (var none = app.WithKey(null))
        using (var get = new HttpRequestMessage(HttpMethod.Get, "/v1/emails"))
            Assert.Equal((401, "unauthorized"), StatusOf(await RefusedAsync(none, get)));

        using var unknown = app.WithKey("ek_live_unknown");
        for (var i = 0; i < 6; i++)
        {
            using var get = new HttpRequestMessage(HttpMethod.Get, "/v1/emails");
            Assert.Equal(i < 5 ? (401, "unauthorized") : (429, "too_many_failures"), StatusOf(await RefusedAsync(unknown, get)));
        }

        using var text = Post("a");
        text.Content!.Headers.ContentType = new("text/plain");
        Assert.Equal((415, "unsupported_media_type"), StatusOf(await RefusedAsync(app.Http, text)));

        using var large = Post(new string(' ', 41_000_000));
        large.Headers.ExpectContinue = true;
        Assert.Equal((413, "too_large"), StatusOf(await RefusedAsync(app.Http, large)));
    }

    [Fact]
    public async Task So_is_who_may_not_do_it_or_not_now()
    {
        await using var own = await TestApp.StartAsync();
        var id = await own.SendAsync();
        await own.WaitForAsync(id, EmailApi.Emails.RecipientState.Sent);
        using var cancel = new HttpRequestMessage(HttpMethod.Post, $"/v1/emails/{id}/cancel");
        var sent = await RefusedAsync(own.Http, cancel);

        using var made = await own.PostAsync(JsonNode.Parse("""{"name": "a", "scopes": ["send"], "senders": ["other.example"], "rate_limit": {"per_second": 1}}""")!, "/v1/keys");
        using var bound = own.WithKey((await made.JsonAsync()).GetProperty("key").GetString());
        using var mail = Post(Json.Mail());
        using var next = Post(Json.Mail());
        using var batch = Post($"[{Json.Mail()},{Json.Mail()}]", "/v1/emails/batch");
        using var list = new HttpRequestMessage(HttpMethod.Get, "/v1/emails");

        Assert.Equal((409, "wrong_state"), StatusOf(sent));
        Assert.Equal($"{id} は sent です。取り消せるのは scheduled、held、queued、deferred、in_doubt の宛先だけです。", (string?)sent["detail"]);
        Assert.Equal((403, "not_allowed"), StatusOf(await RefusedAsync(bound, mail)));
        Assert.Equal((429, "rate_limited"), StatusOf(await RefusedAsync(bound, next)));
        Assert.Equal((422, "validation"), StatusOf(await RefusedAsync(bound, batch)));
        Assert.Equal((403, "forbidden"), StatusOf(await RefusedAsync(bound, list)));

        using var quota = await own.Http.PatchAsJsonAsync("/v1/projects/prj_1", JsonNode.Parse("""{"quota": {"per_day": 1}}"""));
        using var two = Post($"[{Json.Mail()},{Json.Mail()}]", "/v1/emails/batch");
        using var over = Post(Json.Mail());
        Assert.Equal((422, "validation"), StatusOf(await RefusedAsync(own.Http, two)));
        Assert.Equal((429, "quota_exceeded"), StatusOf(await RefusedAsync(own.Http, over)));
    }

    [Fact]
    public async Task Only_what_people_read_is_Japanese()
    {
        using var japanese = Post(Json.Mail(("colour", "1"), ("to", "\"taro\"")));
        using var english = Post(Json.Mail(("colour", "1"), ("to", "\"taro\"")));

        var told = await RefusedAsync(app.Http, japanese);
        using var answer = await app.Http.SendAsync(english);
        var usual = (await answer.Content.ReadFromJsonAsync<JsonObject>())!;

        Assert.Equal("2 か所に誤りがあります。それぞれの内容は errors を見てください。", (string?)told["detail"]);
        Assert.Equal("colour というフィールドはありません。取り除いてください。", (string?)told["errors"]![0]!["detail"]);
        Assert.Equal("2 places are wrong; errors names each.", (string?)usual["detail"]);
        Assert.Equal("en", Assert.Single(answer.Content.Headers.ContentLanguage));
        Assert.Contains("Accept-Language", answer.Headers.Vary);
        foreach (var problem in new[] { told, usual })
        {
            problem.Remove("title");
            problem.Remove("detail");
            problem.Remove("trace_id");
            foreach (var error in problem["errors"]!.AsArray()) error!.AsObject().Remove("detail");
        }

        Assert.Equal(usual.ToJsonString(), told.ToJsonString());
    }

    [Fact]
    public async Task The_answer_to_a_permissive_batch_stays_English_as_a_repeat_gets_the_same()
    {
        using var request = Post("[5]", "/v1/emails/batch?mode=permissive");
        request.Headers.AcceptLanguage.Add(new("ja"));

        using var answer = await app.Http.SendAsync(request);

        Assert.Equal(202, (int)answer.StatusCode);
        Assert.Contains("The value has the wrong type", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    static HttpRequestMessage Post(string json, string path = "/v1/emails") =>
        new(HttpMethod.Post, path) { Content = new ByteArrayContent(Encoding.UTF8.GetBytes(json)) { Headers = { ContentType = new("application/json") } } };

    static (int Status, string Code) StatusOf(JsonObject problem) => ((int)problem["status"]!, (string)problem["code"]!);

    /// <summary>Sends a request whose answer is to be a problem document, all Japanese.</summary>
    static async Task<JsonObject> RefusedAsync(HttpClient client, HttpRequestMessage request)
    {
        request.Headers.AcceptLanguage.ParseAdd("ja-JP, ja;q=0.9, en;q=0.8");
        using var answer = await client.SendAsync(request);
        Assert.Equal("application/problem+json", answer.Content.Headers.ContentType?.MediaType);
        Assert.Equal("ja", Assert.Single(answer.Content.Headers.ContentLanguage));
        Assert.Equal("Accept-Language", Assert.Single(answer.Headers.Vary));

        var problem = (await answer.Content.ReadFromJsonAsync<JsonObject>())!;
        IsJapanese(problem["title"]);
        IsJapanese(problem["detail"]);
        foreach (var error in problem["errors"]?.AsArray() ?? []) IsJapanese(error!["detail"]);
        return problem;
    }

    /// <summary>Japanese letters, and no part that was left in English but for what the JSON reader says.</summary>
    static void IsJapanese(JsonNode? text)
    {
        Assert.Matches(Letters, (string)text!);
        if (!((string)text!).Contains("JSON として読み取れません", StringComparison.Ordinal)) Assert.DoesNotMatch("[a-z]+ [a-z]+ [a-z]+", (string)text!);
    }
}
