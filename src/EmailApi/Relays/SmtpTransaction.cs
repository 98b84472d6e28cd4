using System.Buffers;
using System.Globalization;
using System.Text;
using EmailApi.Delivery;
using EmailApi.Emails;

namespace EmailApi.Relays;

/// <summary>One transaction: MAIL, RCPT and DATA in as few writes as the relay allows (RFC 2920), the message, and what each recipient is answered. For one use.</summary>
sealed class SmtpTransaction
{
    /// <summary>Commands in a write: their replies must find room while nobody reads them (RFC 2920 §3.1).</summary>
    const int MaxGroup = 50;

    /// <param name="Step">Null: RSET, which ends a transaction before.</param>
    /// <param name="Recipient">Of an RCPT.</param>
    /// <param name="End">Where it ends in what is said.</param>
    readonly record struct Command(SmtpStep? Step, int Recipient, int End);

    readonly SmtpWire wire;
    readonly RelayOffers offers;
    readonly RelayOptions relay;
    readonly ArrayBufferWriter<byte> said = new(256);
    readonly List<Command> commands = [];
    readonly Outcome?[] refused;
    Outcome? refusal;   // of all
    SmtpStep step = SmtpStep.Mail;
    int accepted;
    bool isMessageWanted, isDotWritten;

    /// <param name="size">Of the message; for SIZE.</param>
    /// <param name="resets">A transaction before is still open.</param>
    /// <exception cref="ArgumentException">An address that no validator has seen: it would end its line.</exception>
    public SmtpTransaction(SmtpWire wire, RelayOffers offers, RelayOptions relay, RelayEnvelope envelope, Func<long> size, bool resets)
    {
        (this.wire, this.offers, this.relay) = (wire, offers, relay);
        refused = new Outcome?[envelope.Recipients.Count];
        if (resets) Add(null, "RSET");
        Add(SmtpStep.Mail, $"MAIL FROM:<{Path(envelope.ReversePath)}>{MailParameters(envelope, size)}");
        for (var i = 0; i < envelope.Recipients.Count; i++) Add(SmtpStep.Rcpt, $"RCPT TO:<{Path(envelope.Recipients[i])}>{RcptParameters(envelope, envelope.Recipients[i])}", i);
        Add(SmtpStep.Data, "DATA");
    }

    /// <summary>Nothing more can be said on this connection.</summary>
    public bool IsOver { get; private set; }

    /// <summary>The relay waits for the transaction to go on: the next must begin with RSET.</summary>
    public bool IsOpen { get; private set; }

    /// <param name="deadline">Set anew for each wait.</param>
    /// <param name="explain">Says what an exception means at a step.</param>
    /// <returns>An outcome for each recipient, in their order.</returns>
    public async Task<IReadOnlyList<Outcome>> RunAsync(WireMessage message, CancellationTokenSource deadline, Func<Exception, SmtpStep, string> explain)
    {
        Outcome decided;
        try
        {
            await EnvelopeAsync(deadline);
            decided = refusal ?? (accepted > 0 ? await MessageAsync(message, deadline) : refused[0]!);
        }
        catch (Exception error)
        {
            IsOver = true;
            decided = refusal ?? (isDotWritten ? new Outcome.InDoubt(explain(error, SmtpStep.Dot)) : new Outcome.Lost(step, explain(error, step)));
        }

        return [.. refused.Select(own => own ?? decided)];
    }

    /// <summary>Says the commands and reads their replies, up to a refusal of all.</summary>
    async Task EnvelopeAsync(CancellationTokenSource deadline)
    {
        for (var (next, from) = (0, 0); next < commands.Count && !IsOver && (refusal is null || isMessageWanted);)
        {
            if (commands[next].Step is SmtpStep.Data && accepted == 0 && !offers.Pipelining) return;
            var group = commands.Slice(next, offers.Pipelining ? Math.Min(MaxGroup, commands.Count - next) : 1);
            deadline.CancelAfter(relay.CommandTimeout);
            await wire.CommandAsync(said.WrittenMemory[from..group[^1].End], deadline.Token);
            foreach (var command in group)
            {
                deadline.CancelAfter(relay.CommandTimeout);   // for each reply: a relay may look up each recipient
                Hear(command, await wire.ReadAsync(deadline.Token));
                if (IsOver) return;
            }

            next += group.Count;
            from = group[^1].End;
        }

        // It wants a message for nobody, perhaps an empty one (RFC 2920 §3.1): better none at all.
        if (isMessageWanted && (refusal is not null || accepted == 0)) IsOver = true;
    }

    void Hear(Command command, WireReply reply)
    {
        var isYes = command.Step is SmtpStep.Data ? reply.Code == 354 : reply.IsYes;
        if (!isYes && !(reply.IsRefusal && command.Step is not null)) throw new IOException($"the relay answers {reply.Code} to {command.Step?.ToString().ToUpperInvariant() ?? "RSET"}");
        switch (command.Step)
        {
            case SmtpStep.Mail:
                if (reply.IsRefusal) Refuse(command, reply);
                else (IsOpen, step) = (true, SmtpStep.Rcpt);
                break;
            case SmtpStep.Rcpt when refusal is null:
                if (!reply.IsRefusal) (accepted, step) = (accepted + 1, SmtpStep.Data);
                else if (reply.IsClosing) Refuse(command, reply);
                else refused[command.Recipient] = Replied(SmtpStep.Rcpt, reply);
                break;
            case SmtpStep.Data:
                isMessageWanted = !reply.IsRefusal;
                if (reply.IsRefusal && refusal is null && accepted > 0) Refuse(command, reply);
                break;
        }

        if (reply.IsClosing) IsOver = true;
    }

    void Refuse(Command command, WireReply reply) => refusal = Replied(command.Step!.Value, reply);

    async Task<Outcome> MessageAsync(WireMessage message, CancellationTokenSource deadline)
    {
        deadline.CancelAfter(relay.CommandTimeout);
        await message.WriteAsync(wire, () => deadline.CancelAfter(relay.CommandTimeout), deadline.Token);
        isDotWritten = true;
        deadline.CancelAfter(relay.DataTimeout);
        var reply = await wire.ReadAsync(deadline.Token);
        if (!reply.IsYes && !reply.IsRefusal) throw new IOException($"the relay answers {reply.Code} to the message");
        (IsOpen, IsOver) = (false, reply.IsClosing);
        return Replied(SmtpStep.Dot, reply);
    }

    static Outcome.Replied Replied(SmtpStep step, WireReply reply) => new Outcome.Replied(step, RelayReply.Of(reply.Code, reply.Text));

    void Add(SmtpStep? command, string line, int recipient = -1)
    {
        Encoding.UTF8.GetBytes(line, said);
        said.Write("\r\n"u8);
        commands.Add(new(command, recipient, said.WrittenCount));
    }

    /// <summary>The message is 7-bit clean; only with SMTPUTF8 its header is not (RFC 6531 §3.6).</summary>
    string MailParameters(RelayEnvelope envelope, Func<long> size) => string.Concat(
        offers.Size ? string.Create(CultureInfo.InvariantCulture, $" SIZE={size()}") : "",
        !envelope.NeedsSmtpUtf8 ? "" : offers.EightBitMime ? " BODY=8BITMIME SMTPUTF8" : " SMTPUTF8",
        offers.Dsn && envelope.Id is { } id ? $" RET=HDRS ENVID={Xtext(id)}" : "");

    string RcptParameters(RelayEnvelope envelope, string address) =>
        !offers.Dsn || envelope.Reports is not { } reports ? ""
        : Ascii.IsValid(Address.ToWire(address)) ? $" NOTIFY={reports} ORCPT=rfc822;{Xtext(Address.ToWire(address))}"
        : $" NOTIFY={reports}";

    static string Path(string address)
    {
        var path = Address.ToWire(address);
        return path.AsSpan().ContainsAnyInRange('\0', '\x1F') || path.Contains('\x7F', StringComparison.Ordinal)
            ? throw new ArgumentException("An address has no control characters.", nameof(address))
            : path;
    }

    /// <summary>RFC 3461 §4.</summary>
    static string Xtext(string text) =>
        text.AsSpan().ContainsAnyExceptInRange('!', '~') || text.AsSpan().ContainsAny('+', '=')
            ? string.Concat(text.Select(c => c is >= '!' and <= '~' and not '+' and not '=' ? c.ToString() : string.Create(CultureInfo.InvariantCulture, $"+{(int)c:X2}")))
            : text;
}
