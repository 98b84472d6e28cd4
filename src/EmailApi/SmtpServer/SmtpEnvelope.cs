using System.Net;

namespace EmailApi.SmtpServer;

/// <summary>One transaction's envelope: what MAIL and RCPT said, and who said it (RFC 5321 §2.3.1).</summary>
public sealed class SmtpEnvelope
{
    readonly List<string> recipients = [];

    /// <summary>Where bounces go; empty for the null reverse-path of <c>&lt;&gt;</c> (RFC 5321 §4.5.5).</summary>
    public required string ReversePath { get; init; }

    /// <summary>In the order of RCPT, as written, quoted local parts with their quotes; a recipient named twice is in it twice.</summary>
    public IReadOnlyList<string> Recipients => recipients;

    /// <summary>MAIL carried SMTPUTF8 (RFC 6531): addresses and header may hold UTF-8.</summary>
    public bool IsSmtpUtf8 { get; init; }

    /// <summary>MAIL carried BODY=8BITMIME (RFC 6152).</summary>
    public bool Is8BitMime { get; init; }

    /// <summary>The size that MAIL announced (RFC 1870), octets; a hint only.</summary>
    public long? DeclaredBytes { get; init; }

    /// <summary>What the client called itself in HELO or EHLO. Unproven.</summary>
    public required string Helo { get; init; }

    public required IPEndPoint RemoteEndPoint { get; init; }

    internal void Add(string recipient) => recipients.Add(recipient);
}
