using System.Net;
using System.Net.Sockets;
using EmailApi.Delivery;
using MimeKit;

namespace EmailApi.Relays;

/// <summary>One kept-open connection to a relay. Not for concurrent use.</summary>
sealed class RelayConnection(RelayOptions relay, TimeProvider clock) : IDisposable
{
    readonly Conversation conversation = new();
    SmtpWire? wire;
    Socket? socket;
    RelayOffers offers = RelayOffers.None;
    bool isOpen;   // a transaction that was refused waits for its end
    long idleSince;

    public bool IsConnected => wire is not null;

    /// <summary>While idle: the relay has closed it, or said something that nobody asked for and that must not be taken for a reply to the next command.</summary>
    public bool HasSpoken => wire is null || wire.HasUnread || socket!.Poll(0, SelectMode.SelectRead);

    /// <summary>How long it has been open without work.</summary>
    public TimeSpan Idle => clock.GetElapsedTime(idleSince);

    /// <summary>Protocol and cipher of the last connection; null in clear.</summary>
    public string? Tls { get; private set; }

    /// <summary>What was said for the last message, the connecting included when it was made for it.</summary>
    public string Conversation => conversation.Text();

    /// <summary>Sends one message.</summary>
    /// <returns>An outcome for each recipient, in their order.</returns>
    public async Task<IReadOnlyList<Outcome>> SendAsync(MimeMessage message, RelayEnvelope envelope, CancellationToken cancel)
    {
        using var written = new WireMessage(message, envelope.NeedsSmtpUtf8);
        conversation.Clear();
        for (var isRetry = false; ; isRetry = true)
        {
            var wasKept = IsConnected;
            if (!wasKept && await ConnectAsync(cancel) is { } trouble) return All(envelope, trouble);

            if (envelope.NeedsSmtpUtf8 && !offers.SmtpUtf8)
            {
                if (wasKept) { Dispose(); continue; }   // what was offered may have changed: only a fresh connection can say no for good
                return All(envelope, new Outcome.Failed(SmtpStep.Mail, "smtputf8_not_offered",
                    new(550, "5.6.7", $"{relay.Name} does not offer SMTPUTF8, which this address needs.")));
            }

            var outcomes = await TransactAsync(written, envelope, cancel);
            // A kept connection that the relay closed meanwhile is no failure, whatever it said last: once more on a fresh one, as nothing was taken.
            var isStale = wasKept && !isRetry && !IsConnected && outcomes.All(o => o.Step is SmtpStep.Mail);
            if (!isStale || cancel.IsCancellationRequested) return outcomes;
        }
    }

    public void Dispose()
    {
        wire?.Dispose();
        socket?.Dispose();
        (wire, socket, isOpen) = (null, null, false);
    }

    public async Task QuitAsync(CancellationToken cancel)
    {
        if (wire is not null) await wire.LeaveAsync(cancel);
        Dispose();
    }

    async Task<IReadOnlyList<Outcome>> TransactAsync(WireMessage message, RelayEnvelope envelope, CancellationToken cancel)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        var transaction = new SmtpTransaction(wire!, offers, relay, envelope, () => message.Size, resets: isOpen);
        var outcomes = await transaction.RunAsync(message, deadline, Explain);
        isOpen = transaction.IsOpen;
        if (transaction.IsOver) Dispose();
        idleSince = clock.GetTimestamp();
        return outcomes;
    }

    /// <returns>Null when mail can be handed over.</returns>
    async Task<Outcome?> ConnectAsync(CancellationToken cancel)
    {
        Dispose();
        Tls = null;
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        deadline.CancelAfter(relay.ConnectTimeout);
        var step = SmtpStep.Connect;
        Outcome? trouble;
        try
        {
            socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            await socket.ConnectAsync(relay.Host, relay.Port, deadline.Token);
            wire = new(new NetworkStream(socket, ownsSocket: true), conversation);
            trouble = await OpenAsync();
        }
        catch (Exception error)
        {
            trouble = new Outcome.Lost(step, Explain(error, step));
        }

        if (trouble is not null) Dispose();
        return trouble;

        async Task<Outcome?> OpenAsync()
        {
            if (relay.Security is RelaySecurity.Tls) await SecureAsync();
            step = SmtpStep.Banner;
            deadline.CancelAfter(relay.CommandTimeout);
            if (Refusal(await wire!.ReadAsync(deadline.Token), 220) is { } unwelcome) return unwelcome;
            if (await GreetAsync() is { } unknown) return unknown;
            if (relay.Security is RelaySecurity.StartTls)
            {
                step = SmtpStep.StartTls;
                if (!offers.StartTls) return new Outcome.Lost(step, $"{relay.Name} does not offer STARTTLS, which is demanded.");
                if (Refusal(await AskAsync("STARTTLS"), 220) is { } unready) return unready;
                await SecureAsync();
                if (await GreetAsync() is { } again) return again;
            }

            return await LogInAsync();
        }

        async Task SecureAsync()
        {
            step = SmtpStep.StartTls;
            deadline.CancelAfter(relay.CommandTimeout);
            await wire!.SecureAsync(relay.Host, look: null, deadline.Token);
            Tls = $"{wire.Tls!.SslProtocol} {wire.Tls.NegotiatedCipherSuite}";
        }

        async Task<Outcome?> GreetAsync()
        {
            step = SmtpStep.Ehlo;
            var name = OwnName();
            var reply = await AskAsync($"EHLO {name}");
            var isOld = reply.Code is 500 or 502 or 504;   // RFC 5321 §3.2
            if (isOld) reply = await AskAsync($"HELO {name}");
            offers = isOld ? RelayOffers.None : RelayOffers.Of(reply);
            return Refusal(reply, 250);
        }

        async Task<Outcome?> LogInAsync()
        {
            step = SmtpStep.Auth;
            if (relay.Username is not { Length: > 0 } user) return null;
            if (Tls is null) return new Outcome.Lost(SmtpStep.StartTls, "The connection is not protected; the password was not sent.");
            var refusal = await RelayLogin.TryAsync(offers, user, relay.Password!, AskAsync, deadline.Token);
            return refusal is null ? null : Refusal(refusal, 235);
        }

        Task<WireReply> AskAsync(string command, string? shown = null)
        {
            deadline.CancelAfter(relay.CommandTimeout);
            return wire!.SayAsync(command, deadline.Token, shown);
        }

        Outcome? Refusal(WireReply reply, int expected) =>
            reply.Code == expected ? null
            : reply.IsRefusal ? new Outcome.Replied(step, RelayReply.Of(reply.Code, reply.Text))
            : new Outcome.Lost(step, $"{relay.Name} answers {reply.Code} {reply.Text}");
    }

    /// <summary>An address literal (RFC 5321 §4.1.3): this machine's name may be known to nobody.</summary>
    string OwnName() => (socket!.LocalEndPoint as IPEndPoint)?.Address switch
    {
        { IsIPv4MappedToIPv6: true } mapped => $"[{mapped.MapToIPv4()}]",
        { AddressFamily: AddressFamily.InterNetworkV6 } six => $"[IPv6:{new IPAddress(six.GetAddressBytes())}]",
        { } four => $"[{four}]",
        null => "[127.0.0.1]",
    };

    static IReadOnlyList<Outcome> All(RelayEnvelope envelope, Outcome outcome) => [.. envelope.Recipients.Select(_ => outcome)];

    string Explain(Exception error, SmtpStep step) => error switch
    {
        OperationCanceledException => $"{relay.Name} did not answer in time ({step}).",
        SocketException socket => $"{relay.Host}:{relay.Port}: {socket.Message}",
        _ => $"{relay.Name}: {error.Message.ReplaceLineEndings(" ")}",
    };
}
