using System.Net;
using System.Net.Http.Headers;
using System.Text;

namespace EmailApi.Benchmarks;

/// <summary>Addresses in no order, as they come from another system, made while they are sent.</summary>
sealed class SuppressionLines : HttpContent
{
    readonly int count;

    public SuppressionLines(int count)
    {
        this.count = count;
        Headers.ContentType = new MediaTypeHeaderValue("text/csv");
    }

    protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
    {
        await using var writer = new StreamWriter(stream, new UTF8Encoding(false), 1 << 16, leaveOpen: true);
        await writer.WriteAsync("email,reason\r\n");
        for (var i = 0; i < count; i++) await writer.WriteAsync($"{(uint)(i * 2654435761):x8}.customer{i}@example.com,unknown_user\r\n");
    }

    protected override bool TryComputeLength(out long length)
    {
        length = 0;
        return false;
    }
}
