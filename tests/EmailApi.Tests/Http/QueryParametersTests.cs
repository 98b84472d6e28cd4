using EmailApi.Tests.Support;

namespace EmailApi.Tests.Http;

/// <summary>What an endpoint takes in its query is what the contract says, and nothing else is passed over in silence.</summary>
public sealed class QueryParametersTests(SharedApp shared) : IClassFixture<SharedApp>
{
    readonly TestApp app = shared.App;

    static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Every_endpoint_with_parameters_refuses_another_and_names_its_own()
    {
        var endpoints = await EndpointsAsync();
        Assert.True(endpoints.Count >= 12, $"{endpoints.Count}");

        foreach (var (method, path, parameters) in endpoints)
            Assert.Equal((400, $"There is no parameter statsu here; there are {string.Join(", ", parameters)}."), await RefusalAsync(method, $"{path}?{parameters[0]}=x&statsu=x"));
    }

    [Fact]
    public async Task No_parameter_of_the_contract_is_refused_in_any_spelling()
    {
        foreach (var (method, path, parameters) in await EndpointsAsync())
            foreach (var parameter in parameters)
                Assert.DoesNotContain("There is no parameter", (await RefusalAsync(method, $"{path}?{parameter.ToUpperInvariant()}=")).Detail ?? "", StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/livez?probe=1", 200)]
    [InlineData("/v1/emails/em_0190a0a0a0a07a0a8a0a0a0a0a0a0a0a?utm=1", 404)]
    public async Task An_endpoint_without_parameters_ignores_what_comes(string path, int status) =>
        Assert.Equal(status, (int)(await app.Http.GetAsync(path, Cancel)).StatusCode);

    [Fact]
    public async Task A_long_name_is_shortened() =>
        Assert.InRange((await RefusalAsync(HttpMethod.Get, $"/v1/emails?{new string('x', 5000)}=1")).Detail!.Length, 50, 500);

    async Task<(int Status, string? Detail)> RefusalAsync(HttpMethod method, string path)
    {
        using var request = new HttpRequestMessage(method, path);
        if (method == HttpMethod.Post) request.Content = new StringContent("[]", new System.Net.Http.Headers.MediaTypeHeaderValue("application/json"));
        using var answer = await app.Http.SendAsync(request, Cancel);
        return ((int)answer.StatusCode, answer.IsSuccessStatusCode ? null : (await answer.JsonAsync()).Text("detail"));
    }

    async Task<List<(HttpMethod Method, string Path, List<string> Parameters)>> EndpointsAsync() =>
    [
        .. from path in (await app.GetAsync("/openapi/v1.json")).GetProperty("paths").EnumerateObject()
           from operation in path.Value.EnumerateObject()
           where operation.Value.TryGetProperty("parameters", out _)
           let query = operation.Value.GetProperty("parameters").EnumerateArray().Where(p => p.Text("in") == "query").Select(p => p.Text("name")).ToList()
           where query.Count > 0
           select (HttpMethod.Parse(operation.Name), path.Name.Replace("{id}", "em_0190a0a0a0a07a0a8a0a0a0a0a0a0a0a", StringComparison.Ordinal), query),
    ];
}
