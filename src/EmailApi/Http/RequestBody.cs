using System.Buffers;
using System.IO.Pipelines;
using System.Reflection;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using System.Text.Unicode;
using EmailApi.Projects;
using Microsoft.AspNetCore.Http.Features;

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
            // The reader looks only at what it reads; what it passes over would be stored as it came.
            if (bytes.Memory.IsEmpty) throw new ProblemException(ProblemKind.MalformedJson, "The body is empty; send the JSON that the endpoint takes.");
            if (!Utf8.IsValid(bytes.Memory.Span)) throw new ProblemException(ProblemKind.MalformedJson, "The body is not UTF-8.");
            var value = JsonSerializer.Deserialize(bytes.Memory.Span, type)
                ?? throw new ProblemException(ProblemKind.MalformedJson, "The body is null; send the JSON that the endpoint takes.");
            return new(value, HashOf(http.Request, bytes.Memory.Span));
        }
        catch (JsonException error)
        {
            var fault = JsonFault.Of(error);
            var where = error.LineNumber is { } line ? $"{fault.Detail} (line {line + 1}, byte {error.BytePositionInLine + 1})" : fault.Detail;
            throw new ProblemException(ProblemKind.MalformedJson, where, fault.Pointer is "#" || JsonFault.IsNoJson(error) ? null : [fault], error);
        }
    }

    static byte[] HashOf(HttpRequest request, ReadOnlySpan<byte> body)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Encoding.UTF8.GetBytes($"{request.Method} {request.Path}{request.QueryString}\n"));
        hash.AppendData(body);
        return hash.GetHashAndReset();
    }
}

/// <summary>What the serializer found wrong, in words for the caller.</summary>
static class JsonFault
{
    /// <param name="at">Pointer to what was read.</param>
    public static FieldError Of(JsonException error, string at = "#") => new(at + JsonPointer.Of(error)[1..], "wrong_type", Explain(error));

    /// <summary>The body is broken before any value could be looked at: the place is a line, and no field is at fault.</summary>
    public static bool IsNoJson(JsonException error) => error.InnerException is JsonException;

    /// <summary>Messages of ours end with a full stop of their own; the serializer's carry a "Path: …" tail and names of .NET types.</summary>
    static string Explain(JsonException error)
    {
        var message = error.Message;
        if (message.StartsWith("The JSON value could not be converted", StringComparison.Ordinal)) return Wanted(message, error.InnerException?.Message ?? "");
        if (message.StartsWith("Duplicate property", StringComparison.Ordinal)) return "A property stands twice; give it once.";
        var tail = message.IndexOf(" Path: ", StringComparison.Ordinal);
        var said = tail > 0 ? message[..tail] : message;
        return IsNoJson(error) ? $"The body is not JSON: {said}" : said;
    }

    /// <summary>What would be right, as far as the serializer tells: in the message of the reader, or by the .NET type.</summary>
    static string Wanted(string message, string reader)
    {
        if (reader.Contains("UTF-16", StringComparison.Ordinal)) return "Half a surrogate pair is no character; leave it out.";
        var wanted = reader.EndsWith("as a string.", StringComparison.Ordinal) ? "a string"
            : reader.EndsWith("as a boolean.", StringComparison.Ordinal) ? "true or false"
            : reader.EndsWith("as a number.", StringComparison.Ordinal) || reader.Contains("out of bounds", StringComparison.Ordinal) ? "a whole number"   // a fraction too
            : message.Contains("Dictionary`", StringComparison.Ordinal) ? "an object"
            : message.Contains("List`", StringComparison.Ordinal) ? "an array"
            : message.Contains(" to EmailApi.", StringComparison.Ordinal) && reader.Length == 0 ? "an object"
            : null;
        return wanted is null ? "The value has the wrong type." : $"The value has the wrong type; give {wanted}.";
    }
}

/// <summary>Reads a body into one buffer. Large ones take turns, so that fifty at once do not take fifty times the memory.</summary>
static class RequestBytes
{
    const int LargeBytes = 1 << 20;
    static readonly TimeSpan EndsWithin = TimeSpan.FromSeconds(5);

    public static async Task<Owner> ReadAsync(HttpContext http)
    {
        var request = http.Request;
        if (!request.HasJsonContentType())
            throw new ProblemException(ProblemKind.UnsupportedMediaType, "Send the body as application/json.");
        var limit = http.Features.GetRequiredFeature<IHttpMaxRequestBodySizeFeature>().MaxRequestBodySize ?? HttpSetup.MaxBodyBytes;
        Admit(http, limit, TooLarge);
        try
        {
            return await ReadWholeAsync(http, limit);
        }
        catch (Exception error) when (IsCutOff(error) || http.RequestAborted.IsCancellationRequested)
        {
            await EndAsync(http);
            throw;
        }
    }

    /// <summary>Before a body is read whose bytes are counted here, not by the server: that cuts off who sends too much, and the answer that says so is lost on the way. What we
    /// refuse it reads on for a while.</summary>
    public static void Admit(HttpContext http, long limit, Func<ProblemException> tooLarge)
    {
        var request = http.Request;
        if (request.Headers.ContentEncoding.Count > 0 && request.Headers.ContentEncoding != "identity")
            throw new ProblemException(ProblemKind.UnsupportedMediaType, "Send the body without a Content-Encoding.");
        var isTooLarge = request.ContentLength > limit;
        if (!isTooLarge || request.Headers.Expect.Count == 0) http.Features.GetRequiredFeature<IHttpMaxRequestBodySizeFeature>().MaxRequestBodySize = null;   // who asked first sends no body
        if (isTooLarge) throw tooLarge();
    }

    /// <summary>Ends the connection of a client that has gone. Else the server may look for the rest of the body, or for another request, which what was cut off
    /// left it unfit to read, and logs that with a stack.</summary>
    public static async Task EndAsync(HttpContext http)
    {
        http.Features.Get<Microsoft.AspNetCore.Connections.Features.IConnectionLifetimeNotificationFeature>()?.RequestClose();   // no other request
        http.Abort();
        await Task.Delay(EndsWithin, http.RequestAborted).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);   // until it knows: no rest of the body
    }

    /// <summary>The client has gone in the middle of the body. The request is told to be aborted a moment later.</summary>
    public static bool IsCutOff(Exception error) => error is Microsoft.AspNetCore.Connections.ConnectionResetException
        || (error is BadHttpRequestException && error.Message.EndsWith("end of request content.", StringComparison.Ordinal));

    static ProblemException TooLarge() => new(ProblemKind.TooLarge, ProblemWriter.TooLargeDetail);

    static async Task<Owner> ReadWholeAsync(HttpContext http, long limit)
    {
        var reader = http.Request.BodyReader;
        while (true)
        {
            var read = await ReadAsync(http, turn: null);
            if (read.Buffer.Length > limit)
            {
                reader.AdvanceTo(read.Buffer.End);
                throw TooLarge();
            }

            if (read.Buffer.Length > LargeBytes)
            {
                reader.AdvanceTo(read.Buffer.Start);
                return await ReadLargeAsync(http, limit);
            }

            if (read.IsCompleted)
            {
                var owner = Owner.Pooled((int)read.Buffer.Length);
                owner.Append(read.Buffer);
                reader.AdvanceTo(read.Buffer.End);
                return owner;
            }

            reader.AdvanceTo(read.Buffer.Start, read.Buffer.End);
        }
    }

    /// <summary>What has come leaves the server's buffers at once: the body is in memory once.</summary>
    static async Task<Owner> ReadLargeAsync(HttpContext http, long limit)
    {
        var size = http.Request.ContentLength ?? limit;
        var turn = await http.RequestServices.GetRequiredService<LargeTurns>().TakeAsync(Caller.Behind(http).ProjectId, size, http.RequestAborted);
        http.Response.RegisterForDispose(turn);
        var owner = Owner.Unpooled((int)size);
        while (true)
        {
            var read = await ReadAsync(http, turn);
            var isTooLarge = !owner.Append(read.Buffer);
            http.Request.BodyReader.AdvanceTo(read.Buffer.End);
            turn.Received = owner.Length;
            if (isTooLarge)
            {
                turn.Dispose();   // now, not after the server has read the rest
                throw TooLarge();
            }

            if (!read.IsCompleted) continue;
            turn.EndReading();
            return owner;
        }
    }

    static async ValueTask<ReadResult> ReadAsync(HttpContext http, LargeTurns.Turn? turn)
    {
        // No token: the server itself ends a read whose client has gone; a canceled one would leave the reader unfit for what follows.
        if (turn is null) return await http.Request.BodyReader.ReadAsync(CancellationToken.None);
        var reader = http.Request.BodyReader;
        await using var cut = turn.WasCut.Register(reader.CancelPendingRead);
        var read = await reader.ReadAsync(CancellationToken.None);
        if (!read.IsCanceled) return read;

        reader.AdvanceTo(read.Buffer.End);
        turn.Dispose();   // now, not after the server has waited for the rest
        throw new ProblemException(ProblemKind.TooSlow, "The body came slowly while others waited for their turn. Send it again.") { RetryAfter = 5 };
    }

    public sealed class Owner : IDisposable
    {
        readonly byte[] bytes;
        readonly bool isPooled;

        Owner(byte[] bytes, bool isPooled) => (this.bytes, this.isPooled) = (bytes, isPooled);

        public static Owner Pooled(int size) => new(ArrayPool<byte>.Shared.Rent(Math.Max(size, 1)), isPooled: true);

        /// <summary>Left to the collector: a pool would round a large one up to 64 MB, and keep that.</summary>
        public static Owner Unpooled(int size) => new(GC.AllocateUninitializedArray<byte>(size), isPooled: false);

        public int Length { get; private set; }

        /// <summary>Without a byte order mark.</summary>
        public Memory<byte> Memory => bytes.AsMemory((bytes.AsSpan(0, Length).StartsWith(Encoding.UTF8.Preamble) ? Encoding.UTF8.Preamble.Length : 0)..Length);

        /// <returns>False when there is no room for it.</returns>
        public bool Append(ReadOnlySequence<byte> more)
        {
            if (Length + more.Length > bytes.Length) return false;
            more.CopyTo(bytes.AsSpan(Length));
            Length += (int)more.Length;
            return true;
        }

        public void Dispose()
        {
            if (isPooled) ArrayPool<byte>.Shared.Return(bytes);
        }
    }
}
