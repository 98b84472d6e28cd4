using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using EmailApi.Tests.Support;

namespace EmailApi.Tests.Bounces;

/// <summary>An app with a bounce domain, and the ways into it.</summary>
public sealed class BounceApp : IAsyncLifetime
{
    public const string Domain = "bounce.example";

    /// <summary>Of the bounce listener.</summary>
    public int Port { get; } = FreePort();

    public TestApp App { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        App = await TestApp.StartAsync($"--EmailApi:Bounce:Domain={Domain}", $"--EmailApi:Bounce:Port={Port}", "--EmailApi:Bounce:ReportsDelivery=true");
        App.Relay.Dsn = true;
        using var made = await App.Http.PostTextAsync("/v1/streams", """{"name": "news"}""");
        made.EnsureSuccessStatusCode();
    }

    public ValueTask DisposeAsync() => App.DisposeAsync();

    /// <summary>Sends a mail and waits until the relay has it.</summary>
    /// <returns>Its id, and the return path that the relay was told.</returns>
    public async Task<(string Id, string ReturnPath)> SentAsync(string to = "taro@example.jp", System.Text.Json.Nodes.JsonObject? more = null)
    {
        await App.ExecuteAsync("delete from suppressions");   // by an earlier test
        var id = await App.SendAsync(to, more);
        return (id, (await App.RelayedAsync(id))[0].ReversePath);
    }

    public async Task<JsonElement> PostAsync(string report, string query = "", HttpClient? client = null)
    {
        using var answer = await PostRawAsync(report, query, client);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        return await answer.JsonAsync();
    }

    public Task<HttpResponseMessage> PostRawAsync(string report, string query = "", HttpClient? client = null) =>
        (client ?? App.Http).PostAsync($"/v1/bounces{query}", new ByteArrayContent(Encoding.UTF8.GetBytes(report)) { Headers = { ContentType = new MediaTypeHeaderValue("message/rfc822") } });

    /// <summary>Hands a report to the bounce listener as a mail server would.</summary>
    /// <returns>The replies to RCPT, and to the message if any recipient was taken.</returns>
    public async Task<(IReadOnlyList<string> Rcpt, string? Data)> SmtpAsync(string report, string from, params string[] to)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, Port);
        await using var stream = client.GetStream();
        using var reader = new StreamReader(stream, Encoding.ASCII);
        await ReplyAsync();
        await SayAsync("EHLO mx.example");
        await SayAsync($"MAIL FROM:<{from}>");
        var rcpt = new List<string>();
        foreach (var recipient in to) rcpt.Add(await SayAsync($"RCPT TO:<{recipient}>"));
        if (!rcpt.Any(r => r.StartsWith('2'))) return (rcpt, null);
        await SayAsync("DATA");
        var data = await SayAsync($"{report.Replace("\r\n.", "\r\n..", StringComparison.Ordinal)}\r\n.");
        await SayAsync("QUIT");
        return (rcpt, data);

        async Task<string> SayAsync(string line)
        {
            await stream.WriteAsync(Encoding.UTF8.GetBytes($"{line}\r\n"));
            return await ReplyAsync();
        }

        async Task<string> ReplyAsync()
        {
            while (true)
            {
                var line = await reader.ReadLineAsync() ?? throw new IOException("The listener hung up.");
                if (line.Length < 4 || line[3] != '-') return line;
            }
        }
    }

    static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
