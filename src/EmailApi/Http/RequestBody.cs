using System.Buffers;
using System.Reflection;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace EmailApi.Http;

/// <summary>A JSON body, read whole, with the fingerprint that idempotency compares.</summary>
/// <param name="Fingerprint">SHA-256 of method, path with query, and body.</param>
public sealed record RequestBody<T>(T Value, byte[] Fingerprint) where T : class
{
    /// <summary>Called by minimal APIs to make the parameter.</summary>
    public static async ValueTask<RequestBody<T>> BindAsync(HttpContext http, ParameterInfo _)
    {
        var type = (JsonTypeInfo<T>)ApiJson.Wire.GetTypeInfo(typeof(T))!;
        using var bytes = await RequestBytes.ReadAsync(http);
        try
        {
            var value = JsonSerializer.Deserialize(bytes.Memory.Span, type)
                ?? throw new ProblemException(ProblemKind.MalformedJson, "The body is null.");
            return new(value, HashOf(http.Request, bytes.Memory.Span));
        }
        catch (JsonException error)
        {
            var pointer = JsonPointer.Of(error.Path);
            throw new ProblemException(ProblemKind.MalformedJson, Explain(error),
                pointer is "#" ? null : [new(pointer, "wrong_type", Explain(error))], error);
        }
    }

    static byte[] HashOf(HttpRequest request, ReadOnlySpan<byte> body)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Encoding.UTF8.GetBytes($"{request.Method} {request.Path}{request.QueryString}\n"));
        hash.AppendData(body);
        return hash.GetHashAndReset();
    }

    static string Explain(JsonException error)
    {
        // Messages of ours end with a full stop of their own; the serializer's carry a "Path: …" tail with names of .NET types.
        var message = error.Message;
        if (message.StartsWith("The JSON value could not be converted", StringComparison.Ordinal)) message = "The value has the wrong type.";
        if (message.StartsWith("Duplicate property", StringComparison.Ordinal)) message = "A property stands twice.";
        var tail = message.IndexOf(" Path: ", StringComparison.Ordinal);
        if (tail > 0) message = message[..tail];
        return error.LineNumber is { } line ? $"{message} (line {line + 1}, byte {error.BytePositionInLine + 1})" : message;
    }
}

/// <summary>Reads a body into one buffer. Large ones take turns, so that fifty at once do not take fifty times the memory.</summary>
static class RequestBytes
{
    const int LargeBytes = 1 << 20;
    static readonly SemaphoreSlim LargeTurns = new(4);

    public static async Task<Owner> ReadAsync(HttpContext http)
    {
        var request = http.Request;
        if (!request.HasJsonContentType())
            throw new ProblemException(ProblemKind.UnsupportedMediaType, "Send the body as application/json.");
        if (request.Headers.ContentEncoding.Count > 0 && request.Headers.ContentEncoding != "identity")
            throw new ProblemException(ProblemKind.UnsupportedMediaType, "Send the body without a Content-Encoding.");

        var limit = http.Features.Get<Microsoft.AspNetCore.Http.Features.IHttpMaxRequestBodySizeFeature>()?.MaxRequestBodySize;
        if (request.ContentLength > limit) throw new ProblemException(ProblemKind.TooLarge, ProblemWriter.TooLargeDetail);

        var isLarge = false;
        var reader = request.BodyReader;
        while (true)
        {
            var read = await reader.ReadAsync(http.RequestAborted);
            if (read.IsCompleted)
            {
                var length = (int)read.Buffer.Length;
                var owner = new Owner(ArrayPool<byte>.Shared.Rent(Math.Max(length, 1)), length);
                read.Buffer.CopyTo(owner.Memory.Span);
                reader.AdvanceTo(read.Buffer.End);
                owner.SkipByteOrderMark();
                return owner;
            }

            var isGrown = read.Buffer.Length > LargeBytes;
            reader.AdvanceTo(read.Buffer.Start, read.Buffer.End);
            if (isLarge || !isGrown) continue;

            await LargeTurns.WaitAsync(http.RequestAborted);
            http.Response.RegisterForDispose(new Turn());   // until the answer: the decoded copies live that long
            isLarge = true;
        }
    }

    sealed class Turn : IDisposable
    {
        public void Dispose() => LargeTurns.Release();
    }

    public sealed class Owner(byte[] rented, int length) : IDisposable
    {
        int start;

        public Memory<byte> Memory => rented.AsMemory(start, length - start);

        public void SkipByteOrderMark()
        {
            if (Memory.Span.StartsWith(Encoding.UTF8.Preamble)) start = Encoding.UTF8.Preamble.Length;
        }

        public void Dispose() => ArrayPool<byte>.Shared.Return(rented);
    }
}
