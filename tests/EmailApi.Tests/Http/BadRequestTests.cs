using System.Net.Http.Headers;
using System.Text;
using EmailApi.Tests.Support;

namespace EmailApi.Tests.Http;

/// <summary>What is wrong around a body: headers, queries, methods, paths.</summary>
public sealed class BadRequestTests(SharedApp shared) : IClassFixture<SharedApp>
{
    readonly TestApp app = shared.App;

    static HttpRequestMessage Post(string? contentType = "application/json", string path = "/v1/emails")
    {
        var content = new ByteArrayContent(Encoding.UTF8.GetBytes(Json.Mail()));
        if (contentType is not null) content.Headers.ContentType = MediaTypeHeaderValue.Parse(contentType);
        return new(HttpMethod.Post, path) { Content = content };
    }

    async Task<ProblemDocument> RefusedAsync(HttpRequestMessage request)
    {
        using (request)
        {
            using var answer = await app.Http.SendAsync(request);
            var problem = await ProblemDocument.ReadAsync(answer);
            Assert.Equal(0, await app.StoredRowsAsync());
            return problem;
        }
    }

    [Theory]
    [InlineData(null)]
    [InlineData("text/plain")]
    [InlineData("application/x-www-form-urlencoded")]
    [InlineData("application/jsonp")]
    public async Task Another_media_type_than_JSON_is_415(string? contentType)
    {
        foreach (var path in new[] { "/v1/emails", "/v1/emails/batch" })
        {
            var problem = await RefusedAsync(Post(contentType, path));
            Assert.Equal((415, "unsupported_media_type"), (problem.Status, problem.Code));
        }
    }

    [Theory]
    [InlineData("gzip")]
    [InlineData("br")]
    [InlineData("identity, gzip")]
    public async Task A_content_encoding_is_415(string encoding)
    {
        var request = Post();
        request.Content!.Headers.TryAddWithoutValidation("Content-Encoding", encoding);

        var problem = await RefusedAsync(request);

        Assert.Equal((415, "unsupported_media_type"), (problem.Status, problem.Code));
    }

    public static TheoryData<string> BadKeys => new()
    {
        "", "\"\"", new string('a', 256), "ключ", "a\u007f", "a\tb",
    };

    [Theory, MemberData(nameof(BadKeys))]
    public async Task A_bad_idempotency_key_is_400(string key)
    {
        using var handler = new SocketsHttpHandler { RequestHeaderEncodingSelector = (_, _) => Encoding.UTF8 };
        using var client = new HttpClient(handler) { BaseAddress = app.Http.BaseAddress, DefaultRequestHeaders = { Authorization = app.Http.DefaultRequestHeaders.Authorization } };
        using var request = Post();
        Assert.True(request.Headers.TryAddWithoutValidation("Idempotency-Key", key));

        using var answer = await client.SendAsync(request);
        var problem = await ProblemDocument.ReadAsync(answer);

        Assert.Equal((400, "bad_request"), (problem.Status, problem.Code));
        Assert.Equal(0, await app.StoredRowsAsync());
    }

    [Theory]
    [InlineData("/v1/events")]
    [InlineData("/v1/captured")]
    public async Task A_limit_is_from_1_to_100(string path)
    {
        foreach (var limit in new[] { "0", "-1", "101", "99999999999", "x", "1.5", "%00" })
        {
            using var answer = await app.Http.GetAsync($"{path}?limit={limit}");
            var problem = await ProblemDocument.ReadAsync(answer);
            Assert.Equal((400, "bad_request"), (problem.Status, problem.Code));
            Assert.Contains("limit", problem.Detail, StringComparison.Ordinal);
            Assert.DoesNotContain("Int32", problem.Detail, StringComparison.Ordinal);
            Assert.DoesNotContain("Nullable", problem.Detail, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("/v1/events")]
    [InlineData("/v1/captured")]
    public async Task A_cursor_is_one_of_ours(string path)
    {
        foreach (var cursor in new[] { "x", "!!", "%00", "%E2%98%83", "MQ", "MS4y.", "LTEuLTE", "MS4yLjM", new string('A', 500), "eC55", "OTk5OTk5OTk5OTk5OTk5OTk5OTk5OS4x" })
        {
            using var answer = await app.Http.GetAsync($"{path}?after={cursor}");
            var problem = await ProblemDocument.ReadAsync(answer);
            Assert.Equal((400, "bad_cursor"), (problem.Status, problem.Code));
        }
    }

    [Theory]
    [InlineData("/v1/captured?to=%00")]
    [InlineData("/v1/captured?wait=61")]
    [InlineData("/v1/captured?wait=-1")]
    [InlineData("/v1/captured?wait=soon")]
    [InlineData("/v1/events?types=%00")]
    [InlineData("/v1/ledger?from=yesterday")]
    [InlineData("/v1/ledger?to=2026-12-01T00:00:00")]
    [InlineData("/v1/ledger?to=%00")]
    public async Task A_wrong_filter_is_400(string path)
    {
        using var answer = await app.Http.GetAsync(path);
        var problem = await ProblemDocument.ReadAsync(answer);

        Assert.Equal((400, "bad_request"), (problem.Status, problem.Code));
    }

    [Theory]
    [InlineData("GET", "/v1/emails/batch/x", 404)]
    [InlineData("GET", "/v1/captured/cap_x", 404)]
    [InlineData("GET", "/v1/captured/x/raw", 404)]
    [InlineData("GET", "/", 404)]
    [InlineData("GET", "/v2/emails", 404)]
    [InlineData("DELETE", "/v1/emails", 405)]
    [InlineData("PUT", "/v1/events", 405)]
    [InlineData("POST", "/livez", 405)]
    public async Task What_is_not_there_is_a_problem_document(string method, string path, int status)
    {
        using var request = new HttpRequestMessage(new(method), path);
        using var answer = await app.Http.SendAsync(request);
        var problem = await ProblemDocument.ReadAsync(answer);

        Assert.Equal(status, problem.Status);
        Assert.Equal(status == 405, answer.Content.Headers.Allow.Count > 0);
    }

    [Fact]
    public async Task Every_problem_has_a_trace_id_of_its_own()
    {
        var ids = new List<string?>();
        for (var i = 0; i < 2; i++)
        {
            using var answer = await app.Http.GetAsync("/v1/emails/em_x");
            ids.Add((await answer.JsonAsync()).GetProperty("trace_id").GetString());
        }

        Assert.All(ids, id => Assert.Matches("^[0-9a-f]{32}$", id));
        Assert.NotEqual(ids[0], ids[1]);
    }
}
