using EmailApi.Bounces;
using static EmailApi.Tests.Bounces.BounceMessages;

namespace EmailApi.Tests.Bounces;

/// <summary>RFC 3464 and what becomes of it on the way.</summary>
public class DeliveryStatusTests
{
    const string Failed = "Final-Recipient: rfc822; taro@example.net\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 5.1.1 User unknown";

    [Theory]
    [InlineData("Envelope expired", ReportType.Permanent, false)]
    [InlineData("Will be tried again.", ReportType.Temporary, true)]
    public void A_server_that_says_delayed_to_the_end_has_given_up_when_it_says_so(string words, ReportType type, bool isInterim)
    {
        var said = Read(Report("Final-Recipient: rfc822; taro@example.net\nAction: delayed\nStatus: 4.4.7", $"taro@example.net: {words}")).Recipients[0];

        Assert.Equal((type, isInterim), (said.Type, said.IsInterim));
    }

    [Fact]
    public void A_failed_recipient_is_read_with_its_codes_and_the_mail()
    {
        var report = Read(Report(Failed));

        Assert.Equal(ReportKind.Bounce, report.Kind);
        Assert.Equal(new ReportedRecipient("taro@example.net", ReportType.Permanent, "5.1.1", 550, BounceReason.UnknownUser, "550 5.1.1 User unknown"),
            Assert.Single(report.Recipients));
        Assert.Equal(("em_1@sender.example", "rc_4711"), (report.Original.MessageId, report.Original.EnvelopeId));
        Assert.Equal(["taro@example.net", "hanako@example.net"], report.Original.Recipients);
    }

    [Fact]
    public void Every_group_is_read()
    {
        var report = Read(Report(Failed + "\n\nFinal-Recipient: rfc822; hanako@example.net\nAction: delayed\nStatus: 4.2.2\n\n"
            + "Final-Recipient: rfc822; jiro@example.net\nAction: delivered\nStatus: 2.0.0\n\nFinal-Recipient: rfc822; saburo@example.net\nAction: relayed\nStatus: 2.1.9"));

        Assert.Equal(
            [("taro@example.net", ReportType.Permanent, BounceReason.UnknownUser, false), ("hanako@example.net", ReportType.Temporary, BounceReason.MailboxFull, true),
             ("jiro@example.net", ReportType.Delivered, BounceReason.Delivered, false), ("saburo@example.net", ReportType.Delivered, BounceReason.Delivered, true)],
            report.Recipients.Select(r => (r.Email, r.Type, r.Reason, r.IsInterim)));
    }

    [Fact]
    public void Groups_without_an_empty_line_between_are_told_apart()
    {
        var report = Read(Report(Failed + "\n" + Failed.Replace("taro", "hanako")));

        Assert.Equal(["taro@example.net", "hanako@example.net"], report.Recipients.Select(r => r.Email));
    }

    [Fact]
    public void The_address_is_the_one_that_was_written_to_not_the_one_behind_an_alias()
    {
        var aliased = Read(Report("Original-Recipient: rfc822; info@example.net\nFinal-Recipient: rfc822; taro@inside.example\n"
            + "X-Actual-Recipient: rfc822; t@disk.example\nAction: failed\nStatus: 5.2.2"));
        var sendmail = Read(Report("Final-Recipient: RFC822; info@example.net\nX-Actual-Recipient: RFC822; taro@inside.example\nAction: failed\nStatus: 5.2.2"));

        Assert.Equal("info@example.net", Assert.Single(aliased.Recipients).Email);
        Assert.Equal("info@example.net", Assert.Single(sendmail.Recipients).Email);
    }

    [Fact]
    public void A_pipe_is_no_address()
    {
        var report = Read(Report("Final-Recipient: rfc822; |/usr/bin/vacation taro\nAction: failed\nStatus: 5.3.0", "<info@example.net>: unknown mailer error 1"));

        Assert.Equal(("info@example.net", BounceReason.System), (report.Recipients[0].Email, report.Recipients[0].Reason));
    }

    [Theory]
    [InlineData("utf-8; 太郎@例え.jp", "太郎@例え.jp")]
    [InlineData(@"utf-8; \x{592A}\x{90CE}@example.jp", "太郎@example.jp")]
    [InlineData("rfc822; <taro@example.net> (Taro)", "taro@example.net")]
    [InlineData("taro@example.net", "taro@example.net")]
    [InlineData("rfc822; taro..jiro.@docomo.example", "taro..jiro.@docomo.example")]
    [InlineData("rfc822; \"taro jiro\"@example.net", "\"taro jiro\"@example.net")]
    public void Addresses_are_read_in_every_form(string field, string address) =>
        Assert.Equal(address, Assert.Single(Read(Report($"Final-Recipient: {field}\nAction: failed\nStatus: 5.1.1", statusType: "message/global-delivery-status")).Recipients).Email);

    [Theory]
    [InlineData("text/plain")]
    [InlineData("text/x-delivery-status")]
    [InlineData("message/delivery-status; charset=utf-8; name=\"deliverystatus.txt\"")]
    [InlineData("MESSAGE/Delivery-Status")]
    public void The_part_may_have_the_wrong_type(string type) =>
        Assert.Equal("5.1.1", Assert.Single(Read(Report(Failed, statusType: type)).Recipients).Status);

    [Fact]
    public void A_truncated_report_is_read_as_far_as_it_goes()
    {
        var whole = Report(Failed);
        var cut = whole[..(whole.IndexOf("Status: 5.1.1", StringComparison.Ordinal) + 13)];

        Assert.Equal(("taro@example.net", "5.1.1", BounceReason.UnknownUser),
            (Read(cut).Recipients[0].Email, Read(cut).Recipients[0].Status, Read(cut).Recipients[0].Reason));
    }

    [Fact]
    public void A_boundary_that_is_not_the_announced_one_hides_nothing()
    {
        var report = Read(Report(Failed).Replace("boundary=\"b\"", "boundary=\"another\""));

        Assert.Equal((ReportKind.Bounce, "taro@example.net", "5.1.1"), (report.Kind, report.Recipients[0].Email, report.Recipients[0].Status));
    }

    [Fact]
    public void A_report_that_somebody_forwarded_is_read()
    {
        var attached = "From: taro@sender.example\nTo: postmaster@sender.example\nSubject: Fwd: look\nContent-Type: multipart/mixed; boundary=o\n\n"
            + "--o\nContent-Type: text/plain\n\nLook at this.\n\n--o\nContent-Type: message/rfc822\n\n" + Report(Failed) + "\n--o--\n";
        var quoted = Words("Begin forwarded message:\n\n> Reporting-MTA: dns; mx.example\n>\n> " + Failed.Replace("\n", "\n> "), "Subject: Fwd: Returned mail", "taro@sender.example");

        Assert.Equal("taro@example.net", Assert.Single(Read(attached).Recipients).Email);
        Assert.Equal("taro@example.net", Assert.Single(Read(quoted).Recipients).Email);
    }

    [Fact]
    public void What_the_server_answered_counts_more_than_the_field_that_another_filled_in()
    {
        var recipient = Read(Report("Final-Recipient: rfc822; taro@example.net\nAction: failed\nStatus: 5.0.0\nDiagnostic-Code: smtp; 550-5.7.26 This mail is unauthenticated"))
            .Recipients[0];

        Assert.Equal(("5.7.26", 550, BounceReason.Authentication), (recipient.Status, recipient.ReplyCode, recipient.Reason));
    }

    [Fact]
    public void Where_the_fields_say_nothing_the_words_for_people_do()
    {
        var recipient = Read(Report("Final-Recipient: rfc822; taro@example.net\nAction: failed\nStatus: 5.0.0",
            "<taro@example.net>: host mx.example.net[192.0.2.1] said: 552 mailbox quota exceeded")).Recipients[0];

        Assert.Equal((552, BounceReason.MailboxFull), (recipient.ReplyCode, recipient.Reason));
    }

    [Fact]
    public void A_temporary_failure_that_was_given_up_is_no_longer_tried()
    {
        var recipient = Read(Report("Final-Recipient: rfc822; taro@example.net\nAction: failed\nStatus: 4.4.7")).Recipients[0];

        Assert.Equal((ReportType.Temporary, BounceReason.Expired, false), (recipient.Type, recipient.Reason, recipient.IsInterim));
    }

    [Fact]
    public void A_diagnostic_is_one_printable_line_of_at_most_a_thousand_characters()
    {
        var diagnostic = Read(Report($"Final-Recipient: rfc822; taro@example.net\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 \u001b[31mno\u202e\tsuch\n  user {new string('あ', 2000)}"))
            .Recipients[0].Diagnostic!;

        Assert.StartsWith("550 [31mno such user あ", diagnostic);
        Assert.Equal(1000, diagnostic.Length);
    }
}
