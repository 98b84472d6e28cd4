using System.Security.Cryptography;
using EmailApi.Data;
using EmailApi.Tests.Support;
using Microsoft.Extensions.DependencyInjection;

namespace EmailApi.Tests.Data;

public sealed class KeyRingTests
{
    [Fact]
    public async Task A_node_with_another_master_key_is_refused_from_the_first_start_on()
    {
        await using var app = await TestApp.StartAsync();
        using var folder = new TemporaryFolder();

        await using var other = await Program.BuildAsync(
        [
            "--urls=http://127.0.0.1:0", $"--ConnectionStrings:EmailApi={app.ConnectionString}", $"--EmailApi:DataDirectory={folder["data"]}",
            $"--EmailApi:MasterKey={Convert.ToBase64String(RandomNumberGenerator.GetBytes(32))}",
        ]);

        var refused = Assert.Throws<StartRefusedException>(other.Services.GetRequiredService<KeyRing>().Check);
        Assert.StartsWith("EmailApi__MasterKey does not open", refused.Message, StringComparison.Ordinal);
        app.Services.GetRequiredService<KeyRing>().Check();
    }
}
