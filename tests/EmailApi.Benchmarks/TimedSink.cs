using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Threading.Channels;

namespace EmailApi.Benchmarks;

/// <summary>The least SMTP server there can be. It notes when it answers each final dot.</summary>
sealed class TimedSink : IAsyncDisposable
{
    readonly TcpListener listener = new(IPAddress.Loopback, 0);
    readonly CancellationTokenSource stopping = new();
    readonly Channel<long> taken = Channel.CreateUnbounded<long>();
    readonly Task accepting;

    public TimedSink()
    {
        listener.Start();
        Port = ((IPEndPoint)listener.LocalEndpoint).Port;
        accepting = AcceptAsync();
    }

    public int Port { get; }

    /// <summary>Timestamps of the replies to the dots, in order.</summary>
    public ChannelReader<long> Taken => taken.Reader;

    public async ValueTask DisposeAsync()
    {
        await stopping.CancelAsync();
        listener.Stop();
        await accepting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        listener.Dispose();
        stopping.Dispose();
    }

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
        using var closing = socket;
        await using var stream = new NetworkStream(socket);
        var buffer = new byte[64 * 1024];
        var (length, isData) = (0, false);
        try
        {
            await stream.WriteAsync("220 sink.example ESMTP\r\n"u8.ToArray(), stopping.Token);
            while (await stream.ReadAsync(buffer.AsMemory(length), stopping.Token) is var read and > 0)
            {
                length += read;
                while (Next(buffer.AsSpan(0, length), isData) is { End: > 0 } next)
                {
                    if (isData) taken.Writer.TryWrite(Stopwatch.GetTimestamp());
                    await stream.WriteAsync(next.Reply, stopping.Token);
                    isData = next.StartsData;
                    buffer.AsSpan(next.End, length - next.End).CopyTo(buffer);
                    length -= next.End;
                }
            }
        }
        catch (Exception e) when (e is IOException or OperationCanceledException)
        {
            // The client or the benchmark has ended.
        }
    }

    static (int End, ReadOnlyMemory<byte> Reply, bool StartsData) Next(ReadOnlySpan<byte> bytes, bool isData)
    {
        if (isData) return (bytes.IndexOf("\r\n.\r\n"u8) is var dot and >= 0 ? dot + 5 : 0, "250 2.0.0 taken\r\n"u8.ToArray(), false);
        var end = bytes.IndexOf("\r\n"u8) + 2;
        if (end < 2) return default;
        return bytes[..end] switch
        {
            var line when line.StartsWith("EHLO"u8) => (end, "250-sink.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES\r\n"u8.ToArray(), false),
            var line when line.StartsWith("DATA"u8) => (end, "354 go on\r\n"u8.ToArray(), true),
            var line when line.StartsWith("QUIT"u8) => (end, "221 2.0.0 bye\r\n"u8.ToArray(), false),
            _ => (end, "250 2.0.0 ok\r\n"u8.ToArray(), false),
        };
    }
}
