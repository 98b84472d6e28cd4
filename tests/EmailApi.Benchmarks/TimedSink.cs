using System.Diagnostics;
using System.Net.Sockets;
using System.Text;
using System.Threading.Channels;

namespace EmailApi.Benchmarks;

/// <summary>The least SMTP server there can be. It notes when it answers each final dot.</summary>
sealed class TimedSink : Sink
{
    static readonly byte[] Offered = Encoding.ASCII.GetBytes(Offers);

    readonly Channel<long> taken = Channel.CreateUnbounded<long>();

    /// <summary>Timestamps of the replies to the dots, in order.</summary>
    public ChannelReader<long> Taken => taken.Reader;

    protected override async Task TalkAsync(NetworkStream stream)
    {
        var buffer = new byte[64 * 1024];
        var (length, isData) = (0, false);
        await stream.WriteAsync("220 sink.example ESMTP\r\n"u8.ToArray(), Stopping);
        while (await stream.ReadAsync(buffer.AsMemory(length), Stopping) is var read and > 0)
        {
            length += read;
            while (Next(buffer.AsSpan(0, length), isData) is { End: > 0 } next)
            {
                if (isData) taken.Writer.TryWrite(Stopwatch.GetTimestamp());
                await stream.WriteAsync(next.Reply, Stopping);
                isData = next.StartsData;
                buffer.AsSpan(next.End, length - next.End).CopyTo(buffer);
                length -= next.End;
            }
        }
    }

    static (int End, ReadOnlyMemory<byte> Reply, bool StartsData) Next(ReadOnlySpan<byte> bytes, bool isData)
    {
        if (isData) return (bytes.IndexOf("\r\n.\r\n"u8) is var dot and >= 0 ? dot + 5 : 0, "250 2.0.0 taken\r\n"u8.ToArray(), false);
        var end = bytes.IndexOf("\r\n"u8) + 2;
        if (end < 2) return default;
        return bytes[..end] switch
        {
            var line when line.StartsWith("EHLO"u8) => (end, Offered, false),
            var line when line.StartsWith("DATA"u8) => (end, "354 go on\r\n"u8.ToArray(), true),
            var line when line.StartsWith("QUIT"u8) => (end, "221 2.0.0 bye\r\n"u8.ToArray(), false),
            _ => (end, "250 2.0.0 ok\r\n"u8.ToArray(), false),
        };
    }
}
