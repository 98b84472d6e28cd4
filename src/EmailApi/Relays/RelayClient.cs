using EmailApi.Delivery;
using MailKit;
using MailKit.Net.Smtp;
using MimeKit;
using MimeKit.Encodings;

namespace EmailApi.Relays;

/// <summary>MailKit's client with two things it lacks: an answer of its own for each recipient, and knowing where a transaction stands.</summary>
sealed class RelayClient : SmtpClient
{
    readonly Dictionary<MailboxAddress, Outcome> refused = new(ReferenceEqualityComparer.Instance);
    RelayEnvelope envelope = new("", []);
    bool isPastSender;
    bool isPastRecipients;   // at least one was accepted

    /// <summary>MailKit turns A-labels back into Unicode for every relay that offers SMTPUTF8, also in a transaction that does not ask for
    /// it (RFC 6531 §3.4), and such a relay refuses them.</summary>
    static RelayClient() => MailboxAddress.IdnMapping = new KeepALabels();

    public RelayClient(IProtocolLogger watch) : base(watch)
    {
        // Each phase has a deadline of its own by cancellation; MailKit's 2 minutes would cut the wait for the final reply short.
        Timeout = System.Threading.Timeout.Infinite;
        CheckCertificateRevocation = false;
        DeliveryStatusNotificationType = DeliveryStatusNotificationType.HeadersOnly;
    }

    /// <summary>The step that a transaction stands at, by the replies that have come.</summary>
    public SmtpStep Step(bool wasDotSent) =>
        wasDotSent ? SmtpStep.Dot : isPastRecipients ? SmtpStep.Data : isPastSender ? SmtpStep.Rcpt : SmtpStep.Mail;

    public void Begin(RelayEnvelope begun)
    {
        envelope = begun;
        refused.Clear();
        isPastSender = isPastRecipients = false;
    }

    /// <summary>What the relay has against this recipient. With PIPELINING the RCPTs of a refused MAIL are answered as well, by a 503 that says
    /// nothing of them.</summary>
    public Outcome? RefusalOf(MailboxAddress recipient) => isPastSender ? refused.GetValueOrDefault(recipient) : null;

    /// <summary>ENVID and RET go to relays that offer DSN (RFC 3461).</summary>
    protected override string? GetEnvelopeId(MimeMessage message) => envelope.Id;

    protected override DeliveryStatusNotification? GetDeliveryStatusNotifications(MimeMessage message, MailboxAddress mailbox) => envelope.Reports;

    protected override void OnSenderAccepted(MimeMessage message, MailboxAddress mailbox, SmtpResponse response) => isPastSender = true;

    protected override void OnRecipientAccepted(MimeMessage message, MailboxAddress mailbox, SmtpResponse response) => isPastRecipients = true;

    protected override void OnRecipientNotAccepted(MimeMessage message, MailboxAddress mailbox, SmtpResponse response) =>
        refused[mailbox] = new Outcome.Replied(SmtpStep.Rcpt, RelayReply.Of((int)response.StatusCode, response.Response));
}

/// <summary>Encodes domains as ever, and decodes none.</summary>
sealed class KeepALabels : IPunycode
{
    readonly Punycode idn = new();

    public string Encode(string unicode) => idn.Encode(unicode);

    public string Encode(string unicode, int index) => idn.Encode(unicode, index);

    public string Encode(string unicode, int index, int count) => idn.Encode(unicode, index, count);

    public string Decode(string ascii) => ascii;

    public string Decode(string ascii, int index) => ascii[index..];

    public string Decode(string ascii, int index, int count) => ascii.Substring(index, count);
}
