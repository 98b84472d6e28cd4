using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Options;

namespace EmailApi.Http.Outbound;

/// <summary>A host's address is not one that may be reached.</summary>
public sealed class AddressRefusedException() : Exception("the host leads into a network that is not public");

/// <summary>What the other side answered.</summary>
/// <param name="RetryAfter">How long it asks to be left alone; null: it does not.</param>
/// <param name="Beginning">Of the body, at most as many bytes as were asked for.</param>
public sealed record GuardedAnswer(int Status, TimeSpan? RetryAfter, byte[] Beginning);

/// <summary>The one client for everything that is fetched for a user. It resolves a name itself, looks at every address of the answer, and connects to those very addresses, so that
/// nothing can change between the look and the connection; TLS is for the name. It follows no redirect, uses no proxy, keeps no cookie, decompresses nothing and reads no more than it was
/// asked to. Private networks are reached only where the settings name them.</summary>
public sealed class GuardedClient : IDisposable
{
    /// <summary>With TLS. A connection that is being made outlives the request that wanted it.</summary>
    static readonly TimeSpan ConnectWithin = TimeSpan.FromSeconds(10);
    /// <summary>To one of several addresses: the next must have its turn within the call's time.</summary>
    static readonly TimeSpan ConnectOneWithin = TimeSpan.FromSeconds(4);
    static readonly TimeSpan ResolveWithin = TimeSpan.FromSeconds(4);

    readonly IReadOnlyList<IPNetwork> allowed;
    readonly Func<string, CancellationToken, Task<IPAddress[]>> resolve;
    readonly TimeProvider clock;
    readonly HttpMessageInvoker http;

    public GuardedClient(IOptions<AppOptions> options, TimeProvider clock)
        : this([.. options.Value.Webhooks.AllowedNetworks.Select(IPNetwork.Parse)], Dns.GetHostAddressesAsync, clock) { }

    /// <param name="allowed">Networks that may be reached although they are not public.</param>
    internal GuardedClient(IReadOnlyList<IPNetwork> allowed, Func<string, CancellationToken, Task<IPAddress[]>> resolve, TimeProvider clock)
    {
        (this.allowed, this.resolve, this.clock) = (allowed, resolve, clock);
        http = new(new SocketsHttpHandler
        {
            ConnectCallback = ConnectAsync,
            ConnectTimeout = ConnectWithin,
            AllowAutoRedirect = false,
            UseProxy = false,
            UseCookies = false,
            AutomaticDecompression = DecompressionMethods.None,
            Credentials = null,
            PreAuthenticate = false,
            MaxResponseHeadersLength = 16,   // KB
            MaxResponseDrainSize = 0,   // a connection with more to read is closed
            PooledConnectionLifetime = TimeSpan.FromMinutes(2),   // then the name is looked up anew
            PooledConnectionIdleTimeout = TimeSpan.FromSeconds(30),
        });
    }

    /// <summary>Whether a host may not be reached, as far as is known now: each request looks again.</summary>
    /// <returns>False also when the name does not resolve.</returns>
    public async Task<bool> IsRefusedAsync(Uri url, CancellationToken cancel)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        limit.CancelAfter(ResolveWithin);
        try
        {
            await AddressesAsync(url.IdnHost, limit.Token);
            return false;
        }
        catch (AddressRefusedException)
        {
            return true;
        }
        catch (Exception error) when (error is SocketException or ArgumentException or OperationCanceledException && !cancel.IsCancellationRequested)
        {
            return false;
        }
    }

    /// <summary>Sends a request and reads the beginning of the answer. What is known of it when the body breaks off or the time is over still counts.</summary>
    /// <param name="keep">Bytes of the answer's body that are read.</param>
    /// <param name="cancel">The time for all of it.</param>
    /// <exception cref="HttpRequestException">No answer came; the cause is in it, an <see cref="AddressRefusedException"/> among others.</exception>
    /// <exception cref="OperationCanceledException">The time was over before an answer began, or no connection came about in 10 s.</exception>
    public async Task<GuardedAnswer> SendAsync(HttpRequestMessage request, int keep, CancellationToken cancel)
    {
        using var answer = await http.SendAsync(request, cancel);
        return new((int)answer.StatusCode, RetryAfterOf(answer), await BeginningAsync(answer.Content, keep, cancel));
    }

    public void Dispose() => http.Dispose();

    TimeSpan? RetryAfterOf(HttpResponseMessage answer) => answer.Headers.RetryAfter switch
    {
        { Delta: { } wait } => wait,
        { Date: { } date } when date - clock.GetUtcNow() is var wait && wait > TimeSpan.Zero => wait,
        _ => null,
    };

    static async Task<byte[]> BeginningAsync(HttpContent content, int keep, CancellationToken cancel)
    {
        var (bytes, read) = (new byte[keep], 0);
        try
        {
            await using var body = await content.ReadAsStreamAsync(cancel);
            read = await FillAsync(body);
        }
        catch (Exception error) when (error is HttpRequestException or IOException or OperationCanceledException)
        {
            // The status has said what counts.
        }

        return bytes[..read];

        async Task<int> FillAsync(System.IO.Stream body)
        {
            while (read < keep && await body.ReadAsync(bytes.AsMemory(read), cancel) is var more and > 0) read += more;
            return read;
        }
    }

    async ValueTask<System.IO.Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancel)
    {
        var addresses = await AddressesAsync(context.DnsEndPoint.Host, cancel);
        for (var i = 0; ; i++)
        {
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancel);
            var isLast = i == addresses.Length - 1;
            if (!isLast) limit.CancelAfter(ConnectOneWithin);
            var socket = new Socket(addresses[i].AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            try
            {
                await socket.ConnectAsync(addresses[i], context.DnsEndPoint.Port, limit.Token);
                return new NetworkStream(socket, ownsSocket: true);
            }
            catch (Exception error)
            {
                socket.Dispose();
                if (isLast || cancel.IsCancellationRequested || error is not (SocketException or OperationCanceledException)) throw;
            }
        }
    }

    /// <summary>The addresses of a host, each of which may be reached: one that may not refuses them all, as nobody knows which would be taken.</summary>
    /// <exception cref="AddressRefusedException">One may not.</exception>
    async Task<IPAddress[]> AddressesAsync(string host, CancellationToken cancel)
    {
        // An address with a dot at its end is a name to Uri, and may be none to the resolver.
        var addresses = IPAddress.TryParse(host.Trim('[', ']').TrimEnd('.'), out var literal) ? [literal] : await resolve(host, cancel).WaitAsync(cancel);
        if (addresses.Length == 0) throw new SocketException((int)SocketError.HostNotFound);
        return Array.TrueForAll(addresses, MayReach) ? Array.ConvertAll(addresses, AddressRules.Plain) : throw new AddressRefusedException();
    }

    bool MayReach(IPAddress address) => AddressRules.IsPublic(address) || AddressRules.Plain(address) is var plain && allowed.Any(n => n.Contains(plain));
}
