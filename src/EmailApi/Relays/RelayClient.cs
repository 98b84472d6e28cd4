using EmailApi.Delivery;
using MailKit;
using MailKit.Net.Smtp;
using MimeKit;

namespace EmailApi.Relays;

/// <summary>MailKit's client with two things it lacks: an answer of its own for each recipient, and knowing where a transaction stands.</summary>
sealed class RelayClient : SmtpClient
{
    readonly Dictionary<MailboxAddress, Outcome> refused = new(ReferenceEqualityComparer.Instance);
    bool isPastSender;
    bool isPastRecipients;   // at least one was accepted

    public RelayClient(IProtocolLogger watch) : base(watch)
    {
        // Each phase has a deadline of its own by cancellation; MailKit's 2 minutes would cut the wait for the final reply short.
        Timeout = System.Threading.Timeout.Infinite;
        CheckCertificateRevocation = false;
    }

    /// <summary>The step that a transaction stands at, by the replies that have come.</summary>
    public SmtpStep Step(bool wasDotSent) =>
        wasDotSent ? SmtpStep.Dot : isPastRecipients ? SmtpStep.Data : isPastSender ? SmtpStep.Rcpt : SmtpStep.Mail;

    public void Begin()
    {
        refused.Clear();
        isPastSender = isPastRecipients = false;
    }

    /// <summary>What the relay has against this recipient. With PIPELINING the RCPTs of a refused MAIL are answered as well, by a 503 that says
    /// nothing of them.</summary>
    public Outcome? RefusalOf(MailboxAddress recipient) => isPastSender ? refused.GetValueOrDefault(recipient) : null;

    protected override void OnSenderAccepted(MimeMessage message, MailboxAddress mailbox, SmtpResponse response) => isPastSender = true;

    protected override void OnRecipientAccepted(MimeMessage message, MailboxAddress mailbox, SmtpResponse response) => isPastRecipients = true;

    protected override void OnRecipientNotAccepted(MimeMessage message, MailboxAddress mailbox, SmtpResponse response) =>
        refused[mailbox] = new Outcome.Replied(SmtpStep.Rcpt, RelayReply.Of((int)response.StatusCode, response.Response));
}
