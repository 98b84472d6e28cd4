using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using EmailApi.Http.Outbound;
using EmailApi.Tests.Support;
using Microsoft.AspNetCore.Http;

namespace EmailApi.Tests.Http.Outbound;

public sealed class GuardedClientTests
{
    static readonly IPNetwork Loopback = IPNetwork.Parse("127.0.0.0/8");

    static GuardedClient Client(Func<string, IPAddress[]> resolve, params IPNetwork[] allowed) =>
        new(allowed, (host, _) => Task.FromResult(resolve(host)), TimeProvider.System);

    static HttpRequestMessage Post(string url) => new(HttpMethod.Post, url) { Content = new StringContent("{}") };

    static Task<GuardedAnswer> SendAsync(GuardedClient client, string url, int keep = 4096) => client.SendAsync(Post(url), keep, CancellationToken.None);

    [Fact]
    public async Task It_connects_to_the_address_that_it_looked_at_and_the_host_stays_the_names()
    {
        await using var receiver = await WebhookReceiver.StartAsync();
        using var client = Client(_ => [IPAddress.Loopback], Loopback);

        var answer = await SendAsync(client, $"http://hooks.example:{receiver.Port}/a");

        Assert.Equal(200, answer.Status);
        Assert.Equal($"hooks.example:{receiver.Port}", Assert.Single(receiver.Calls).Headers["host"]);
    }

    [Fact]
    public async Task TLS_is_for_the_name_and_a_certificate_that_nobody_signed_is_refused()
    {
        using var key = RSA.Create(2048);
        using var made = new CertificateRequest("CN=hooks.example", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1).CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        using var client = Client(_ => [IPAddress.Loopback], Loopback);

        var asked = AskedForAsync();
        var error = await Assert.ThrowsAsync<HttpRequestException>(() => SendAsync(client, $"https://hooks.example:{((IPEndPoint)listener.LocalEndpoint).Port}/"));

        Assert.Equal("hooks.example", await asked.WaitAsync(TimeSpan.FromSeconds(20)));
        Assert.IsType<AuthenticationException>(error.GetBaseException());

        async Task<string?> AskedForAsync()
        {
            string? name = null;
            using var socket = await listener.AcceptTcpClientAsync();
            await using var tls = new SslStream(socket.GetStream());
            try
            {
                await tls.AuthenticateAsServerAsync((_, hello, _, _) =>
                {
                    name = hello.ServerName;
                    return new(new SslServerAuthenticationOptions { ServerCertificate = made });
                }, null);
                await tls.ReadExactlyAsync(new byte[1]);
            }
            catch (Exception refused) when (refused is IOException or AuthenticationException)
            {
                // As it should be.
            }

            return name;
        }
    }

    [Theory]
    [InlineData("1.1.1.1", "127.0.0.1")]
    [InlineData("127.0.0.1", "1.1.1.1")]
    [InlineData("2606:4700:4700::1111", "::ffff:10.0.0.1")]
    [InlineData("169.254.169.254")]
    public async Task One_address_that_may_not_be_reached_refuses_them_all(params string[] addresses)
    {
        using var client = Client(_ => Array.ConvertAll(addresses, IPAddress.Parse));

        var error = await Assert.ThrowsAsync<HttpRequestException>(() => SendAsync(client, "http://mixed.example/"));

        Assert.IsType<AddressRefusedException>(error.GetBaseException());
        Assert.True(await client.IsRefusedAsync(new("http://mixed.example/"), CancellationToken.None));
    }

    [Fact]
    public async Task A_name_that_is_public_when_looked_at_and_private_when_called_is_refused()
    {
        await using var receiver = await WebhookReceiver.StartAsync();
        var looks = 0;
        using var client = Client(_ => looks++ == 0 ? [IPAddress.Parse("1.1.1.1")] : [IPAddress.Loopback]);
        var url = $"http://rebound.example:{receiver.Port}/";

        var atFirst = await client.IsRefusedAsync(new(url), CancellationToken.None);
        var error = await Assert.ThrowsAsync<HttpRequestException>(() => SendAsync(client, url));

        Assert.False(atFirst);
        Assert.IsType<AddressRefusedException>(error.GetBaseException());
        Assert.Empty(receiver.Calls);
    }

    [Fact]
    public async Task A_network_that_is_named_may_be_reached_and_no_other()
    {
        await using var receiver = await WebhookReceiver.StartAsync();
        using var client = Client(_ => [IPAddress.Parse("::ffff:127.0.0.1")], Loopback);
        using var other = Client(_ => [IPAddress.Loopback], IPNetwork.Parse("10.0.0.0/8"));

        Assert.Equal(200, (await SendAsync(client, receiver.Url())).Status);
        Assert.Equal(200, (await SendAsync(client, $"http://mapped.example:{receiver.Port}/")).Status);
        await Assert.ThrowsAsync<HttpRequestException>(() => SendAsync(other, receiver.Url()));
        Assert.True(await client.IsRefusedAsync(new("http://[::1]/"), CancellationToken.None));
    }

    [Fact]
    public async Task A_redirect_is_an_answer_and_not_followed()
    {
        await using var receiver = await WebhookReceiver.StartAsync();
        receiver.OnCall = WebhookReceiver.Answer(302, "", ("Location", "http://169.254.169.254/latest/meta-data/"));
        using var client = Client(_ => [], Loopback);

        Assert.Equal(302, (await SendAsync(client, receiver.Url())).Status);
        Assert.Single(receiver.Calls);
    }

    [Fact]
    public async Task Of_a_body_without_end_only_the_beginning_is_read()
    {
        await using var receiver = await WebhookReceiver.StartAsync();
        var isGone = new TaskCompletionSource();
        receiver.OnCall = async (_, http) =>
        {
            http.RequestAborted.Register(isGone.SetResult);
            while (!http.RequestAborted.IsCancellationRequested) await http.Response.WriteAsync(new string('x', 1000));
        };
        using var client = Client(_ => [], Loopback);

        var answer = await SendAsync(client, receiver.Url(), keep: 100);
        await isGone.Task.WaitAsync(TimeSpan.FromSeconds(20));

        Assert.Equal(new string('x', 100), System.Text.Encoding.ASCII.GetString(answer.Beginning));
    }

    [Fact]
    public async Task The_next_address_is_tried_when_one_does_not_answer()
    {
        await using var receiver = await WebhookReceiver.StartAsync();
        using var client = Client(_ => [IPAddress.Parse("127.0.0.2"), IPAddress.Loopback], Loopback);

        Assert.Equal(200, (await SendAsync(client, $"http://two.example:{receiver.Port}/")).Status);
    }

    [Theory]
    [InlineData("7", 7)]
    [InlineData("soon", null)]
    [InlineData("-7", null)]
    public async Task Retry_After_is_read_in_seconds(string value, int? seconds)
    {
        await using var receiver = await WebhookReceiver.StartAsync();
        receiver.OnCall = WebhookReceiver.Answer(503, "", ("Retry-After", value));
        using var client = Client(_ => [], Loopback);

        Assert.Equal(seconds is { } s ? TimeSpan.FromSeconds(s) : null, (await SendAsync(client, receiver.Url())).RetryAfter);
    }

    [Fact]
    public async Task Retry_After_is_read_as_a_date()
    {
        await using var receiver = await WebhookReceiver.StartAsync();
        receiver.OnCall = WebhookReceiver.Answer(503, "", ("Retry-After", DateTimeOffset.UtcNow.AddHours(1).ToString("R")));
        using var client = Client(_ => [], Loopback);

        Assert.InRange((await SendAsync(client, receiver.Url())).RetryAfter!.Value, TimeSpan.FromMinutes(59), TimeSpan.FromMinutes(60));
    }
}
