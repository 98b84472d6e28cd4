using System.Collections.Concurrent;
using System.Net;
using EmailApi.Http;

namespace EmailApi.Projects;

/// <summary>Slows down an address that tries keys: after five failures in a minute it is told to come back, unless its key is one that was
/// good a moment ago. Nobody else notices.</summary>
public sealed class FailedKeys(TimeProvider clock)
{
    const int MaxFailures = 5;
    const int MaxAddresses = 100_000;
    static readonly TimeSpan Window = TimeSpan.FromMinutes(1);

    readonly ConcurrentDictionary<IPAddress, (int Count, long Since)> failures = new();

    /// <exception cref="ProblemException">429 with Retry-After.</exception>
    public void ThrowIfSlowed(IPAddress? address)
    {
        if (address is null || !failures.TryGetValue(Network(address), out var seen) || seen.Count < MaxFailures) return;
        var left = Window - clock.GetElapsedTime(seen.Since);
        if (left <= TimeSpan.Zero) return;
        throw new ProblemException(ProblemKind.TooManyFailures, "Too many wrong keys came from this address; check the key and try again later.")
        { RetryAfter = (int)Math.Ceiling(left.TotalSeconds) };
    }

    public void Add(IPAddress? address)
    {
        if (address is null) return;
        if (failures.Count >= MaxAddresses) failures.Clear();
        var now = clock.GetTimestamp();
        failures.AddOrUpdate(Network(address), _ => (1, now), (_, seen) => clock.GetElapsedTime(seen.Since, now) > Window ? (1, now) : (seen.Count + 1, seen.Since));
    }

    /// <summary>One who holds an IPv6 address holds its /64.</summary>
    static IPAddress Network(IPAddress address)
    {
        if (address.IsIPv4MappedToIPv6) return address.MapToIPv4();
        if (address.AddressFamily is not System.Net.Sockets.AddressFamily.InterNetworkV6) return address;
        var bytes = address.GetAddressBytes();
        bytes.AsSpan(8).Clear();
        return new(bytes);
    }
}
