using EmailApi.Bounces;
using static EmailApi.Tests.Bounces.BounceMessages;

namespace EmailApi.Tests.Bounces;

/// <summary>Complaints, receipts, automatic replies, and what is none of these.</summary>
public class OtherReportsTests
{
    static string Feedback(string fields) => $"""
        From: complaints@provider.example
        Subject: FW: Hello
        Content-Type: multipart/report; report-type=feedback-report; boundary=b

        --b
        Content-Type: text/plain

        This is an email abuse report.

        --b
        Content-Type: message/feedback-report

        {fields}

        --b
        Content-Type: message/rfc822

        Message-ID: <em_1@sender.example>
        To: taro@example.net

        Hello
        --b--
        """;

    [Theory]
    [InlineData("abuse")]
    [InlineData("fraud")]
    [InlineData("virus")]
    [InlineData("opt-out")]
    [InlineData("miscategorized")]
    public void Somebody_complains(string type)
    {
        var report = Read(Feedback($"Feedback-Type: {type}\nUser-Agent: x/1\nVersion: 1\nOriginal-Rcpt-To: <hanako@example.net>"));

        Assert.Equal((ReportKind.Complaint, "hanako@example.net", BounceReason.Complaint),
            (report.Kind, Assert.Single(report.Recipients).Email, report.Recipients[0].Reason));
        Assert.Equal("em_1@sender.example", report.Original.MessageId);
    }

    [Fact]
    public void Hotmail_complains_with_no_more_than_the_mail()
    {
        var report = Read("From: staff@hotmail.example\nSubject: complaint about message from 192.0.2.1\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n\n"
            + "X-HmXmrOriginalRecipient: hanako@example.net\nMessage-ID: <em_1@sender.example>\n\nHello\n--b--\n");

        Assert.Equal((ReportKind.Complaint, "hanako@example.net", "em_1@sender.example"), (report.Kind, Assert.Single(report.Recipients).Email, report.Original.MessageId));
    }

    [Fact]
    public void An_old_program_calls_its_automatic_reply_a_vacation() =>
        Assert.Equal(ReportKind.AutoReply, Read(Words("I will be back on Monday.", "Subject: Re: Hello\nAuto-Submitted: vacation", "Taro <taro@example.net>")).Kind);

    [Theory]
    [InlineData("Delivery failed: nobody at home", "Your parcel could not be delivered to Main Street 5.")]
    [InlineData("Delivery status of our service", "We deliver 550 parcels a day.")]
    public void A_carrier_reports_of_no_mail(string subject, string text) =>
        Assert.Equal(ReportKind.Other, Read(Words(text, $"Subject: {subject}", "Carrier <news@carrier.example>")).Kind);

    [Fact]
    public void A_telephone_number_is_no_reply_code() =>
        Assert.Equal(ReportKind.Other, Read(Words("The sofa was not delivered to us. Call me at 555 12345.", "Subject: Our sofa", "Taro <taro@example.net>")).Kind);

    [Theory]
    [InlineData("not-spam")]
    [InlineData("auth-failure")]
    public void A_report_that_accuses_nobody_is_no_complaint(string type)
    {
        var report = Read(Feedback($"Feedback-Type: {type}\nOriginal-Rcpt-To: hanako@example.net"));

        Assert.Equal((ReportKind.Other, 0), (report.Kind, report.Recipients.Count));
    }

    [Fact]
    public void A_redacted_recipient_is_taken_from_the_returned_header_or_stays_unknown()
    {
        var told = Read(Feedback("Feedback-Type: abuse\nOriginal-Rcpt-To: redacted"));
        var untold = Read(Feedback("Feedback-Type: abuse").Replace("To: taro@example.net", "To: [redacted]"));

        Assert.Equal("taro@example.net", Assert.Single(told.Recipients).Email);
        Assert.Null(Assert.Single(untold.Recipients).Email);
    }

    [Fact]
    public void Every_recipient_of_a_complaint_is_read()
    {
        var report = Read(Feedback("Feedback-Type: abuse\nOriginal-Rcpt-To: a@example.net\nOriginal-Rcpt-To: b@example.net"));

        Assert.Equal(["a@example.net", "b@example.net"], report.Recipients.Select(r => r.Email));
    }

    [Theory]
    [InlineData("displayed")]
    [InlineData("deleted")]
    [InlineData("failed")]
    public void A_receipt_is_never_a_bounce(string disposition)
    {
        var report = Read($"From: taro@example.net\nSubject: Read: Hello\nContent-Type: multipart/report; report-type=disposition-notification; boundary=b\n\n"
            + "--b\nContent-Type: text/plain\n\nYour message was read.\n\n--b\nContent-Type: message/disposition-notification\n\n"
            + $"Final-Recipient: rfc822; taro@example.net\nOriginal-Message-ID: <em_1@sender.example>\nDisposition: manual-action/MDN-sent-manually; {disposition}\n\n--b--\n");

        Assert.Equal((ReportKind.ReadReceipt, ReportType.Unknown, "em_1@sender.example"), (report.Kind, report.Recipients[0].Type, report.Original.MessageId));
    }

    [Theory]
    [InlineData("Auto-Submitted: auto-replied\nSubject: Re: Hello")]
    [InlineData("X-Autoreply: yes\nSubject: Re: Hello")]
    [InlineData("Precedence: auto_reply\nSubject: Re: Hello")]
    [InlineData("X-Auto-Response-Suppress: All\nSubject: Automatic reply: Hello")]
    [InlineData("Subject: =?utf-8?B?5LiN5Zyo44Gu44GK55+l44KJ44Gb?=")]
    [InlineData("Subject: Out of Office: undeliverable until Monday")]
    [InlineData("Subject: Abwesenheitsnotiz: Hallo")]
    public void An_automatic_reply_is_never_a_bounce(string header)
    {
        var report = Read($"From: Taro <taro@example.net>\nTo: shop@sender.example\nIn-Reply-To: <em_1@sender.example>\n{header}\n\n"
            + "I am away; mail to old@example.net could not be delivered: user unknown.\n");

        Assert.Equal((ReportKind.AutoReply, "taro@example.net", BounceReason.Vacation), (report.Kind, report.Recipients[0].Email, report.Recipients[0].Reason));
        Assert.Equal((ReportType.Unknown, "em_1@sender.example"), (report.Recipients[0].Type, report.Original.MessageId));
    }

    [Theory]
    [InlineData("Subject: Re: your order\n\nThank you!")]
    [InlineData("Subject: Re: Undeliverable: your order\n\n> 550 5.1.1 <x@example.net>: user unknown\n\nWhat does this mean?")]
    [InlineData("Auto-Submitted: no\nSubject: Hello\n\nHello")]
    [InlineData("Auto-Submitted: auto-generated\nSubject: The nightly report\n\nAll is well")]
    [InlineData("Subject: Newsletter\nPrecedence: bulk\nContent-Type: text/html\n\n<p>Delivery in 3 days: user@example.net</p>")]
    public void Peoples_mail_is_none_of_these(string rest) =>
        Assert.Equal((ReportKind.Other, 0), (Read($"From: taro@example.net\nTo: shop@sender.example\n{rest}\n") is var r ? (r.Kind, r.Recipients.Count) : default));
}
