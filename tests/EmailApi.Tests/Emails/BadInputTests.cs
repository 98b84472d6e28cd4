using System.Text;
using EmailApi.Tests.Support;

namespace EmailApi.Tests.Emails;

/// <summary>What is wrong in a body: each gets a problem document that names the place, and nothing is stored.</summary>
public sealed class BadInputTests(SharedApp shared) : IClassFixture<SharedApp>
{
    readonly TestApp app = shared.App;

    async Task<ProblemDocument> RefusedAsync(byte[] body, string path = "/v1/emails")
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, path)
        {
            Content = new ByteArrayContent(body) { Headers = { ContentType = new("application/json") } },
            Headers = { { "Idempotency-Key", "not kept" } },
        };
        using var answer = await app.Http.SendAsync(request);
        var problem = await ProblemDocument.ReadAsync(answer);

        Assert.Equal(0, await app.StoredRowsAsync());
        return problem;
    }

    Task<ProblemDocument> RefusedAsync(string json, string path = "/v1/emails") => RefusedAsync(Encoding.UTF8.GetBytes(json), path);

    [Theory]
    [InlineData("")]
    [InlineData(" ")]
    [InlineData("{")]
    [InlineData("nul")]
    [InlineData("null")]
    [InlineData("5")]
    [InlineData("\"mail\"")]
    [InlineData("[]")]
    [InlineData("{}{}")]
    [InlineData("{'from':'a@example.jp'}")]
    [InlineData("""{"from":"a@example.jp",}""")]
    [InlineData("""{"from":"a@example.jp" /* comment */}""")]
    [InlineData("""{"from":"a@example.jp","from":"b@example.jp"}""")]
    [InlineData("""{"subject":"\x"}""")]
    [InlineData("{\"subject\":\"line\nbreak\"}")]
    [InlineData("""{"subject":"half \ud83d pair"}""")]
    [InlineData("""{"text":"half \ude00 pair"}""")]
    [InlineData("""{"headers":{"X-A":"\ud83d"}}""")]
    [InlineData("""{"headers":{"X-\ud83d":"a"}}""")]
    [InlineData("""{"to":["\ud83d@example.jp"]}""")]
    [InlineData("""{"to":{"email":"a@example.jp","\ud83d":1}}""")]
    [InlineData("""{"\ud83d":"a"}""")]
    [InlineData("""{"metadata":{"\ude00":1}}""")]
    [InlineData("""{"metadata":{"a":1,"a":2}}""")]
    public async Task What_is_no_JSON_object_is_400(string body)
    {
        var problem = await RefusedAsync(body);

        Assert.Equal((400, "malformed_json"), (problem.Status, problem.Code));
    }

    [Theory]
    [InlineData("", "The body is empty")]
    [InlineData("null", "The body is null")]
    [InlineData("{\"from\":", "The body is not JSON")]
    [InlineData("{\"subject\":\"\\ud800\"}", "surrogate")]
    [InlineData("{\"subject\":5}", "give a string")]
    [InlineData("{\"sensitive\":\"yes\"}", "give true or false")]
    [InlineData("{\"tags\":[]}", "give an object")]
    [InlineData("{\"attachments\":{}}", "give an array")]
    public async Task What_is_no_JSON_for_us_says_what_would_be(string body, string words)
    {
        var problem = await RefusedAsync(body);

        Assert.Contains(words, problem.Detail, StringComparison.Ordinal);
        Assert.DoesNotContain("System.", problem.Detail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("subject"), InlineData("text"), InlineData("metadata"), InlineData("unknown")]
    public async Task Bytes_that_are_no_UTF8_are_400(string field)
    {
        byte[] body = [.. Encoding.UTF8.GetBytes(Json.Mail((field, "\"caf?\"")))];
        body[Array.LastIndexOf(body, (byte)'?')] = 0xE9;

        var problem = await RefusedAsync(body);

        Assert.Equal((400, "malformed_json"), (problem.Status, problem.Code));
    }

    [Fact]
    public async Task UTF16_is_400()
    {
        var problem = await RefusedAsync(Encoding.Unicode.GetBytes(Json.Mail()));

        Assert.Equal(400, problem.Status);
    }

    [Fact]
    public async Task A_body_that_is_nested_without_end_is_400()
    {
        var problem = await RefusedAsync(Json.Mail(("metadata", string.Concat(Enumerable.Repeat("{\"a\":", 5000)) + "1" + new string('}', 5000))));

        Assert.Equal((400, "malformed_json"), (problem.Status, problem.Code));
    }

    [Theory]
    [InlineData("from", "5", "#/from")]
    [InlineData("from", """["a@example.jp"]""", "#/from")]
    [InlineData("from", """{"email":5}""", "#/from/email")]
    [InlineData("to", "5", "#/to")]
    [InlineData("to", "true", "#/to")]
    [InlineData("to", """["a@example.jp", 5]""", "#/to/1")]
    [InlineData("to", """[null]""", "#/to/0")]
    [InlineData("to", """[["a@example.jp"]]""", "#/to/0")]
    [InlineData("cc", """["a@example.jp", {"email":"b@example.jp","name":5}]""", "#/cc/1/name")]
    [InlineData("to", """[{"email":"b@example.jp","email":"c@example.jp"}]""", "#/to/0/email")]
    [InlineData("subject", "5", "#/subject")]
    [InlineData("subject", "{}", "#/subject")]
    [InlineData("text", "true", "#/text")]
    [InlineData("html", "[]", "#/html")]
    [InlineData("headers", "[]", "#/headers")]
    [InlineData("headers", """{"X-Order":5}""", "#/headers/X-Order")]
    [InlineData("headers", """{"Order":5}""", "#/headers/Order")]
    [InlineData("attachments", "{}", "#/attachments")]
    [InlineData("attachments", """[5]""", "#/attachments/0")]
    [InlineData("attachments", """[{"filename":"a","content":5}]""", "#/attachments/0/content")]
    [InlineData("attachments", """[{"filename":5}]""", "#/attachments/0/filename")]
    [InlineData("stream", "5", "#/stream")]
    [InlineData("tags", """{"orderNo":5}""", "#/tags/orderNo")]
    [InlineData("tags", """{"a b/c":{}}""", "#/tags/a%20b~1c")]
    [InlineData("send_at", "1764547200", "#/send_at")]
    [InlineData("expires_at", "{}", "#/expires_at")]
    [InlineData("envelope", "1", "#/envelope")]
    [InlineData("sensitive", "\"yes\"", "#/sensitive")]
    [InlineData("sensitive", "1", "#/sensitive")]
    public async Task A_value_of_the_wrong_type_is_400_and_named(string field, string json, string pointer)
    {
        var problem = await RefusedAsync(Json.Mail((field, json)));

        Assert.Equal((400, "malformed_json"), (problem.Status, problem.Code));
        Assert.Equal([(pointer, "wrong_type")], problem.Errors);
    }

    [Theory]
    [MemberData(nameof(BadInputData.Values), MemberType = typeof(BadInputData))]
    [MemberData(nameof(BadInputData.ControlCharacters), MemberType = typeof(BadInputData))]
    public async Task A_wrong_value_is_422_and_named(string field, string json, string pointer, string code)
    {
        var problem = await RefusedAsync(Json.Mail((field, json)));

        Assert.Equal((422, "validation"), (problem.Status, problem.Code));
        Assert.Equal([(pointer, code)], problem.Errors);
    }

    [Theory]
    [InlineData("from"), InlineData("to"), InlineData("subject"), InlineData("text")]
    public async Task What_is_needed_and_missing_is_named(string field)
    {
        var problem = await RefusedAsync(Json.Mail((field, null)));

        Assert.Equal([($"#/{field}", "required")], problem.Errors);
    }

    [Fact]
    public async Task All_faults_are_told_at_once()
    {
        var problem = await RefusedAsync("""
            {"to": ["taro@example.jp", "nobody", {"email": "x", "name": "a\nb"}], "subject": "a\r\nb", "html": "", "colour": 1, "envelope": "open", "stream": "nope"}
            """);

        Assert.Equal(
            ["#/colour", "#/envelope", "#/from", "#/stream", "#/subject", "#/text", "#/to/1", "#/to/2/email", "#/to/2/name"],
            problem.Errors.Select(e => e.Pointer).Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task An_email_has_at_most_1000_recipients_over_all_kinds()
    {
        var list = $"[{string.Join(',', Enumerable.Range(0, 334).Select(i => $"\"a{i}@example.jp\""))}]";

        var problem = await RefusedAsync(Json.Mail(("to", list), ("cc", list), ("bcc", list)));

        Assert.Equal([("#/to", "too_many")], problem.Errors);
        Assert.Contains("1,002", problem.Detail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true, true, 41 * 1024 * 1024)]
    [InlineData(true, false, 60_000_000)]
    [InlineData(false, true, 41_000_000)]
    [InlineData(false, false, 60_000_000)]
    public async Task A_body_of_41_MB_is_413(bool isChunked, bool waitsForContinue, int length)
    {
        var body = Encoding.UTF8.GetBytes(Json.Mail(("text", $"\"{new string('a', length)}\"")));
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/emails")
        {
            Content = new ByteArrayContent(body) { Headers = { ContentType = new("application/json") } },
            Headers = { ExpectContinue = waitsForContinue, TransferEncodingChunked = isChunked },
        };

        using var answer = await app.Http.SendAsync(request);
        var problem = await ProblemDocument.ReadAsync(answer);

        Assert.Equal((413, "too_large"), (problem.Status, problem.Code));
        Assert.Equal(0, await app.StoredRowsAsync());
    }

    [Theory]
    [InlineData("{}", "", 400, "malformed_json")]
    [InlineData("\"x\"", "", 400, "malformed_json")]
    [InlineData("[", "", 400, "malformed_json")]
    [InlineData("[]", "", 422, "validation")]
    [InlineData("[5]", "", 422, "validation")]
    [InlineData("[null]", "", 422, "validation")]
    [InlineData("[{\"text\":\"\\ud83d\"}]", "", 422, "validation")]
    [InlineData("[{\"subject\":\"a\",\"subject\":\"b\"}]", "", 422, "validation")]
    [InlineData("[{\"metadata\":{\"a\":\"\\ud83d\"}}]", "", 422, "validation")]
    [InlineData("[]", "?mode=permissive", 422, "validation")]
    [InlineData("[]", "?mode=loose", 400, "bad_request")]
    [InlineData("[]", "?mode=", 400, "bad_request")]
    [InlineData("[]", "?mode=strict&mode=permissive", 400, "bad_request")]
    public async Task A_wrong_batch_is_refused(string body, string query, int status, string code)
    {
        var problem = await RefusedAsync(body, "/v1/emails/batch" + query);

        Assert.Equal((status, code), (problem.Status, problem.Code));
    }

    [Fact]
    public async Task A_batch_has_at_most_1000_mails()
    {
        var problem = await RefusedAsync($"[{string.Join(',', Enumerable.Repeat(Json.Mail(), 1001))}]", "/v1/emails/batch");

        Assert.Equal([("#", "count")], problem.Errors);
    }

    [Fact]
    public async Task An_answer_does_not_grow_with_the_faults()
    {
        var many = string.Join(',', Enumerable.Range(0, 20_000).Select(i => $"\"unknown{i}\":1"));
        var one = $"\"{new string('x', 1_000_000)}\":1";

        foreach (var fields in new[] { many, one, $"\"stream\":\"{new string('x', 1_000_000)}\"" })
        {
            using var answer = await app.Http.PostTextAsync("/v1/emails", $"{Json.Mail()[..^1]},{fields}}}");

            Assert.Equal(422, (int)answer.StatusCode);
            Assert.InRange((await answer.Content.ReadAsByteArrayAsync()).Length, 1, 50_000);
        }
    }

    [Fact]
    public async Task A_permissive_answer_does_not_grow_with_the_faults_of_a_thousand_mails()
    {
        var bad = $"{Json.Mail()[..^1]},{string.Join(',', Enumerable.Range(0, 100).Select(i => $"\"unknown{i}\":1"))}}}";

        using var answer = await app.Http.PostTextAsync("/v1/emails/batch?mode=permissive", $"[{string.Join(',', Enumerable.Repeat(bad, 1000))}]");
        var body = await answer.Content.ReadAsByteArrayAsync();
        var errors = System.Text.Json.JsonDocument.Parse(body).RootElement.GetProperty("data").EnumerateArray().Select(item => item.GetProperty("error")).ToList();

        Assert.Equal(1000, errors.Count);
        Assert.Equal(2000, errors.Sum(e => e.GetProperty("errors").GetArrayLength()));
        Assert.Equal(98_000, errors.Sum(e => e.TryGetProperty("errors_left_out", out var left) ? left.GetInt32() : 0));
        Assert.InRange(body.Length, 1, 500_000);
    }
}
