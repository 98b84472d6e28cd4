using System.Text;
using MimeKit;

namespace EmailApi.Bounces;

/// <summary>Reads and parses no more of a message than a report needs, whoever wrote it: MimeKit sets no bound on parts and header
/// fields, and each costs memory. What is cut off is the returned mail's content or an attack, as a report comes before both.</summary>
static class BoundedMessage
{
    /// <summary>Bytes that are read; reports are some kilobytes, and the returned mail that follows them is not needed.</summary>
    public const int MaxBytes = 2 * 1024 * 1024;

    /// <summary>Lines that are read: each may be a header field.</summary>
    public const int MaxLines = 40_000;

    /// <summary>Lines that start as a boundary does; each may be a part.</summary>
    public const int MaxBoundaries = 1_000;

    /// <summary>Bytes of a line, and of the lines that fold one field; a notice in JSON is one line of several kilobytes.</summary>
    public const int MaxField = 32 * 1024;

    /// <summary>Levels of parts in parts; a report forwarded twice has five.</summary>
    public const int MaxDepth = 12;

    /// <summary>The message, or null where its bytes have no header at all.</summary>
    public static MimeMessage? Parse(byte[] bytes, CancellationToken cancel)
    {
        try
        {
            var options = ParserOptions.Default.Clone();
            options.MaxMimeDepth = MaxDepth;
            return new MimeParser(options, new MemoryStream(bytes, writable: false), MimeFormat.Entity, persistent: true).ParseMessage(cancel);
        }
        catch (FormatException)
        {
            return null;
        }
    }

    /// <summary>The start of the message within the bounds above.</summary>
    public static byte[] Read(Stream message, CancellationToken cancel)
    {
        var buffer = new byte[MaxBytes];
        var length = 0;
        while (length < buffer.Length)
        {
            cancel.ThrowIfCancellationRequested();
            var read = message.Read(buffer, length, Math.Min(64 * 1024, buffer.Length - length));
            if (read is 0) break;
            length += read;
        }

        return Bounded(buffer.AsSpan(0, length));
    }

    /// <summary>Past a byte order mark, empty lines and the "From " line of a mailbox file.</summary>
    static int Start(ReadOnlySpan<byte> bytes)
    {
        var start = bytes.StartsWith(Encoding.UTF8.Preamble) ? 3 : 0;
        while (start < bytes.Length && bytes[start] is (byte)'\r' or (byte)'\n') start++;
        if (!bytes[start..].StartsWith("From "u8)) return start;
        var line = bytes[start..].IndexOf((byte)'\n');
        return line < 0 ? start : start + line + 1;
    }

    /// <summary>The lines within the bounds, moved together in place. Long lines and fields lose their end: MimeKit takes hundreds of
    /// times a header field's size to parse it.</summary>
    static byte[] Bounded(Span<byte> bytes)
    {
        var (at, kept, boundaries, folded) = (Start(bytes), 0, 0, 0);
        for (var lines = 0; lines < MaxLines && at < bytes.Length; lines++)
        {
            var end = bytes[at..].IndexOf((byte)'\n');
            var line = bytes.Slice(at, end < 0 ? bytes.Length - at : end + 1);
            at += line.Length;

            if (line.StartsWith("--"u8) && ++boundaries > MaxBoundaries) break;
            folded = line[0] is (byte)' ' or (byte)'\t' ? folded + line.Length : 0;
            if (folded > MaxField) continue;

            var take = Math.Min(line.Length, MaxField);
            line[..take].CopyTo(bytes[kept..]);
            kept += take;
            if (take < line.Length) bytes[kept - 1] = (byte)'\n';
        }
        return bytes[..kept].ToArray();
    }
}
