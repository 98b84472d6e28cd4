using System.Text.RegularExpressions;
using EmailApi.Tests.Support;
using Microsoft.OpenApi;

namespace EmailApi.Tests.Http;

public sealed partial class OpenApiContractTests
{
    static readonly string Committed = Path.Combine(Tree.Top, "openapi", "v1.json");

    [Fact]
    public async Task What_is_served_is_what_is_committed()
    {
        await using var app = await TestApp.StartAsync("--EmailApi:Role=api");
        using var client = app.WithKey(null);

        var served = (await client.GetStringAsync("/openapi/v1.json")).ReplaceLineEndings("\n") + "\n";
        if (Environment.GetEnvironmentVariable("UPDATE_OPENAPI") == "1") await File.WriteAllTextAsync(Committed, served);
        var committed = (await File.ReadAllTextAsync(Committed)).ReplaceLineEndings("\n");

        Assert.True(committed == served, $"The API differs from {Committed}; run the tests with UPDATE_OPENAPI=1 and look at the diff.");
    }

    [Fact]
    public async Task It_is_a_valid_document_whose_operations_all_have_names_and_answers()
    {
        var parsed = OpenApiDocument.Parse(await File.ReadAllTextAsync(Committed), "json");
        var operations = parsed.Document!.Paths.SelectMany(p => p.Value.Operations!.Values).ToList();

        Assert.Empty(parsed.Diagnostic!.Errors);
        Assert.Equal(operations.Count, operations.Select(o => o.OperationId).Distinct().Count());
        Assert.All(operations, o => Assert.NotEmpty(o.Summary!));
        Assert.All(operations, o => Assert.Contains(o.Responses!, r => r.Key == "204" || (r.Key[0] == '2' && r.Value.Content?.Count > 0)));
    }

    [Fact]
    public async Task Every_request_body_has_an_example_and_every_answer_a_meaning()
    {
        var parsed = OpenApiDocument.Parse(await File.ReadAllTextAsync(Committed), "json");
        var operations = parsed.Document!.Paths.SelectMany(p => p.Value.Operations!.Values).ToList();

        Assert.All(operations.Where(o => o.RequestBody is not null), o => Assert.All(o.RequestBody!.Content!.Values, body => Assert.NotNull(body.Example)));
        Assert.All(operations.Where(o => o.Security is not []), o => Assert.Contains("429", o.Responses!.Keys));
        Assert.All(operations.SelectMany(o => o.Responses!.Values), r => Assert.NotEmpty(r.Description!));
        Assert.All(parsed.Document.Tags!, t => Assert.NotEmpty(t.Description!));
    }

    [Fact]
    public async Task The_examples_that_make_something_work_as_they_stand()
    {
        await using var app = await TestApp.StartAsync("--EmailApi:Role=api");
        var parsed = OpenApiDocument.Parse(await File.ReadAllTextAsync(Committed), "json");
        var posts = parsed.Document!.Paths.Where(p => !p.Key.Contains('{', StringComparison.Ordinal) && p.Value.Operations!.GetValueOrDefault(HttpMethod.Post)?.RequestBody is not null).ToList();

        Assert.Equal(["/v1/bounces", "/v1/emails", "/v1/emails/batch", "/v1/keys", "/v1/pause", "/v1/projects", "/v1/resume", "/v1/streams", "/v1/suppressions", "/v1/suppressions/import", "/v1/webhooks"], posts.Select(p => p.Key).Order(StringComparer.Ordinal));
        foreach (var (path, (type, body)) in posts.SelectMany(p => p.Value.Operations![HttpMethod.Post].RequestBody!.Content!, (p, body) => (p.Key, body)))
        {
            var text = type == "application/json" ? body.Example!.ToJsonString() : body.Example!.GetValue<string>();
            using var answer = await app.Http.PostAsync(path, new StringContent(text, new System.Net.Http.Headers.MediaTypeHeaderValue(type)));
            Assert.True(answer.IsSuccessStatusCode, $"{path}: {await answer.Content.ReadAsStringAsync()}");
        }
    }

    [Fact]
    public async Task Requests_http_has_every_route()
    {
        var parsed = OpenApiDocument.Parse(await File.ReadAllTextAsync(Committed), "json");
        var shown = (await File.ReadAllLinesAsync(Path.Combine(Path.GetDirectoryName(Committed)!, "requests.http")))
            .Select(line => Request().Match(line)).Where(m => m.Success).Select(m => (m.Groups[1].Value, Path: m.Groups[2].Value)).ToList();

        var missing = parsed.Document!.Paths.SelectMany(p => p.Value.Operations!.Keys.Select(method => (method.Method, Pattern: RouteOf(p.Key))))
            .Where(route => !shown.Exists(s => s.Value == route.Method && Regex.IsMatch(s.Path, route.Pattern)));

        Assert.Empty(missing);
    }

    /// <summary>A literal segment is one, as /v1/emails/cancel is no example of /v1/emails/{id}.</summary>
    static string RouteOf(string path) => $"^{Regex.Replace(path, @"\{\w+\}", @"(\{\{\w+\}\}|otp)")}$";

    [GeneratedRegex(@"^([A-Z]+) \{\{api\}\}(/[^?]*?)(\?.*)?$")]
    private static partial Regex Request();
}
