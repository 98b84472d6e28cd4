using System.Net.Sockets;
using System.Text;

namespace EmailApi.Benchmarks;

/// <summary>An SMTP server that keeps each mail in a file of its own, dots unstuffed, and never has one in memory.</summary>
/// <param name="folder">Where the mails go: <c>0.eml</c> and on.</param>
sealed class KeepingSink(string folder) : Sink
{
    const int BufferBytes = 256 * 1024;

    int begun, kept;

    /// <summary>Mails whose final dot was answered.</summary>
    public int Count => Volatile.Read(ref kept);

    protected override async Task TalkAsync(NetworkStream stream)
    {
        var buffer = new byte[BufferBytes];
        var length = 0;
        await ReplyAsync("220 sink.example ESMTP\r\n");
        while (await LineAsync() is { } verb)
        {
            await ReplyAsync(verb switch
            {
                "EHLO" => Offers,
                "DATA" => "354 go on\r\n",
                "QUIT" => "221 2.0.0 bye\r\n",
                _ => "250 2.0.0 ok\r\n",
            });
            if (verb != "DATA") continue;
            await KeepAsync();
            Interlocked.Increment(ref kept);
            await ReplyAsync("250 2.0.0 kept\r\n");
        }

        ValueTask ReplyAsync(string reply) => stream.WriteAsync(Encoding.ASCII.GetBytes(reply), Stopping);

        async Task<bool> FillAsync()
        {
            var read = await stream.ReadAsync(buffer.AsMemory(length), Stopping);
            length += read;
            return read > 0;
        }

        void Drop(int count)
        {
            buffer.AsSpan(count, length - count).CopyTo(buffer);
            length -= count;
        }

        async Task<string?> LineAsync()
        {
            int end;
            while ((end = buffer.AsSpan(0, length).IndexOf("\r\n"u8)) < 0)
                if (!await FillAsync()) return null;
            var verb = Encoding.ASCII.GetString(buffer, 0, Math.Min(end, 4)).ToUpperInvariant();
            Drop(end + 2);
            return verb;
        }

        async Task KeepAsync()
        {
            await using var file = File.Create(Path.Combine(folder, $"{Interlocked.Increment(ref begun) - 1}.eml"), BufferBytes);
            for (var isLineStart = true; ;)
            {
                if (isLineStart)
                {
                    while (length < 3) await MoreAsync();
                    if (buffer.AsSpan(0, 3).SequenceEqual(".\r\n"u8)) break;
                    if (buffer[0] == '.') Drop(1);
                }

                var lineEnd = buffer.AsSpan(0, length).IndexOf("\r\n."u8);
                isLineStart = lineEnd >= 0;
                var whole = isLineStart ? lineEnd + 2 : Math.Max(0, length - 2);   // the last two may begin a line's end
                await file.WriteAsync(buffer.AsMemory(0, whole), Stopping);
                Drop(whole);
                if (!isLineStart) await MoreAsync();
            }

            Drop(3);
        }

        async Task MoreAsync()
        {
            if (!await FillAsync()) throw new IOException("The client has gone in the middle of a mail.");
        }
    }
}
