using System.Buffers;
using MimeKit;
using MimeKit.IO;

namespace EmailApi.Relays;

/// <summary>A message as it follows DATA: its octets with dots stuffed (RFC 5321 §4.5.2), and the final dot. One with large attachments is never in memory as a whole.</summary>
sealed class WireMessage : IDisposable
{
    /// <summary>Attachments up to so many octets are written into memory at once: one write to the relay instead of many.</summary>
    const long MaxKept = 1 << 20;

    static readonly FormatOptions Ascii = MimeComposer.Wire;
    static readonly FormatOptions Utf8 = International();

    readonly MimeMessage message;
    readonly FormatOptions format;
    readonly StuffedOctets? kept;
    long? size;

    static WireMessage() => MailboxAddress.IdnMapping = new KeepALabels();

    /// <param name="isUtf8">Its header goes as UTF-8 (RFC 6532).</param>
    public WireMessage(MimeMessage message, bool isUtf8)
    {
        (this.message, format) = (message, isUtf8 ? Utf8 : Ascii);
        if (message.BodyParts.OfType<MimePart>().Sum(p => p is TextPart ? 0 : p.Content?.Stream?.Length ?? 0) > MaxKept) return;
        kept = new();
        message.WriteTo(format, kept);
        size = kept.Unstuffed;
        kept.End();
    }

    /// <summary>Octets, for SIZE (RFC 1870).</summary>
    public long Size => size ??= Measure();

    /// <summary>Writes all of it. When it returns, the final dot was handed to the network; when it fails, the dot certainly did not leave.</summary>
    /// <param name="goesOn">Called whenever a part has been taken.</param>
    public async Task WriteAsync(SmtpWire wire, Action goesOn, CancellationToken cancel)
    {
        if (kept is not null)
        {
            await wire.MessageAsync(kept.Octets, cancel);
            return;
        }

        using var octets = new StuffedOctets(async part =>
        {
            await wire.MessageAsync(part, cancel);
            goesOn();
        });
        await message.WriteToAsync(format, octets, cancel);
        octets.End();
        await wire.MessageAsync(octets.Octets, cancel);
    }

    public void Dispose() => kept?.Dispose();

    long Measure()
    {
        using var stream = new MeasuringStream();
        message.WriteTo(format, stream);
        return stream.Length;
    }

    static FormatOptions International()
    {
        var format = MimeComposer.Wire.Clone();
        format.International = true;
        return format;
    }
}

/// <summary>Takes a message's octets and stuffs the dots at the beginning of its lines.</summary>
/// <param name="drain">Takes what has come together; null: all is kept.</param>
sealed class StuffedOctets(Func<ReadOnlyMemory<byte>, ValueTask>? drain = null) : Stream
{
    const int DrainAt = 64 * 1024;

    byte[] buffer = ArrayPool<byte>.Shared.Rent(4096);
    int length;
    bool isLineStart = true;

    /// <summary>What has come and was not drained.</summary>
    public ReadOnlyMemory<byte> Octets => buffer.AsMemory(0, length);

    /// <summary>Octets that were written.</summary>
    public long Unstuffed { get; private set; }

    /// <summary>Adds the final dot.</summary>
    public void End()
    {
        if (!isLineStart) Append("\r\n"u8);
        Append(".\r\n"u8);
    }

    public override void Write(ReadOnlySpan<byte> octets)
    {
        if (octets.IsEmpty) return;
        Unstuffed += octets.Length;
        if (isLineStart && octets[0] == '.') Append("."u8);
        while (octets.IndexOf("\n."u8) is var at and >= 0)
        {
            Append(octets[..(at + 1)]);
            Append("."u8);
            octets = octets[(at + 1)..];
        }

        Append(octets);
        isLineStart = octets[^1] == '\n';
    }

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> octets, CancellationToken cancellationToken = default)
    {
        Write(octets.Span);
        if (drain is null || length < DrainAt) return;
        await drain(Octets);
        length = 0;
    }

    public override void Write(byte[] octets, int offset, int count) => Write(octets.AsSpan(offset, count));

    public override Task WriteAsync(byte[] octets, int offset, int count, CancellationToken cancellationToken) => WriteAsync(octets.AsMemory(offset, count), cancellationToken).AsTask();

    public override bool CanRead => false;
    public override bool CanSeek => false;
    public override bool CanWrite => true;
    public override long Length => length;
    public override long Position { get => length; set => throw new NotSupportedException(); }
    public override int Read(byte[] octets, int offset, int count) => throw new NotSupportedException();
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
    public override void SetLength(long value) => throw new NotSupportedException();
    public override void Flush()
    {
    }

    protected override void Dispose(bool disposing)
    {
        ArrayPool<byte>.Shared.Return(buffer);
        buffer = [];
        base.Dispose(disposing);
    }

    void Append(ReadOnlySpan<byte> octets)
    {
        if (length + octets.Length > buffer.Length)
        {
            var larger = ArrayPool<byte>.Shared.Rent(Math.Max(2 * buffer.Length, length + octets.Length));
            buffer.AsSpan(0, length).CopyTo(larger);
            ArrayPool<byte>.Shared.Return(buffer);
            buffer = larger;
        }

        octets.CopyTo(buffer.AsSpan(length));
        length += octets.Length;
    }
}
