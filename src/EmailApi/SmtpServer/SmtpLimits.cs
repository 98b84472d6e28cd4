namespace EmailApi.SmtpServer;

/// <summary>What one listener puts up with. Everything a client can make us hold or wait for has a bound here.</summary>
public sealed record SmtpLimits
{
    /// <summary>Longest command line, octets with its CRLF. RFC 5321 §4.5.3.1.4 asks for 512 and more where extensions
    /// need it; a door with AUTH needs 12,288 (RFC 4954 §4.3). A longer line is answered 500 and ends the session.</summary>
    public int MaxLineBytes { get; init; } = 2048;

    /// <summary>Largest message, octets after dot-unstuffing; announced by SIZE (RFC 1870). Text lines inside it may have any
    /// length (RFC 5321 §4.5.3.1.6 asks for 1,000 at least).</summary>
    public int MaxMessageBytes { get; init; } = 40 * 1024 * 1024;

    /// <summary>How much of a message beyond <see cref="MaxMessageBytes"/> is read, and thrown away, so that the client can
    /// read its 552; octets. A client that sends more is answered at once and cut off.</summary>
    public int MaxDiscardedBytes { get; init; } = 40 * 1024 * 1024;

    /// <summary>Octets of unfinished messages held over all sessions of the listener; beyond it 452 4.3.1.</summary>
    public long MaxBufferedBytes { get; init; } = 256 * 1024 * 1024;

    /// <summary>Recipients of one message. RFC 5321 §4.5.3.1.8 asks for 100 at least; more are answered 452 4.5.3.</summary>
    public int MaxRecipients { get; init; } = 1000;

    /// <summary>Protocol errors (500 to 504, 555) before 421; an accepted message resets the count.</summary>
    public int MaxErrors { get; init; } = 20;

    /// <summary>Sessions at once; a further one is answered 421 4.3.2 in place of the banner.</summary>
    public int MaxConnections { get; init; } = 1000;

    /// <summary>Sessions at once from one address (IPv6: from one /64).</summary>
    public int MaxConnectionsPerAddress { get; init; } = 100;

    /// <summary>This machine's own programs are not counted by address: a proxy in front would count as one client.</summary>
    public bool CountsLoopback { get; init; }

    /// <summary>From the connect to the first complete command. Shorter than the 5 min of RFC 5321 §4.5.3.2.7 on purpose: a
    /// client that says nothing at all is no mail program.</summary>
    public TimeSpan GreetingTimeout { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>Wait for the next command. RFC 5321 §4.5.3.2.7: 5 min.</summary>
    public TimeSpan CommandTimeout { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>How long a command may take from its first octet to its CRLF, how long a client may leave our replies
    /// unread, and how long a message may stay below <see cref="MinBytesPerSecond"/>.</summary>
    public TimeSpan StallTimeout { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>Lowest mean speed of a message over any <see cref="StallTimeout"/>, octets per second.</summary>
    public int MinBytesPerSecond { get; init; } = 240;

    /// <summary>From 354 to the final dot at any speed.</summary>
    public TimeSpan DataTimeout { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>How long a session may go on without handing over a message; each message starts it anew, so that a kept
    /// connection that works is never cut.</summary>
    public TimeSpan SessionTimeout { get; init; } = TimeSpan.FromMinutes(30);

    /// <summary>How often overdue sessions are looked for: a second, less where a test sets short limits.</summary>
    internal TimeSpan SweepInterval
    {
        get
        {
            TimeSpan[] waits = [GreetingTimeout, CommandTimeout, StallTimeout, DataTimeout, SessionTimeout];
            return TimeSpan.FromMilliseconds(Math.Clamp(waits.Min().TotalMilliseconds / 4, 10, 1000));
        }
    }
}
