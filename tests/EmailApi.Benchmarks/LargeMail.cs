using System.Buffers.Text;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;

namespace EmailApi.Benchmarks;

/// <summary>A request with one large attachment of bytes that its number alone gives: made while it is sent, and made again to compare, so that none is ever in memory.</summary>
sealed class LargeMail : HttpContent
{
    const int Chunk = 48 * 1024;   // divisible by 3: chunks of base64 follow each other without padding
    const int EncodedChunk = Chunk / 3 * 4;

    readonly int number, bytes;
    readonly byte[] head, tail;

    /// <param name="bytes">Of the attachment, decoded.</param>
    public LargeMail(int number, int bytes)
    {
        (this.number, this.bytes) = (number, bytes);
        head = Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture,
            $$"""{"from": "orders@shop.example", "to": "customer{{number}}@example.com", "subject": "{{SubjectOf(number)}}", "text": "See the file.", "attachments": [{"filename": "scan.bin", "content": """) + "\"");
        tail = "\"}]}"u8.ToArray();
        Headers.ContentType = new MediaTypeHeaderValue("application/json");
    }

    public static string SubjectOf(int number) => string.Create(CultureInfo.InvariantCulture, $"Scan {number}");

    /// <returns>SHA-256 of the attachment, decoded.</returns>
    public static byte[] HashOf(int number, int bytes)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var part in Parts(number, bytes)) hash.AppendData(part.Span);
        return hash.GetHashAndReset();
    }

    protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
    {
        await stream.WriteAsync(head);
        var encoded = new byte[EncodedChunk];
        foreach (var part in Parts(number, bytes))
        {
            Base64.EncodeToUtf8(part.Span, encoded, out _, out var written);
            await stream.WriteAsync(encoded.AsMemory(0, written));
        }

        await stream.WriteAsync(tail);
    }

    protected override bool TryComputeLength(out long length)
    {
        length = head.Length + Base64.GetMaxEncodedToUtf8Length(bytes) + tail.Length;
        return true;
    }

    static IEnumerable<ReadOnlyMemory<byte>> Parts(int number, int bytes)
    {
        var (random, part) = (new Random(number), new byte[Chunk]);
        for (var left = bytes; left > 0; left -= Chunk)
        {
            random.NextBytes(part);
            yield return part.AsMemory(0, Math.Min(left, Chunk));
        }
    }
}
