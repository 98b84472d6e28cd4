using System.Net;
using System.Net.Sockets;

namespace EmailApi.Benchmarks;

/// <summary>A TCP server on loopback that talks SMTP by the least there can be; what becomes of a mail is its heir's.</summary>
abstract class Sink : IAsyncDisposable
{
    /// <summary>What EHLO is answered.</summary>
    protected const string Offers = "250-sink.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES\r\n";

    readonly TcpListener listener = new(IPAddress.Loopback, 0);
    readonly CancellationTokenSource stopping = new();
    readonly Task accepting;

    protected Sink()
    {
        listener.Start();
        Port = ((IPEndPoint)listener.LocalEndpoint).Port;
        accepting = AcceptAsync();
    }

    public int Port { get; }

    protected CancellationToken Stopping => stopping.Token;

    public async ValueTask DisposeAsync()
    {
        await stopping.CancelAsync();
        listener.Stop();
        await accepting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        listener.Dispose();
        stopping.Dispose();
    }

    /// <summary>One connection, until its client has ended.</summary>
    protected abstract Task TalkAsync(NetworkStream stream);

    async Task AcceptAsync()
    {
        while (true)
        {
            var socket = await listener.AcceptSocketAsync(stopping.Token);
            socket.NoDelay = true;
            _ = ServeAsync(socket);
        }
    }

    async Task ServeAsync(Socket socket)
    {
        await using var stream = new NetworkStream(socket, ownsSocket: true);
        try
        {
            await TalkAsync(stream);
        }
        catch (Exception e) when (e is IOException or OperationCanceledException)
        {
            // The client or the benchmark has ended.
        }
    }
}
