using System.Net;
using System.Net.Sockets;

namespace EmailApi.Http.Outbound;

/// <summary>Which addresses lie on the public internet. Decided on the address itself, so that no spelling of one passes: <c>0x7f.1</c>, <c>2130706433</c> and
/// <c>::ffff:127.0.0.1</c> are all 127.0.0.1 here.</summary>
/// <remarks>IPv4: all but what the IANA special-purpose registry (RFC 6890) and multicast take out. IPv6: only global unicast (2000::/3), less what carries an IPv4 address or is
/// kept for documentation; a new kind of address is refused until it is put here.</remarks>
public static class AddressRules
{
    static readonly IPNetwork[] NotPublic4 = Networks(
        "0.0.0.0/8",   // this network
        "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16",   // RFC 1918
        "100.64.0.0/10",   // carrier-grade NAT, RFC 6598; a metadata service lives in it too
        "127.0.0.0/8",
        "168.63.129.16/32",   // public by its number, but answered by the host of a virtual machine
        "169.254.0.0/16",   // link-local, metadata services
        "192.0.0.0/24",   // protocol assignments; a metadata service lives in it too
        "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24",   // documentation
        "192.31.196.0/24", "192.52.193.0/24", "192.175.48.0/24",   // AS112, AMT
        "192.88.99.0/24",   // 6to4 relays
        "198.18.0.0/15",   // benchmarks
        "224.0.0.0/4",   // multicast
        "240.0.0.0/4");   // kept, and broadcast

    static readonly IPNetwork GlobalUnicast = IPNetwork.Parse("2000::/3");

    static readonly IPNetwork[] NotPublic6 = Networks(
        "2001::/23",   // protocol assignments: Teredo, benchmarks, ORCHID
        "2001:db8::/32", "3fff::/20",   // documentation
        "2002::/16",   // 6to4: an IPv4 address is in it
        "2620:4f:8000::/48");   // AS112

    /// <summary>False for every address that may be a machine of the server's own network, or of nobody.</summary>
    public static bool IsPublic(IPAddress address)
    {
        ArgumentNullException.ThrowIfNull(address);
        address = Plain(address);
        return address.AddressFamily switch
        {
            AddressFamily.InterNetwork => !Array.Exists(NotPublic4, n => n.Contains(address)),
            AddressFamily.InterNetworkV6 => address.ScopeId == 0 && GlobalUnicast.Contains(address) && !Array.Exists(NotPublic6, n => n.Contains(address)) && !IsIsatap(address),
            _ => false,
        };
    }

    /// <summary>An IPv4 address that was written as IPv6 (::ffff:0:0/96) as what it is.</summary>
    public static IPAddress Plain(IPAddress address) => address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;

    /// <summary>RFC 5214 §6.1: the interface is 0000:5efe or 0200:5efe and an IPv4 address, below any prefix.</summary>
    static bool IsIsatap(IPAddress address)
    {
        Span<byte> bytes = stackalloc byte[16];
        return address.TryWriteBytes(bytes, out _) && bytes[8] is 0 or 2 && bytes[9] == 0 && bytes[10] == 0x5e && bytes[11] == 0xfe;
    }

    static IPNetwork[] Networks(params string[] networks) => Array.ConvertAll(networks, IPNetwork.Parse);
}
