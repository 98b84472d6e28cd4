using EmailApi.Tests.Support;
using Microsoft.OpenApi;

namespace EmailApi.Tests.Http;

public sealed class OpenApiContractTests
{
    static readonly string Committed = Path.Combine(Top(new(AppContext.BaseDirectory)), "openapi", "v1.json");

    static string Top(DirectoryInfo folder) => File.Exists(Path.Combine(folder.FullName, "EmailApi.sln")) ? folder.FullName : Top(folder.Parent!);

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
}
