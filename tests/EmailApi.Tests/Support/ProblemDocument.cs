using System.Text.Json;

namespace EmailApi.Tests.Support;

/// <summary>An error answer that has everything each one must have (RFC 9457 and DESIGN's code, errors and trace_id).</summary>
public sealed record ProblemDocument(int Status, string Code, string Detail, IReadOnlyList<(string Pointer, string Code)> Errors)
{
    public static async Task<ProblemDocument> ReadAsync(HttpResponseMessage answer)
    {
        var body = await answer.Content.ReadAsStringAsync();
        Assert.True(answer.Content.Headers.ContentType?.MediaType == "application/problem+json", $"{(int)answer.StatusCode} {answer.Content.Headers.ContentType}: {body}");
        var problem = JsonDocument.Parse(body).RootElement;

        var code = Text("code");
        Assert.Equal($"urn:emailapi:problem:{code}", Text("type"));
        Assert.NotEmpty(Text("title"));
        Assert.NotEmpty(Text("trace_id"));
        Assert.Equal((int)answer.StatusCode, problem.GetProperty("status").GetInt32());
        var detail = Text("detail");
        Assert.DoesNotContain("System.", detail, StringComparison.Ordinal);
        Assert.DoesNotContain("Exception", detail, StringComparison.Ordinal);

        var errors = problem.TryGetProperty("errors", out var list) ? list.EnumerateArray().ToList() : [];
        Assert.All(errors, error => Assert.NotEmpty(error.GetProperty("detail").GetString()!));
        Assert.All(errors, error => Assert.StartsWith("#", error.GetProperty("pointer").GetString(), StringComparison.Ordinal));
        return new((int)answer.StatusCode, code, detail, [.. errors.Select(e => (e.GetProperty("pointer").GetString()!, e.GetProperty("code").GetString()!))]);

        string Text(string name) => problem.GetProperty(name).GetString() ?? throw new InvalidOperationException($"{name} is null in {body}");
    }
}
