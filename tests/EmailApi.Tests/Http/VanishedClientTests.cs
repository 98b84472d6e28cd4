using System.Net;
using System.Net.Sockets;
using System.Text;
using EmailApi.Tests.Support;

namespace EmailApi.Tests.Http;

/// <summary>Clients that go away in the middle of a body, as a newcomer's log shows them.</summary>
public sealed class VanishedClientTests : IAsyncLifetime
{
    readonly TemporaryFolder folder = new();
    string database = "";

    static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => database = await TestDatabase.CreateAsync(await TestDatabase.TemplateAsync("migrated", TestApp.MigrateAsync), Cancel);

    public async ValueTask DisposeAsync()
    {
        await TestDatabase.DropAsync(database, CancellationToken.None);
        folder.Dispose();
    }

    [Theory]
    [InlineData("/v1/emails", "application/json", 1_000, false)]
    [InlineData("/v1/emails", "application/json", 1_000, true)]
    [InlineData("/v1/emails", "application/json", 1_500_000, false)]   // a large body, which waits for its turn
    [InlineData("/v1/emails", "application/json", 1_500_000, true)]
    [InlineData("/v1/bounces", "message/rfc822", 1_000, true)]
    public async Task A_client_that_vanishes_in_mid_body_leaves_no_warning_and_no_error(string path, string mediaType, int sent, bool isReset)
    {
        using var node = await AppProcess.Start(folder.Path,
            [$"--ConnectionStrings:EmailApi={database}", "--environment=Production", $"--EmailApi:DataDirectory={folder["data"]}", $"--EmailApi:Bootstrap:ApiKey={TestApp.Key}", $"--EmailApi:MasterKey={TestApp.MasterKey}"]).ReadyAsync();
        var before = node.Output.Length;

        for (var i = 0; i < 20; i++)
        {
            using var client = new Socket(SocketType.Stream, ProtocolType.Tcp);
            await client.ConnectAsync(IPAddress.Loopback, node.Http.BaseAddress!.Port, Cancel);
            await client.SendAsync(Encoding.ASCII.GetBytes($"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TestApp.Key}\r\nContent-Type: {mediaType}\r\nContent-Length: 3000000\r\n\r\n{new string(' ', sent)}"), Cancel);
            await Task.Delay(100, Cancel);   // so that it is being read
            if (isReset) client.LingerState = new(true, 0);
        }

        using var answer = await node.Http.PostTextAsync("/v1/emails", TestApp.Mail().ToJsonString());
        Assert.Equal(HttpStatusCode.Accepted, answer.StatusCode);
        Assert.Equal(0, await node.EndAsync());   // all that was being read has ended
        var log = node.Output[before..] + node.Errors;
        Assert.True(!log.Contains("Kestrel", StringComparison.Ordinal) && !log.Contains("EmailApi.Http", StringComparison.Ordinal) && !log.Contains("   at ", StringComparison.Ordinal), log);
    }
}
