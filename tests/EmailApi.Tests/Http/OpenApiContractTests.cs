using EmailApi.Tests.Support;

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
}
