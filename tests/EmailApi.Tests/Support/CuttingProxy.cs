using System.Net;
using System.Net.Sockets;

namespace EmailApi.Tests.Support;

/// <summary>A way to an HTTP server on which answers get lost: the request arrives, and in place of its answer the connection breaks.</summary>
sealed class CuttingProxy : IAsyncDisposable
{
    readonly IPEndPoint server;
    readonly TcpListener listener = new(IPAddress.Loopback, 0);
    readonly Task accepting;
    int answersToLose;

    CuttingProxy(Uri server)
    {
        this.server = new(IPAddress.Parse(server.Host), server.Port);
        listener.Start();
        accepting = AcceptAsync();
    }

    public Uri Address => new($"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}");

    public static CuttingProxy Start(Uri server) => new(server);

    /// <summary>Loses so many of the next answers.</summary>
    public void LoseAnswers(int count) => Interlocked.Exchange(ref answersToLose, count);

    /// <summary>Answers still to be lost.</summary>
    public int Left => Math.Max(0, Volatile.Read(ref answersToLose));

    public async ValueTask DisposeAsync()
    {
        listener.Dispose();
        await accepting;
    }

    async Task AcceptAsync()
    {
        await Task.Yield();
        try
        {
            while (true) _ = ServeAsync(await listener.AcceptSocketAsync());
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException or InvalidOperationException)
        {
            // Stopped, maybe between two accepts.
        }
    }

    async Task ServeAsync(Socket client)
    {
        using var upstream = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        using (client)
        {
            client.NoDelay = true;
            await upstream.ConnectAsync(server);
            await Task.WhenAny(PumpAsync(client, upstream, isAnswer: false), PumpAsync(upstream, client, isAnswer: true));
        }
    }

    async Task PumpAsync(Socket from, Socket to, bool isAnswer)
    {
        try
        {
            var buffer = new byte[64 * 1024];
            while (await from.ReceiveAsync(buffer) is var count and > 0)
            {
                if (isAnswer && Interlocked.Decrement(ref answersToLose) >= 0)
                {
                    to.Shutdown(SocketShutdown.Both);   // an orderly end: a reset is no test for what HttpClient does by itself
                    return;
                }

                await to.SendAsync(buffer.AsMemory(0, count));
            }
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException)
        {
            // Cut.
        }
    }
}
