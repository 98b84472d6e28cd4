using System.Text;

namespace EmailApi.SmtpServer;

/// <summary>A reply: code, enhanced status code, text (RFC 5321 §4.2, RFC 2034, RFC 3463). Immutable; the frequent ones are kept
/// and encoded once.</summary>
/// <param name="code">200 to 599.</param>
/// <param name="enhanced">Such as 5.1.1; null where RFC 2034 has none: the banner, the answers to HELO and EHLO, 354.</param>
/// <param name="text">A line feed starts a further line of the reply. Anything but printable ASCII goes out as "?", so that no
/// text from outside can forge a reply.</param>
public sealed class SmtpReply(int code, string? enhanced, string text)
{
    const int MaxTextChars = 480;   // RFC 5321 §4.5.3.1.5: 512 octets with code and CRLF

    public static SmtpReply Ok { get; } = new(250, "2.0.0", "Ok");
    public static SmtpReply SenderOk { get; } = new(250, "2.1.0", "Sender ok");
    public static SmtpReply RecipientOk { get; } = new(250, "2.1.5", "Recipient ok");
    public static SmtpReply LocalError { get; } = new(451, "4.3.0", "Local error in processing, try again later");

    public int Code { get; } = code;
    public string? Enhanced { get; } = enhanced;
    public string Text { get; } = text;

    /// <summary>The session ends after this reply, as with every 421.</summary>
    public bool EndsSession { get; init; } = code == 421;

    internal byte[] Encoded => field ??= Encode();

    /// <summary>Faults of the client's program, as opposed to refusals: what <see cref="SmtpLimits.MaxErrors"/> counts.</summary>
    internal bool IsProtocolError => Code is >= 500 and <= 504 or 555;

    public override string ToString() => Enhanced is null ? $"{Code} {Text}" : $"{Code} {Enhanced} {Text}";

    byte[] Encode()
    {
        var lines = Text.Split('\n');
        var wire = new StringBuilder();
        for (var i = 0; i < lines.Length; i++)
        {
            wire.Append(Code).Append(i == lines.Length - 1 ? ' ' : '-');
            if (Enhanced is not null) wire.Append(Enhanced).Append(' ');
            foreach (var c in lines[i].AsSpan(0, Math.Min(lines[i].Length, MaxTextChars)))
                wire.Append(c is >= ' ' and <= '~' ? c : '?');
            wire.Append("\r\n");
        }
        return Encoding.ASCII.GetBytes(wire.ToString());
    }
}
