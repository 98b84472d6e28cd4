using System.Net;
using EmailApi.Http.Outbound;

namespace EmailApi.Tests.Http.Outbound;

/// <summary>What must never be called for a user, in every spelling that a URL takes.</summary>
public sealed class AddressRulesTests
{
    public static readonly TheoryData<string> Refused =
    [
        // loopback, however it is written
        "127.0.0.1", "127.0.0.1:25", "127.1", "127.255.255.254", "2130706433", "0x7f000001", "0x7f.1", "0x7F.0x0.0x0.0x1", "017700000001", "0177.0.0.1", "0177.0x0.0.1", "127.0.0.1.", "localhost", "LOCALHOST",
        "localhost.", "１２７.０.０.１", "127。0。0。1", "①②⑦.0.0.1", "%31%32%37.0.0.1", "[::1]", "[0:0:0:0:0:0:0:1]", "[::0001]",
        // nobody, everybody
        "0.0.0.0", "0", "0.1.2.3", "[::]", "255.255.255.255", "224.0.0.1", "239.255.255.250", "240.0.0.1", "[ff02::1]", "[ff0e::1]",
        // private, shared, link-local, metadata
        "10.0.0.1", "10.255.255.255", "167772161", "172.16.0.1", "172.31.255.255", "192.168.0.1", "0xc0a80001", "100.64.0.1", "100.127.255.255", "100.100.100.200", "169.254.169.254", "0xa9fea9fe", "2852039166", "0251.0376.0251.0376",
        "169.254.170.2", "168.63.129.16", "192.0.0.192", "[fd00:ec2::254]", "[fc00::1]", "[fdff::1]", "[fe80::1]", "[fe80::1%25eth0]", "[febf::1]", "[fec0::1]",
        // documentation, benchmarks, assignments
        "192.0.2.1", "198.51.100.1", "203.0.113.1", "198.18.0.1", "198.19.255.255", "192.0.0.1", "192.88.99.1", "192.175.48.1", "[2001:db8::1]", "[3fff::1]", "[100::1]", "[5f00::1]", "[4000::1]",
        // IPv4 inside IPv6: mapped, compatible, translated, NAT64, 6to4, Teredo, ISATAP
        "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::ffff:a9fe:a9fe]", "[::ffff:10.0.0.1]", "[::127.0.0.1]", "[::ffff:0:127.0.0.1]", "[64:ff9b::127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b:1::1]", "[2002:7f00:1::]", "[2002:c0a8:1::1]",
        "[2001:0:7f00:1::]", "[2001:20::1]", "[2a00:1450::5efe:127.0.0.1]", "[2a00:1450::200:5efe:7f00:1]",
    ];

    [Theory]
    [MemberData(nameof(Refused))]
    public async Task Of_what_is_not_public_no_spelling_passes(string host)
    {
        using var client = new GuardedClient([], Resolve, TimeProvider.System);

        // One that is no URL at all is refused before.
        if (!Uri.TryCreate($"http://{host}/hook", UriKind.Absolute, out var url)) return;
        if (await client.IsRefusedAsync(url, CancellationToken.None)) return;
        var error = await Assert.ThrowsAsync<HttpRequestException>(() => client.SendAsync(new(HttpMethod.Post, url), 1, CancellationToken.None));
        Assert.IsType<System.Net.Sockets.SocketException>(error.GetBaseException());   // a name that nobody has

        static Task<IPAddress[]> Resolve(string name, CancellationToken cancel) => Dns.GetHostAddressesAsync(name, cancel);
    }

    [Theory]
    [InlineData("1.1.1.1")]
    [InlineData("8.8.8.8")]
    [InlineData("11.0.0.1")]
    [InlineData("100.63.255.255")]
    [InlineData("100.128.0.1")]
    [InlineData("172.15.255.255")]
    [InlineData("172.32.0.1")]
    [InlineData("192.0.1.1")]
    [InlineData("198.17.255.255")]
    [InlineData("223.255.255.255")]
    [InlineData("::ffff:8.8.8.8")]
    [InlineData("2001:4860:4860::8888")]
    [InlineData("2606:4700:4700::1111")]
    [InlineData("2a00:1450:4001:80b::200e")]
    public void What_is_public_passes(string address) => Assert.True(AddressRules.IsPublic(IPAddress.Parse(address)));
}
