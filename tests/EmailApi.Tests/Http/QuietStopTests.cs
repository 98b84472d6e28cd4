using System.Net.Sockets;
using System.Text;
using EmailApi.Tests.Support;

namespace EmailApi.Tests.Http;

/// <summary>A node that is stopped leaves no client wondering whether its request was read.</summary>
public sealed class QuietStopTests
{
    static readonly TimeSpan Limit = TimeSpan.FromSeconds(20);

    [Fact]
    public async Task A_kept_connection_is_answered_once_more_and_told_to_close_while_new_ones_are_refused()
    {
        await using var app = await TestApp.StartAsync();
        var address = app.Http.BaseAddress!;
        using var kept = new TcpClient();
        await kept.ConnectAsync(address.Host, address.Port);
        var before = await AskAsync(kept, "/livez");

        var stopping = app.StopAppAsync();
        await Eventually.IsAsync(() => IsRefusedAsync(address), Limit);
        var after = await AskAsync(kept, "/readyz");
        var isClosed = await kept.GetStream().ReadAsync(new byte[1]).AsTask().WaitAsync(Limit) == 0;
        await stopping;

        Assert.StartsWith("HTTP/1.1 200", before, StringComparison.Ordinal);
        Assert.DoesNotContain("Connection: close", before, StringComparison.OrdinalIgnoreCase);
        Assert.StartsWith("HTTP/1.1 503", after, StringComparison.Ordinal);   // who asks is to send no more here
        Assert.Contains("Connection: close", after, StringComparison.OrdinalIgnoreCase);
        Assert.True(isClosed);
    }

    static async Task<string> AskAsync(TcpClient client, string path)
    {
        await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes($"GET {path} HTTP/1.1\r\nHost: test\r\n\r\n"));
        var answer = new byte[4096];
        return Encoding.ASCII.GetString(answer, 0, await client.GetStream().ReadAsync(answer).AsTask().WaitAsync(Limit));
    }

    static async Task<bool> IsRefusedAsync(Uri address)
    {
        using var client = new TcpClient();
        try
        {
            await client.ConnectAsync(address.Host, address.Port);
            return false;
        }
        catch (SocketException)
        {
            return true;
        }
    }
}
