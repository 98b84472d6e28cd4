using System.Net.Sockets;
using EmailApi.Delivery;
using EmailApi.Emails;
using MailKit;
using MailKit.Net.Smtp;
using MailKit.Security;
using MimeKit;

namespace EmailApi.Relays;

/// <summary>One kept-open connection to a relay. Not for concurrent use.</summary>
sealed class RelayConnection(RelayOptions relay, TimeProvider clock) : IDisposable
{
    readonly DialogueWatch watch = new();
    RelayClient? client;
    Socket? socket;
    long idleSince;

    public bool IsConnected => client?.IsConnected is true;

    /// <summary>While idle: the relay has closed it, or said something that nobody asked for and that must not be taken for a reply to the next command.</summary>
    public bool HasSpoken => socket is null || socket.Poll(0, SelectMode.SelectRead);

    /// <summary>How long it has been open without work.</summary>
    public TimeSpan Idle => clock.GetElapsedTime(idleSince);

    /// <summary>Protocol and cipher, of a connection that was lost meanwhile too; null in clear.</summary>
    public string? Tls { get; private set; }

    /// <summary>What was said for the last message, the connecting included when it was made for it.</summary>
    public string Conversation => watch.Conversation.Text();

    /// <summary>Sends one message.</summary>
    /// <returns>An outcome for each recipient, in their order.</returns>
    public async Task<IReadOnlyList<Outcome>> SendAsync(MimeMessage message, RelayEnvelope envelope, CancellationToken cancel)
    {
        watch.Conversation.Clear();
        for (var isRetry = false; ; isRetry = true)
        {
            var wasKept = IsConnected;
            if (!wasKept && await ConnectAsync(cancel) is { } trouble) return All(envelope, trouble);

            if (envelope.NeedsSmtpUtf8 && !client!.Capabilities.HasFlag(SmtpCapabilities.UTF8))
            {
                if (wasKept) { Dispose(); continue; }   // what was offered may have changed: only a fresh connection can say no for good
                return All(envelope, new Outcome.Failed(SmtpStep.Mail, "smtputf8_not_offered",
                    new(550, "5.6.7", $"{relay.Name} does not offer SMTPUTF8, which this address needs.")));
            }

            var outcomes = await TransactAsync(message, envelope, cancel);
            // A kept connection that the relay closed meanwhile is no failure: once more on a fresh one, as nothing was taken.
            var isStale = wasKept && !isRetry && !IsConnected && outcomes.All(o => o is Outcome.Lost { Step: SmtpStep.Mail } or Outcome.Replied { Step: SmtpStep.Mail, Reply.Code: 421 });
            if (!isStale) return outcomes;
        }
    }

    async Task<Outcome?> ConnectAsync(CancellationToken cancel)
    {
        Dispose();
        client = new(watch);
        Tls = null;
        watch.Begin();
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        deadline.CancelAfter(relay.ConnectTimeout);
        watch.Waiting = _ => deadline.CancelAfter(relay.CommandTimeout);
        var step = SmtpStep.Connect;
        try
        {
            socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            try
            {
                await socket.ConnectAsync(relay.Host, relay.Port, deadline.Token);
                step = SmtpStep.Banner;
                deadline.CancelAfter(relay.CommandTimeout);
                await client.ConnectAsync(socket, relay.Host, relay.Port, relay.Security.ToSocketOptions(), deadline.Token);
            }
            catch
            {
                socket.Dispose();
                socket = null;
                throw;
            }

            if (client.IsSecure) Tls = $"{client.SslProtocol} {client.SslCipherSuite}";
            // BDAT has no final dot to watch, and gains nothing here.
            client.Capabilities &= ~(SmtpCapabilities.Chunking | SmtpCapabilities.BinaryMime);
            step = SmtpStep.Auth;
            if (relay.Username is { Length: > 0 } user)
            {
                if (!client.IsSecure) return new Outcome.Lost(SmtpStep.StartTls, "The connection is not protected; the password was not sent.");
                await client.AuthenticateAsync(user, relay.Password!, deadline.Token);
            }

            return null;
        }
        catch (Exception error)
        {
            if (step is SmtpStep.Banner) step = error is SslHandshakeException or NotSupportedException ? SmtpStep.StartTls : watch.Step;
            var outcome = watch.LastReply is { Code: >= 400 } reply && error is not OperationCanceledException
                ? new Outcome.Replied(step, RelayReply.Of(reply.Code, reply.Text))
                : (Outcome)new Outcome.Lost(step, Explain(error, step));
            Dispose();
            return outcome;
        }
        finally
        {
            watch.Waiting = null;
        }
    }

    async Task<IReadOnlyList<Outcome>> TransactAsync(MimeMessage message, RelayEnvelope envelope, CancellationToken cancel)
    {
        watch.Begin();
        client!.Begin(envelope);
        var current = client;
        var mailboxes = envelope.Recipients.Select(Bare).ToList();
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        deadline.CancelAfter(relay.CommandTimeout);
        watch.Waiting = isDot => deadline.CancelAfter(isDot ? relay.DataTimeout : relay.CommandTimeout);
        Outcome decided;
        try
        {
            var format = FormatOptions.Default.Clone();
            format.International = envelope.NeedsSmtpUtf8;
            var text = await client.SendAsync(format, message, Bare(envelope.ReversePath), mailboxes, deadline.Token);
            // It returns on 250 alone. The bytes seen last may say more than that: a 421 that came along with it judges no mail.
            decided = new Outcome.Replied(SmtpStep.Dot, RelayReply.Of(250, text));
        }
        catch (SmtpCommandException refused)
        {
            var step = refused.ErrorCode switch
            {
                SmtpErrorCode.SenderNotAccepted => SmtpStep.Mail,
                SmtpErrorCode.RecipientNotAccepted => SmtpStep.Rcpt,
                SmtpErrorCode.MessageNotAccepted => watch.WasDotSent ? SmtpStep.Dot : SmtpStep.Data,
                _ => client.Step(watch.WasDotSent),
            };
            // To the dot an answer that is neither yes nor no says nothing of who has the mail.
            decided = step is SmtpStep.Dot && (int)refused.StatusCode is < 200 or (>= 300 and < 400) or >= 600
                ? new Outcome.InDoubt(Explain(refused, step))
                : new Outcome.Replied(step, RelayReply.Of((int)refused.StatusCode, refused.Message));
            if ((int)refused.StatusCode == 421) Dispose();
        }
        catch (ServiceNotAuthenticatedException refused)
        {
            decided = new Outcome.Replied(client.Step(watch.WasDotSent), RelayReply.Of(530, refused.Message));
        }
        catch (Exception error)
        {
            decided = watch.WasDotSent   // lost, or answered with what is no reply
                ? new Outcome.InDoubt(Explain(error, SmtpStep.Dot))
                : new Outcome.Lost(client.Step(wasDotSent: false), Explain(error, SmtpStep.Data));
            Dispose();
        }
        finally
        {
            watch.Waiting = null;
            idleSince = clock.GetTimestamp();
        }

        return [.. mailboxes.Select(m => current.RefusalOf(m) ?? decided)];
    }

    static MailboxAddress Bare(string address) => new((string?)null, Address.ToWire(address));

    static IReadOnlyList<Outcome> All(RelayEnvelope envelope, Outcome outcome) => [.. envelope.Recipients.Select(_ => outcome)];

    string Explain(Exception error, SmtpStep step) => error switch
    {
        OperationCanceledException => $"{relay.Name} did not answer in time ({step}).",
        SocketException socket => $"{relay.Host}:{relay.Port}: {socket.Message}",
        _ => $"{relay.Name}: {error.Message.ReplaceLineEndings(" ")}",
    };

    public void Dispose()
    {
        client?.Dispose();
        (client, socket) = (null, null);
    }

    public async Task QuitAsync(CancellationToken cancel)
    {
        try
        {
            if (client is { IsConnected: true }) await client.DisconnectAsync(quit: true, cancel);
        }
        catch (Exception error) when (error is not OutOfMemoryException)
        {
            // Leaving politely is all that was tried.
        }

        Dispose();
    }
}
