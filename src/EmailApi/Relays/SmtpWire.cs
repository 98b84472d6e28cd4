using System.Globalization;
using System.Net.Security;
using System.Text;

namespace EmailApi.Relays;

/// <summary>The client's side of SMTP on one connection: commands and messages out, replies in. Not for concurrent use.</summary>
/// <remarks>MailKit's client does all steps in one, and each in a write of its own: it cannot say whether the final dot was written, gives one answer for all recipients, and
/// costs a mail three waits where two do.</remarks>
sealed class SmtpWire(Stream stream, Conversation conversation) : IDisposable
{
    const int MaxReplyBytes = 64 * 1024;

    readonly byte[] heard = new byte[8 * 1024];   // a line of a reply has 512 octets at most (RFC 5321 §4.5.3.1.5)
    Stream stream = stream;
    int start, end;

    public SslStream? Tls => stream as SslStream;

    /// <summary>The relay has said more than was asked for.</summary>
    public bool HasUnread => start < end;

    /// <param name="shown">What the conversation keeps of it instead, where it holds a secret.</param>
    public async Task<WireReply> SayAsync(string command, CancellationToken cancel, string? shown = null)
    {
        conversation.Command(Encoding.UTF8.GetBytes($"{shown ?? command}\r\n"));
        await stream.WriteAsync(Encoding.UTF8.GetBytes($"{command}\r\n"), cancel);
        return await ReadAsync(cancel);
    }

    /// <summary>Whole lines, whose replies are then to be read in their order.</summary>
    public ValueTask CommandAsync(ReadOnlyMemory<byte> lines, CancellationToken cancel)
    {
        conversation.Command(lines.Span);
        return stream.WriteAsync(lines, cancel);
    }

    /// <summary>Part of a message. When this fails, the last of the octets certainly did not leave.</summary>
    public ValueTask MessageAsync(ReadOnlyMemory<byte> octets, CancellationToken cancel)
    {
        conversation.Message(octets.Length);
        return stream.WriteAsync(octets, cancel);
    }

    /// <exception cref="IOException">The relay hung up, or what it says is no SMTP.</exception>
    public async ValueTask<WireReply> ReadAsync(CancellationToken cancel)
    {
        var lines = new List<string>(1);
        var first = 0;
        var left = MaxReplyBytes;
        while (true)
        {
            int length;
            while ((length = heard.AsSpan(start, end - start).IndexOf((byte)'\n')) < 0) await FillAsync(cancel);
            var (code, isLast) = Take(heard.AsSpan(start, length + 1), lines);
            start += length + 1;
            left -= length;
            if (lines.Count == 1) first = code;
            else if (code != first) throw new IOException($"the relay's reply says both {first} and {code}");   // RFC 5321 §4.2.1
            if (isLast) return new(code, lines);
            if (left < 0) throw new IOException("the relay's reply has no end");
        }
    }

    /// <param name="look">Sees the certificate and what is wrong with it, and says whether to go on; null: nothing may be wrong with it.</param>
    /// <exception cref="System.Security.Authentication.AuthenticationException">It said no, or there is no TLS to be had.</exception>
    /// <exception cref="IOException">The relay said something before, which would be taken for said under the protection of TLS.</exception>
    public async Task SecureAsync(string host, RemoteCertificateValidationCallback? look, CancellationToken cancel)
    {
        if (HasUnread) throw new IOException("the relay said more before the TLS handshake");
        var tls = new SslStream(stream, leaveInnerStreamOpen: false);
        stream = tls;
        await tls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions { TargetHost = host, RemoteCertificateValidationCallback = look }, cancel);
    }

    /// <summary>QUIT; a relay that hangs up at once is as well.</summary>
    public async Task LeaveAsync(CancellationToken cancel)
    {
        try
        {
            await SayAsync("QUIT", cancel);
        }
        catch (Exception error) when (error is not OutOfMemoryException)
        {
            // Leaving politely is all that was tried.
        }
    }

    public void Dispose() => stream.Dispose();

    (int Code, bool IsLast) Take(ReadOnlySpan<byte> octets, List<string> lines)
    {
        conversation.Reply(octets);
        var line = octets.TrimEnd("\r\n"u8);
        if (line.Length < 3 || !int.TryParse(line[..3], NumberStyles.None, CultureInfo.InvariantCulture, out var code))
            throw new IOException($"what the relay says is no SMTP: {Encoding.UTF8.GetString(line[..Math.Min(60, line.Length)])}");
        lines.Add(line.Length > 4 ? Encoding.UTF8.GetString(line[4..]) : "");
        return (code, line.Length == 3 || line[3] != '-');
    }

    async ValueTask FillAsync(CancellationToken cancel)
    {
        heard.AsSpan(start, end - start).CopyTo(heard);
        (start, end) = (0, end - start);
        if (end == heard.Length) throw new IOException("the relay's reply has no end");
        var count = await stream.ReadAsync(heard.AsMemory(end), cancel);
        if (count == 0) throw new IOException("the relay closed the connection");
        end += count;
    }
}
