using System.Net;
using System.Net.Sockets;
using EmailApi.Projects;
using EmailApi.Tests.Support;

namespace EmailApi.Tests.Projects;

public sealed class ApiKeyAuthenticationTests(SharedApp shared) : IClassFixture<SharedApp>
{
    const string SomeId = "em_0199b1a2000070008000000000000000";

    static readonly (string Method, string Path, string Scope)[] Routes =
    [
        ("POST", "/v1/emails", "send"), ("POST", "/v1/emails/batch", "send"),
        ("GET", $"/v1/emails/{SomeId}", "read"), ("GET", $"/v1/emails/{SomeId}/events", "read"), ("GET", $"/v1/emails/{SomeId}/attempts", "read"),
        ("GET", $"/v1/emails/{SomeId}/content", "read"), ("GET", $"/v1/emails/{SomeId}/raw", "read"), ("GET", "/v1/events", "read"), ("GET", "/v1/ledger", "read"),
        ("GET", "/v1/captured", "read"), ("GET", "/v1/captured/cap_x", "read"), ("GET", "/v1/captured/cap_x/raw", "read"),
    ];

    readonly TestApp app = shared.App;

    static async Task<HttpResponseMessage> AskAsync(HttpClient client, string method, string path)
    {
        using var request = new HttpRequestMessage(new(method), path);
        if (method == "POST") request.Content = new StringContent(Json.Mail(), new System.Net.Http.Headers.MediaTypeHeaderValue("application/json"));
        return await client.SendAsync(request);
    }

    [Fact]
    public async Task Without_a_key_every_route_is_401()
    {
        using var client = app.WithKey(null);
        foreach (var (method, path, _) in Routes)
        {
            using var answer = await AskAsync(client, method, path);
            var problem = await ProblemDocument.ReadAsync(answer);

            Assert.Equal((401, "unauthorized"), (problem.Status, problem.Code));
            Assert.Equal("Bearer", Assert.Single(answer.Headers.WwwAuthenticate).Scheme);
        }

        Assert.Equal(0, await app.StoredRowsAsync());
    }

    public static TheoryData<string> WrongAuthorizations => new()
    {
        "Bearer",
        "Bearer x",
        $"Bearer {TestApp.Key}x",
        $"Bearer {TestApp.Key[..^1]}",
        $"Bearer {TestApp.Key.ToUpperInvariant()}",
        $"Bearer {ApiKeyToken.Create(KeyMode.Live).Token}",
        $"Bearer {ApiKeyToken.Create(KeyMode.Test).Token}",
        $"Bearer {new string('a', 5000)}",
        $"Bearer ek_live_bootstrap_{TestApp.Key}",
        "Bearer café",
        $"Basic {Convert.ToBase64String(System.Text.Encoding.UTF8.GetBytes($":{TestApp.Key}"))}",
        TestApp.Key,
    };

    static int lastAddress = 1;

    /// <summary>Many wrong keys from one address would be answered with 429.</summary>
    static async ValueTask<System.IO.Stream> FromAnotherAddressAsync(SocketsHttpConnectionContext context, CancellationToken cancel)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Parse($"127.0.0.{Interlocked.Increment(ref lastAddress)}"), 0));
        await socket.ConnectAsync(context.DnsEndPoint, cancel);
        return new NetworkStream(socket, ownsSocket: true);
    }

    [Theory, MemberData(nameof(WrongAuthorizations))]
    public async Task A_wrong_key_is_401(string authorization)
    {
        using var handler = new SocketsHttpHandler { RequestHeaderEncodingSelector = (_, _) => System.Text.Encoding.UTF8, ConnectCallback = FromAnotherAddressAsync };
        using var client = new HttpClient(handler) { BaseAddress = app.Http.BaseAddress };
        Assert.True(client.DefaultRequestHeaders.TryAddWithoutValidation("Authorization", authorization));

        using var answer = await AskAsync(client, "POST", "/v1/emails");
        var problem = await ProblemDocument.ReadAsync(answer);

        Assert.Equal((401, "unauthorized"), (problem.Status, problem.Code));
        Assert.Equal(0, await app.StoredRowsAsync());
    }

    [Fact]
    public async Task A_key_may_do_what_its_scopes_say_and_nothing_else()
    {
        foreach (var scope in new[] { "send", "read", "manage" })
        {
            using var client = app.WithKey(await app.AddKeyAsync($"scope-{scope}", scope));
            foreach (var (method, path, needed) in Routes.Where(r => r.Scope != scope))
            {
                using var answer = await AskAsync(client, method, path);
                var problem = await ProblemDocument.ReadAsync(answer);

                Assert.Equal((403, "forbidden"), (problem.Status, problem.Code));
                Assert.Contains(needed, problem.Detail, StringComparison.Ordinal);
            }
        }

        Assert.Equal(0, await app.StoredRowsAsync());
    }

    [Fact]
    public async Task The_key_itself_is_stored_nowhere()
    {
        var token = await app.AddKeyAsync("hashed", "read");
        using var client = app.WithKey(token);
        using var answer = await client.GetAsync("/v1/events");

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Empty(await app.TablesWithAsync(token));
        Assert.Empty(await app.TablesWithAsync(TestApp.Key));
    }
}
