using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using EmailApi.Benchmarks.Servers;

namespace EmailApi.Benchmarks;

/// <summary>POSTs mails over kept connections, each with an idempotency key of its own. Bare sockets and ready-made bytes: the client shares the machine with what it measures.</summary>
sealed class Load
{
    /// <summary>Characters of the body: with its header a mail of 2 KB.</summary>
    public const int TextLength = 1800;
    const string NumberMark = "0000000000";

    readonly int port;
    readonly byte[] request;
    readonly List<int> numberAt = [];
    int posted;

    /// <param name="attachmentLength">Bytes of an attachment; 0: none.</param>
    public Load(int port, int attachmentLength = 0)
    {
        this.port = port;
        var line = "The quick brown fox jumps over the lazy dog, again and again.\n";
        var text = string.Concat(Enumerable.Repeat(line, TextLength / line.Length + 1))[..TextLength];
        var mail = new Dictionary<string, object>
        {
            ["from"] = "Shop <orders@shop.example>",
            ["to"] = $"customer-{NumberMark}@example.com",
            ["subject"] = $"Order {NumberMark}",
            ["text"] = text,
        };
        if (attachmentLength > 0) mail["attachments"] = new[] { new { filename = "invoice.pdf", content = Convert.ToBase64String(RandomNumberGenerator.GetBytes(attachmentLength)) } };
        var body = JsonSerializer.SerializeToUtf8Bytes(mail);
        var head = Encoding.ASCII.GetBytes($"POST /v1/emails HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {EmailApiServer.Key}\r\n"
            + $"Idempotency-Key: {Guid.NewGuid():n}-{NumberMark}\r\nContent-Type: application/json\r\nContent-Length: {body.Length}\r\n\r\n");
        request = [.. head, .. body];
        var mark = Encoding.ASCII.GetBytes(NumberMark);
        for (var from = 0; request.AsSpan(from).IndexOf(mark) is var found and >= 0; from += found + mark.Length) numberAt.Add(from + found);
    }

    /// <summary>Sends so many mails with so many clients at once. Their numbers go on after those before: a number again would be the same key, and no mail.</summary>
    /// <param name="perSecond">No more than these, evenly; null: as fast as they are answered.</param>
    /// <returns>How long each took, ms, ascending.</returns>
    /// <exception cref="CannotRunException">An answer was not 202.</exception>
    public async Task<double[]> PostAsync(int mails, int clients, CancellationToken cancel, double? perSecond = null)
    {
        var took = new double[mails];
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        stop.CancelAfter(TimeSpan.FromMinutes(5) + TimeSpan.FromSeconds(mails / perSecond ?? 0));
        var (first, next, begun) = (posted, 0, Stopwatch.GetTimestamp());
        posted += mails;
        await Task.WhenAll(Enumerable.Range(0, clients).Select(_ => Task.Run(async () =>
        {
            using var client = new Client(this);
            await client.ConnectAsync(stop.Token);
            while (Interlocked.Increment(ref next) is var number && number <= mails)
            {
                if (perSecond is { } rate && TimeSpan.FromSeconds(number / rate) - Stopwatch.GetElapsedTime(begun) is var early && early > TimeSpan.FromMilliseconds(1)) await Task.Delay(early, stop.Token);
                var start = Stopwatch.GetTimestamp();
                await client.PostAsync(first + number, stop.Token);
                took[number - 1] = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
            }
        }, stop.Token)));
        Array.Sort(took);
        return took;
    }

    /// <summary>One connection.</summary>
    public sealed class Client(Load load) : IDisposable
    {
        readonly Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        readonly byte[] request = [.. load.request];
        readonly byte[] answer = new byte[16 * 1024];

        public ValueTask ConnectAsync(CancellationToken cancel) => socket.ConnectAsync(new IPEndPoint(IPAddress.Loopback, load.port), cancel);

        public async Task PostAsync(int number, CancellationToken cancel)
        {
            foreach (var at in load.numberAt) number.TryFormat(request.AsSpan(at, NumberMark.Length), out _, "D10", CultureInfo.InvariantCulture);
            await socket.SendAsync(request, cancel);
            var length = 0;
            do
            {
                var read = await socket.ReceiveAsync(answer.AsMemory(length), cancel);
                if (read == 0) throw new CannotRunException("EmailApi closed the connection.");
                length += read;
            } while (!IsWhole(answer.AsSpan(0, length)));

            if (!answer.AsSpan(0, length).StartsWith("HTTP/1.1 202"u8)) throw new CannotRunException($"EmailApi answered: {Encoding.UTF8.GetString(answer, 0, length)}");
        }

        public void Dispose() => socket.Dispose();

        static bool IsWhole(ReadOnlySpan<byte> answer)
        {
            var head = answer.IndexOf("\r\n\r\n"u8);
            if (head < 0) return false;
            var field = answer[..head].IndexOf("Content-Length: "u8);
            if (field < 0) return answer.EndsWith("0\r\n\r\n"u8);   // chunked
            var digits = answer[(field + 16)..];
            return answer.Length >= head + 4 + int.Parse(digits[..digits.IndexOf((byte)'\r')], CultureInfo.InvariantCulture);
        }
    }
}
