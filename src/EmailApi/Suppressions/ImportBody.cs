using System.Buffers;
using System.Text;
using EmailApi.Http;

namespace EmailApi.Suppressions;

/// <summary>A line of a body.</summary>
/// <param name="number">Counted from 1.</param>
/// <param name="line">Without its end; one byte more than <see cref="ImportBody.MaxLineBytes"/> of one that is too long.</param>
delegate void TakeLine(long number, ReadOnlySpan<byte> line);

/// <summary>Reads a body line by line as it comes, however slowly, and holds no more of it than one line.</summary>
/// <remarks>Not by a CSV library: an unclosed quote costs its own line and not the rest of the file, and the number of a line is what an editor shows.</remarks>
static class ImportBody
{
    public const int MaxLineBytes = 4096;

    public static async Task ReadAsync(HttpContext http, long maxBytes, TakeLine take)
    {
        RequestBytes.Admit(http, maxBytes, TooLarge);
        try
        {
            await ReadLinesAsync(http, maxBytes, take);
        }
        catch (Exception error) when (RequestBytes.IsCutOff(error) || http.RequestAborted.IsCancellationRequested)
        {
            await RequestBytes.EndAsync(http);
            throw;
        }
    }

    static async Task ReadLinesAsync(HttpContext http, long maxBytes, TakeLine take)
    {
        var (reader, number, consumed, isSkipping) = (http.Request.BodyReader, 0L, 0L, false);
        while (true)
        {
            // No token: the server itself ends a read whose client has gone; a canceled one would leave the reader unfit for what follows.
            var read = await reader.ReadAsync(CancellationToken.None);
            var rest = read.Buffer;
            if (consumed + rest.Length > maxBytes)
            {
                reader.AdvanceTo(rest.End);
                throw TooLarge();
            }

            try
            {
                while (rest.PositionOf((byte)'\n') is { } end)
                {
                    Take(rest.Slice(0, end));
                    rest = rest.Slice(rest.GetPosition(1, end));
                    isSkipping = false;
                }

                if (read.IsCompleted && !rest.IsEmpty) Take(rest);
            }
            catch
            {
                reader.AdvanceTo(read.Buffer.End);   // else the server could not read on
                throw;
            }

            if (read.IsCompleted)
            {
                reader.AdvanceTo(read.Buffer.End);
                return;
            }

            if (rest.Length > MaxLineBytes + 1)   // with a carriage return
            {
                Take(rest);
                isSkipping = true;
                rest = rest.Slice(rest.End);
            }

            consumed += read.Buffer.Length - rest.Length;
            reader.AdvanceTo(rest.Start, read.Buffer.End);
        }

        void Take(ReadOnlySequence<byte> line)
        {
            if (isSkipping) return;
            number++;
            Span<byte> bytes = stackalloc byte[(int)Math.Min(line.Length, MaxLineBytes + 2)];
            line.Slice(0, bytes.Length).CopyTo(bytes);
            if (number == 1 && bytes.StartsWith(Encoding.UTF8.Preamble)) bytes = bytes[Encoding.UTF8.Preamble.Length..];
            take(number, bytes is [.. var text, (byte)'\r'] ? text : bytes);
        }
    }

    static ProblemException TooLarge() => new(ProblemKind.TooLarge, "An import may have 256 MB; send it in parts.");
}
