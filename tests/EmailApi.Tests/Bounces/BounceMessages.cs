using System.Text;
using EmailApi.Bounces;

namespace EmailApi.Tests.Bounces;

/// <summary>Small reports, written out as servers write them.</summary>
static class BounceMessages
{
    public static BounceReport Read(string message) => Read(Encoding.UTF8.GetBytes(message));

    public static BounceReport Read(byte[] message) => BounceReader.Read(new MemoryStream(message), CancellationToken.None);

    /// <summary>A report as RFC 3462 asks, with these groups of recipients.</summary>
    public static string Report(string groups, string text = "Your mail came back.", string statusType = "message/delivery-status") => $"""
        From: Mail Delivery System <MAILER-DAEMON@mx.example>
        To: bounces@sender.example
        Subject: Undelivered Mail Returned to Sender
        MIME-Version: 1.0
        Content-Type: multipart/report; report-type=delivery-status; boundary="b"

        --b
        Content-Type: text/plain

        {text}

        --b
        Content-Type: {statusType}

        Reporting-MTA: dns; mx.example
        Original-Envelope-Id: rc_4711

        {groups}

        --b
        Content-Type: text/rfc822-headers

        Message-ID: <em_1@sender.example>
        From: Shop <shop@sender.example>
        To: Taro <taro@example.net>
        Cc: hanako@example.net

        --b--
        """;

    /// <summary>A report in words only.</summary>
    public static string Words(string text, string header = "Subject: failure notice", string from = "MAILER-DAEMON@mx.example") =>
        $"From: {from}\nTo: bounces@sender.example\n{header}\n\n{text}\n";
}
