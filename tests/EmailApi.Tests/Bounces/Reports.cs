namespace EmailApi.Tests.Bounces;

/// <summary>Messages that come back, as servers write them.</summary>
static class Reports
{
    /// <summary>A delivery report (RFC 3464) of a mail whose header comes back with it.</summary>
    /// <param name="messageId">Of the mail; null: its header tells none.</param>
    public static string Dsn(string recipient, string status = "5.1.1", string action = "failed", string diagnostic = "550 5.1.1 No such user here", string to = "orders@shop.example", string? messageId = null, string? envelopeId = null) => Lines($"""
        From: Mail Delivery System <MAILER-DAEMON@mx.example>
        To: {to}
        Subject: Undelivered Mail Returned to Sender
        Auto-Submitted: auto-replied
        MIME-Version: 1.0
        Content-Type: multipart/report; report-type=delivery-status; boundary="=_b"

        --=_b
        Content-Type: text/plain; charset=us-ascii

        Your mail to {recipient} could not be delivered.

        --=_b
        Content-Type: message/delivery-status

        Reporting-MTA: dns; mx.example{(envelopeId is null ? "" : $"\nOriginal-Envelope-Id: {envelopeId}")}

        Final-Recipient: rfc822; {recipient}
        Action: {action}
        Status: {status}
        Diagnostic-Code: smtp; {diagnostic}

        --=_b
        Content-Type: text/rfc822-headers

        From: Shop <orders@shop.example>
        To: {recipient}
        Subject: Hello{(messageId is null ? "" : $"\nMessage-ID: {messageId}")}

        --=_b--
        """);

    /// <summary>An abuse report (RFC 5965).</summary>
    /// <param name="returnPath">Of the mail that is complained of.</param>
    public static string Complaint(string returnPath, string? recipient = null, string to = "fbl@bounce.example") => Lines($"""
        From: Feedback loop <fbl@mailbox.example>
        To: {to}
        Subject: Abuse report
        MIME-Version: 1.0
        Content-Type: multipart/report; report-type=feedback-report; boundary="=_b"

        --=_b
        Content-Type: text/plain; charset=us-ascii

        This is an abuse report.

        --=_b
        Content-Type: message/feedback-report

        Feedback-Type: abuse
        User-Agent: Loop/1.0
        Version: 1
        Original-Mail-From: <{returnPath}>{(recipient is null ? "" : $"\nOriginal-Rcpt-To: <{recipient}>")}

        --=_b
        Content-Type: message/rfc822

        Return-Path: <{returnPath}>
        From: Shop <orders@shop.example>
        Subject: Hello

        It works.
        --=_b--
        """);

    /// <summary>A message disposition notification (RFC 8098).</summary>
    public static string Receipt(string recipient, string disposition, string to, string? messageId = null) => Lines($"""
        From: Reader <{recipient}>
        To: {to}
        Subject: Read: Hello
        MIME-Version: 1.0
        Content-Type: multipart/report; report-type=disposition-notification; boundary="=_b"

        --=_b
        Content-Type: text/plain; charset=us-ascii

        Your mail was displayed.

        --=_b
        Content-Type: message/disposition-notification

        Reporting-UA: pc.example; Reader 1.0
        Final-Recipient: rfc822; {recipient}{(messageId is null ? "" : $"\nOriginal-Message-ID: {messageId}")}
        Disposition: {disposition}

        --=_b--
        """);

    /// <summary>A notice of absence (RFC 3834).</summary>
    public static string AutoReply(string to) => Lines($"""
        From: Taro <taro@example.jp>
        To: {to}
        Subject: Automatic reply: Hello
        Auto-Submitted: auto-replied

        I am away until Monday.
        """);

    static string Lines(string text) => text.ReplaceLineEndings("\r\n") + "\r\n";
}
