using System.Globalization;
using System.Text;
using EmailApi.Delivery;
using MailKit;

namespace EmailApi.Relays;

/// <summary>Watches the bytes of a dialogue: whether the final dot was written, and what the relay last said. The exception after a lost
/// connection is the same before and after the dot; the bytes tell.</summary>
sealed class DialogueWatch : IProtocolLogger
{
    const int MaxReplyBytes = 4096;

    readonly List<byte> reply = [];
    readonly byte[] tail = new byte[5];
    bool isData;
    bool replyIsDone = true;

    /// <summary>What was said, since it was cleared.</summary>
    public Conversation Conversation { get; } = new();

    /// <summary>The final dot was handed to the network, and no reply to it has come.</summary>
    public bool IsDotUnanswered { get; private set; }

    /// <summary>The final dot was handed to the network, answered or not.</summary>
    public bool WasDotSent { get; private set; }

    /// <summary>How far a connection came: the step of its last command, <c>Banner</c> before the first.</summary>
    public SmtpStep Step { get; private set; } = SmtpStep.Banner;

    /// <summary>Called as each phase begins, so that it can have a deadline of its own.</summary>
    public Action<bool>? Waiting { get; set; }

    public IAuthenticationSecretDetector? AuthenticationSecretDetector { get; set; }

    /// <summary>Forgets the transaction before.</summary>
    public void Begin()
    {
        isData = false;
        IsDotUnanswered = WasDotSent = false;
        reply.Clear();
    }

    /// <summary>The last complete or broken reply, e.g. <c>421 4.3.2 closing</c>; null when there was none.</summary>
    public (int Code, string Text)? LastReply
    {
        get
        {
            var lines = Encoding.UTF8.GetString([.. reply]).Split("\r\n", StringSplitOptions.RemoveEmptyEntries);
            if (lines.Length == 0 || lines[^1].Length < 3 || !int.TryParse(lines[^1][..3], NumberStyles.None, CultureInfo.InvariantCulture, out var code)) return null;
            return (code, string.Join(' ', lines.Select(l => l.Length > 4 ? l[4..] : "")));
        }
    }

    public void LogConnect(Uri uri)
    {
        Begin();
        Step = SmtpStep.Banner;
    }

    public void LogClient(byte[] buffer, int offset, int count)
    {
        var bytes = buffer.AsSpan(offset, count);
        if (!isData)
        {
            Conversation.Command(bytes, Secrets(buffer, offset, count));
            Step = StepOf(bytes) ?? Step;
            // With pipelining DATA is still a command of its own: its 354 must be waited for.
            if (bytes.EndsWith("DATA\r\n"u8)) { isData = true; tail.AsSpan().Clear(); }
            Waiting?.Invoke(false);
            return;
        }

        Conversation.Message(count);
        if (bytes.Length >= 5) bytes[^5..].CopyTo(tail);
        else
        {
            tail.AsSpan(bytes.Length).CopyTo(tail);
            bytes.CopyTo(tail.AsSpan(5 - bytes.Length));
        }

        IsDotUnanswered = WasDotSent = tail.AsSpan().SequenceEqual("\r\n.\r\n"u8);
        Waiting?.Invoke(IsDotUnanswered);
    }

    /// <summary>Where the bytes hold a user name or a password, counted from their first.</summary>
    IList<AuthenticationSecret>? Secrets(byte[] buffer, int offset, int count) =>
        AuthenticationSecretDetector?.DetectSecrets(buffer, offset, count) is { Count: > 0 } secrets
            ? [.. secrets.Select(s => new AuthenticationSecret(s.StartIndex - offset, s.Length))]
            : null;

    static SmtpStep? StepOf(ReadOnlySpan<byte> command) =>
        command.StartsWith("EHLO"u8) || command.StartsWith("HELO"u8) ? SmtpStep.Ehlo
        : command.StartsWith("STARTTLS"u8) ? SmtpStep.StartTls
        : command.StartsWith("AUTH"u8) ? SmtpStep.Auth
        : command.StartsWith("MAIL"u8) ? SmtpStep.Mail
        : null;

    public void LogServer(byte[] buffer, int offset, int count)
    {
        if (replyIsDone) reply.Clear();
        var bytes = buffer.AsSpan(offset, count);
        Conversation.Reply(bytes);
        reply.AddRange(bytes[..Math.Min(count, Math.Max(0, MaxReplyBytes - reply.Count))]);
        replyIsDone = IsComplete();
        if (!replyIsDone) return;
        if (IsDotUnanswered) (IsDotUnanswered, isData) = (false, false);
        else if (isData && reply[0] != (byte)'3') isData = false;   // DATA was refused
    }

    bool IsComplete()
    {
        var text = System.Runtime.InteropServices.CollectionsMarshal.AsSpan(reply);
        if (!text.EndsWith("\r\n"u8)) return reply.Count >= MaxReplyBytes;
        var line = text[..^2];
        line = line[(line.LastIndexOf((byte)'\n') + 1)..];
        return line.Length < 4 || line[3] != (byte)'-';
    }

    public void Dispose()
    {
    }
}
