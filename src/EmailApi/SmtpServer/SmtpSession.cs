using System.Globalization;
using System.Text;

namespace EmailApi.SmtpServer;

/// <summary>One client's dialogue (RFC 5321): a method per verb that returns the reply. A door derives from it, says in
/// <see cref="ReceiveAsync"/> what becomes of a message, and overrides what it refuses or offers besides.</summary>
/// <example>The whole of a door that keeps messages, and its listener:
/// <code>
/// sealed class CaptureSession(SmtpConnection connection, CaptureStore store) : SmtpSession(connection)
/// {
///     protected override async ValueTask&lt;SmtpReply&gt; ReceiveAsync(
///         SmtpEnvelope envelope, ReadOnlyMemory&lt;byte&gt; message, CancellationToken cancel)
///     {
///         await store.AddAsync(envelope.ReversePath, envelope.Recipients, message, cancel);
///         return SmtpReply.Ok;   // only now is the mail ours
///     }
/// }
/// await using var listener = new SmtpListener(new IPEndPoint(IPAddress.Loopback, 0), new SmtpLimits(),
///     connection => new CaptureSession(connection, store), clock, logger);
/// listener.Start();
/// </code></example>
public abstract class SmtpSession(SmtpConnection connection)
{
    static readonly SmtpReply Greet = new(503, "5.5.1", "Say EHLO first");
    static readonly SmtpReply NoMail = new(503, "5.5.1", "MAIL first");
    static readonly SmtpReply NestedMail = new(503, "5.5.1", "A transaction is open already");
    static readonly SmtpReply NoRecipients = new(503, "5.5.1", "No valid recipients");
    static readonly SmtpReply TooManyRecipients = new(452, "4.5.3", "Too many recipients, send the rest in another message");
    static readonly SmtpReply NoArgument = new(501, "5.5.4", "No argument expected");
    static readonly SmtpReply BadParameter = new(501, "5.5.4", "Wrong parameter value");
    static readonly SmtpReply UnknownParameter = new(555, "5.5.4", "Unknown parameter");
    static readonly SmtpReply NeedsSmtpUtf8 = new(553, "5.6.7", "A non-ASCII address needs SMTPUTF8");
    static readonly SmtpReply GoAhead = new(354, null, "End data with <CR><LF>.<CR><LF>");
    static readonly SmtpReply TooBig = new(552, "5.3.4", "Message too big");
    static readonly SmtpReply Bye = new(221, "2.0.0", "Bye") { EndsSession = true };
    static readonly SmtpReply NoHttp = new(500, "5.5.2", "This is SMTP") { EndsSession = true };
    static readonly SmtpReply LineTooLong = new(500, "5.5.2", "Line too long") { EndsSession = true };
    static readonly SmtpReply LineMalformed = new(500, "5.5.2", "Lines end with CRLF and hold UTF-8 text") { EndsSession = true };

    TimeSpan productiveAt;   // age of the connection at its last accepted message
    int errors;

    protected SmtpConnection Connection => connection;

    /// <summary>What the client called itself; null before HELO or EHLO.</summary>
    protected string? Helo { get; private set; }

    /// <summary>The open transaction; null between mails.</summary>
    protected SmtpEnvelope? Envelope { get; private set; }

    /// <summary>The lines of the EHLO answer after the first.</summary>
    protected virtual IEnumerable<string> Capabilities =>
        ["PIPELINING", $"SIZE {connection.Limits.MaxMessageBytes}", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES"];

    TimeSpan SessionEnd => productiveAt + connection.Limits.SessionTimeout;

    /// <summary>Runs the dialogue to its end. What goes wrong in a door's own code is reported and answered 451.</summary>
    /// <param name="report">Takes an exception of a door's own code.</param>
    /// <param name="cancel">The listener gives up waiting for this session.</param>
    internal async Task RunAsync(Action<Exception> report, CancellationToken cancel)
    {
        SmtpReply? farewell;
        try
        {
            connection.Write(new SmtpReply(220, null, $"{connection.HostName} ESMTP ready"));
            farewell = await ConverseAsync(report, cancel);
        }
        catch (SmtpConnectionLostException e)
        {
            farewell = e.Farewell;
        }
        await connection.CloseAsync(farewell);
    }

    async ValueTask<SmtpReply?> ConverseAsync(Action<Exception> report, CancellationToken cancel)
    {
        while (true)
        {
            if (connection.IsStopping && Envelope is null) return Farewells.Stopping;

            var read = connection.TryReadLine(out var line);
            if (read is LineRead.Incomplete)
            {
                await connection.WaitForCommandAsync(IdleUntil(), interruptible: Envelope is null);
                continue;
            }
            var reply = read switch
            {
                LineRead.TooLong => LineTooLong,
                LineRead.Malformed => LineMalformed,
                _ => await AnswerAsync(line, report, cancel),
            };
            if (reply.EndsSession) return reply;

            connection.Write(reply);
            if (reply.IsProtocolError && ++errors >= connection.Limits.MaxErrors) return Farewells.TooManyErrors;
            await connection.FlushAsync(onlyIfMany: true);
        }
    }

    TimeSpan IdleUntil()
    {
        var idle = Helo is null ? connection.Limits.GreetingTimeout : connection.Age + connection.Limits.CommandTimeout;
        return idle < SessionEnd ? idle : SessionEnd;
    }

    async ValueTask<SmtpReply> AnswerAsync(string line, Action<Exception> report, CancellationToken cancel)
    {
        var space = line.IndexOf(' ');
        var verb = (space < 0 ? line : line[..space]).ToUpperInvariant();
        var argument = space < 0 ? "" : line[(space + 1)..].Trim(' ');
        try
        {
            return verb switch
            {
                "EHLO" => Hello(argument, isExtended: true),
                "HELO" => Hello(argument, isExtended: false),
                "MAIL" => await MailAsync(argument, cancel),
                "RCPT" => await RcptAsync(argument, cancel),
                "DATA" => await DataAsync(argument, cancel),
                "RSET" => Rset(argument),
                "NOOP" => SmtpReply.Ok,   // an argument is allowed and means nothing (RFC 5321 §4.1.1.9)
                "VRFY" => new SmtpReply(252, "2.0.0", "Cannot verify, send it and see"),
                "HELP" => new SmtpReply(214, "2.0.0", "EHLO HELO MAIL RCPT DATA RSET NOOP VRFY QUIT"),
                "QUIT" => argument.Length > 0 ? NoArgument : Bye,
                // A web page can make its reader's browser post to a port of his machine, with commands in the body.
                _ when argument.Contains("HTTP/1.", StringComparison.OrdinalIgnoreCase) => NoHttp,
                _ => await OtherAsync(verb, argument, cancel),
            };
        }
        catch (Exception e) when (e is not SmtpConnectionLostException)
        {
            if (!cancel.IsCancellationRequested) report(e);
            if (verb is "MAIL" or "DATA") Envelope = null;
            return SmtpReply.LocalError;
        }
    }

    /// <summary>EHLO and HELO; both end an open transaction (RFC 5321 §4.1.4).</summary>
    protected virtual SmtpReply Hello(string argument, bool isExtended)
    {
        if (argument.Length is 0 or > 255 || argument.AsSpan().ContainsAnyInRange('\0', ' '))
            return new SmtpReply(501, "5.5.4", "Give your host name");
        Helo = argument;
        Envelope = null;
        return new SmtpReply(250, null, isExtended ? string.Join('\n', [connection.HostName, .. Capabilities]) : connection.HostName);
    }

    protected virtual async ValueTask<SmtpReply> MailAsync(string argument, CancellationToken cancel)
    {
        if (Helo is null) return Greet;
        if (Envelope is not null) return NestedMail;
        if (!SmtpPath.TryParse(argument, "FROM:", out var path) || IsPostmaster(path.Mailbox))
            return new SmtpReply(501, "5.5.4", "Syntax: MAIL FROM:<address>");

        long? declared = null;
        var (is8Bit, isUtf8) = (false, false);
        foreach (var parameter in path.Parameters.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            var equals = parameter.IndexOf('=');
            var value = equals < 0 ? null : parameter[(equals + 1)..];
            switch ((equals < 0 ? parameter : parameter[..equals]).ToUpperInvariant())
            {
                case "SIZE":   // RFC 1870 §4: 1 to 20 digits; more than a long holds is too big in any case
                    if (value is not { Length: > 0 and <= 20 } || value.AsSpan().ContainsAnyExceptInRange('0', '9')) return BadParameter;
                    declared = long.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var size) ? size : long.MaxValue;
                    if (declared > connection.Limits.MaxMessageBytes) return TooBig;
                    break;
                case "BODY":
                    is8Bit = "8BITMIME".Equals(value, StringComparison.OrdinalIgnoreCase);
                    if (!is8Bit && !"7BIT".Equals(value, StringComparison.OrdinalIgnoreCase)) return BadParameter;
                    break;
                case "SMTPUTF8":
                    if (value is not null) return BadParameter;
                    isUtf8 = true;
                    break;
                default:
                    if (!TakesMailParameter(parameter)) return UnknownParameter;
                    break;
            }
        }
        if (!isUtf8 && !Ascii.IsValid(path.Mailbox)) return NeedsSmtpUtf8;

        var envelope = new SmtpEnvelope
        {
            ReversePath = path.Mailbox,
            IsSmtpUtf8 = isUtf8,
            Is8BitMime = is8Bit,
            DeclaredBytes = declared,
            Helo = Helo,
            RemoteEndPoint = connection.RemoteEndPoint,
        };
        var reply = await CheckSenderAsync(envelope, cancel);
        if (reply.Code < 300) Envelope = envelope;
        return reply;
    }

    protected virtual async ValueTask<SmtpReply> RcptAsync(string argument, CancellationToken cancel)
    {
        if (Envelope is null) return NoMail;
        if (!SmtpPath.TryParse(argument, "TO:", out var path) || path.Mailbox.Length == 0)
            return new SmtpReply(501, "5.5.4", "Syntax: RCPT TO:<address>");
        if (path.Parameters.Length > 0) return UnknownParameter;
        if (!Envelope.IsSmtpUtf8 && !Ascii.IsValid(path.Mailbox)) return NeedsSmtpUtf8;
        if (Envelope.Recipients.Count >= connection.Limits.MaxRecipients) return TooManyRecipients;

        var reply = await CheckRecipientAsync(Envelope, path.Mailbox, cancel);
        if (reply.Code < 300) Envelope.Add(path.Mailbox);
        return reply;
    }

    protected virtual async ValueTask<SmtpReply> DataAsync(string argument, CancellationToken cancel)
    {
        if (argument.Length > 0) return NoArgument;
        if (Envelope is null) return NoMail;
        if (Envelope.Recipients.Count == 0) return NoRecipients;

        connection.Write(GoAhead);
        using var data = await connection.ReadMessageAsync(SessionEnd);
        var envelope = Envelope;
        Envelope = null;
        if (data.Fault is not DataFault.None) return Refusal(data);

        var reply = await ReceiveAsync(envelope, data.Message, cancel);
        if (reply.Code < 300) (errors, productiveAt) = (0, connection.Age);
        return reply;
    }

    SmtpReply Refusal(DataDecoder data)
    {
        // Commands that came along with a message of doubtful line ends may be part of what a stranger wrote: they are not run.
        var isCut = data.IsHopeless || data.Fault is DataFault.BareLineEnd or DataFault.Nul && connection.HasInput;
        var (code, enhanced, text) = data.Fault switch
        {
            DataFault.TooBig => (552, "5.3.4", "Message too big"),
            DataFault.NoRoom => (452, "4.3.1", "Too much mail at once, try again later"),
            DataFault.Nul => (550, "5.6.0", "The message holds a NUL"),
            _ => (550, "5.6.0", "The message holds a CR or LF that is not part of a CRLF"),
        };
        return new SmtpReply(code, enhanced, text) { EndsSession = isCut };
    }

    protected virtual SmtpReply Rset(string argument)
    {
        if (argument.Length > 0) return NoArgument;
        Envelope = null;
        return SmtpReply.Ok;
    }

    /// <summary>Any other verb: AUTH and STARTTLS belong here, in the doors that have them.</summary>
    protected virtual ValueTask<SmtpReply> OtherAsync(string verb, string argument, CancellationToken cancel) =>
        new(new SmtpReply(500, "5.5.2", "Unknown command"));

    /// <summary>Whether a parameter of MAIL that is not SIZE, BODY or SMTPUTF8 is understood; the door keeps it.</summary>
    protected virtual bool TakesMailParameter(string parameter) => false;

    /// <summary>Whether this client may use this reverse-path; the envelope has no recipients yet.</summary>
    protected virtual ValueTask<SmtpReply> CheckSenderAsync(SmtpEnvelope envelope, CancellationToken cancel) => new(SmtpReply.SenderOk);

    /// <summary>Whether we take mail for this recipient; 2yz adds it to the envelope.</summary>
    protected virtual ValueTask<SmtpReply> CheckRecipientAsync(SmtpEnvelope envelope, string recipient, CancellationToken cancel) =>
        new(SmtpReply.RecipientOk);

    /// <summary>Takes a whole message. 2yz means that we answer for it from now on (RFC 5321 §6.1): store first.</summary>
    /// <param name="message">Octets as sent, dots unstuffed, lines ended by CRLF, no NUL. Valid until the returned task ends:
    /// the buffer is used again.</param>
    /// <param name="cancel">The listener stops and its grace is over.</param>
    protected abstract ValueTask<SmtpReply> ReceiveAsync(SmtpEnvelope envelope, ReadOnlyMemory<byte> message, CancellationToken cancel);

    static bool IsPostmaster(string mailbox) => mailbox.Length > 0 && !mailbox.Contains('@');
}
