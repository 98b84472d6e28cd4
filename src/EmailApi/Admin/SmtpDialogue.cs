using System.Globalization;
using System.Net.Security;
using System.Text;

namespace EmailApi.Admin;

/// <summary>A reply as it came: the code, and the text of each line.</summary>
sealed record SmtpReply(int Code, IReadOnlyList<string> Lines)
{
    /// <summary>The EHLO keyword's line; null when it is not offered.</summary>
    public string? Line(string keyword) => Lines.Skip(1).FirstOrDefault(l => l.Split(' ', '=')[0].Equals(keyword, StringComparison.OrdinalIgnoreCase));

    public bool Offers(string keyword) => Line(keyword) is not null;
}

/// <summary>The client's side of SMTP, as far as a look at a relay needs it. MailKit's client does all steps in one.</summary>
sealed class SmtpDialogue(Stream wire) : IDisposable
{
    const int MaxReply = 64 * 1024;

    Stream wire = wire;

    public string? Tls => wire is SslStream tls ? $"{tls.SslProtocol}" : null;

    public async Task<SmtpReply> SayAsync(string command, CancellationToken cancel)
    {
        await wire.WriteAsync(Encoding.ASCII.GetBytes($"{command}\r\n"), cancel);
        await wire.FlushAsync(cancel);
        return await ReadAsync(cancel);
    }

    /// <exception cref="IOException">The relay hung up, or what it says is no SMTP.</exception>
    public async Task<SmtpReply> ReadAsync(CancellationToken cancel)
    {
        var lines = new List<string>();
        var left = MaxReply;
        while (true)
        {
            var line = await LineAsync(left, cancel);
            left -= line.Length;
            if (line.Length < 3 || !int.TryParse(line.AsSpan(0, 3), NumberStyles.None, CultureInfo.InvariantCulture, out var code))
                throw new IOException($"what the relay says is no SMTP: {line[..Math.Min(60, line.Length)]}");
            lines.Add(line.Length > 4 ? line[4..] : "");
            if (line.Length == 3 || line[3] != '-') return new(code, lines);
        }
    }

    /// <param name="look">Sees the certificate and what is wrong with it, and says whether to go on.</param>
    /// <exception cref="System.Security.Authentication.AuthenticationException">It said no, or there is no TLS to be had.</exception>
    public async Task SecureAsync(string host, RemoteCertificateValidationCallback look, CancellationToken cancel)
    {
        var tls = new SslStream(wire, leaveInnerStreamOpen: false);
        wire = tls;
        await tls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
        {
            TargetHost = host,
            RemoteCertificateValidationCallback = look,
        }, cancel);
    }

    /// <summary>QUIT; a relay that hangs up at once is as well.</summary>
    public async Task LeaveAsync(CancellationToken cancel)
    {
        try
        {
            await SayAsync("QUIT", cancel);
        }
        catch (Exception error) when (error is IOException or OperationCanceledException)
        {
            // Leaving politely is all that was tried.
        }
    }

    public void Dispose() => wire.Dispose();

    /// <summary>Octet by octet: nothing may be read ahead of the TLS handshake.</summary>
    async Task<string> LineAsync(int max, CancellationToken cancel)
    {
        var line = new List<byte>();
        var octet = new byte[1];
        while (line.Count < max)
        {
            if (await wire.ReadAsync(octet, cancel) == 0) throw new IOException("the relay closed the connection");
            if (octet[0] == '\n') return Encoding.UTF8.GetString([.. line]).TrimEnd('\r');
            line.Add(octet[0]);
        }

        throw new IOException("the relay's reply has no end");
    }
}
