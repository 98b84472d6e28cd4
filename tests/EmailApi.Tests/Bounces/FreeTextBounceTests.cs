using System.Text;
using EmailApi.Bounces;
using static EmailApi.Tests.Bounces.BounceMessages;

namespace EmailApi.Tests.Bounces;

/// <summary>Reports that are written for people, one for each shape that servers share.</summary>
public class FreeTextBounceTests
{
    [Fact]
    public void Qmail_and_its_kin_name_an_address_and_then_the_reason()
    {
        var report = Read(Words("Hi. This is the qmail-send program at mx.example.\nI'm afraid I wasn't able to deliver your message to the following addresses.\n\n"
            + "<taro@example.net>:\nSorry, no mailbox here by that name. (#5.1.1)\n\n<hanako@example.net>:\n192.0.2.9 does not like recipient.\nRemote host said: 552 disk quota exceeded\n\n"
            + "--- Below this line is a copy of the message.\n\nMessage-ID: <em_1@sender.example>\nTo: taro@example.net\n\nHello"));

        Assert.Equal([("taro@example.net", "5.1.1", null, BounceReason.UnknownUser), ("hanako@example.net", null, 552, BounceReason.MailboxFull)],
            report.Recipients.Select(r => (r.Email, r.Status, r.ReplyCode, r.Reason)));
        Assert.Equal("em_1@sender.example", report.Original.MessageId);
    }

    [Fact]
    public void Exim_names_failed_recipients_in_a_field_and_calls_its_report_an_automatic_reply()
    {
        var report = Read(Words("This message was created automatically by mail delivery software.\n\nA message that you sent could not be delivered.\n\n  taro@example.net\n"
            + "    SMTP error from remote mail server after RCPT TO:<taro@example.net>:\n    host mx.example.net [192.0.2.1]: 550 5.1.1 unknown user",
            "Subject: Mail delivery failed: returning message to sender\nAuto-Submitted: auto-replied\nX-Failed-Recipients: taro@example.net"));

        Assert.Equal((ReportKind.Bounce, "taro@example.net", "5.1.1"), (report.Kind, report.Recipients[0].Email, report.Recipients[0].Status));
    }

    [Fact]
    public void A_warning_of_a_delay_is_temporary_and_still_tried()
    {
        var report = Read(Words("A message that you sent has not yet been delivered to one or more of its recipients.\n\n  taro@example.net\n\nNo action is required on your part.",
            "Subject: Warning: message 1abc delayed 24 hours"));

        Assert.Equal((ReportType.Temporary, true), (report.Recipients[0].Type, report.Recipients[0].IsInterim));
    }

    [Fact]
    public void Exchange_of_old_says_who_did_not_get_it()
    {
        var report = Read(Words("Your message\n\n  To:      everybody@example.net\n  Subject: Hello\n\ndid not reach the following recipient(s):\n\n"
            + "taro@example.net on Thu, 29 Apr 2010 00:00:00 +0900\n    The recipient name is not recognized\n    MSEXCH:IMS:A:B:C 0 (000C05A6) Unknown Recipient",
            "Subject: Undeliverable: Hello", "System Administrator <postmaster@example.net>"));

        Assert.Equal(("taro@example.net", BounceReason.UnknownUser), (report.Recipients[0].Email, report.Recipients[0].Reason));
    }

    [Theory]
    [InlineData("iso-2022-jp", "次のあて先へのメッセージはエラーのため送信できませんでした。\n\n    Recipient: <taro@au.example>\n    >>> RCPT TO:<taro@au.example>\n    <<< 550 : User unknown", BounceReason.UnknownUser)]
    [InlineData("shift_jis", "メールを送信できませんでした。\n<taro@au.example>\n宛先が見つかりません。", BounceReason.UnknownUser)]
    [InlineData("euc-jp", "メールを送信できませんでした。\n<taro@au.example>\n容量を超えています。", BounceReason.MailboxFull)]
    [InlineData("utf-16", "メールを送信できませんでした。\n<taro@au.example>\n受信拒否", BounceReason.Policy)]
    public void Japanese_is_read_in_every_charset(string charset, string text, BounceReason reason)
    {
        Encoding.RegisterProvider(CodePagesEncodingProvider.Instance);
        var body = Convert.ToBase64String(Encoding.GetEncoding(charset).GetBytes(text));

        var report = Read($"From: Postmaster@au.example\nTo: a@sender.example\nSubject: Mail System Error - Returned Mail\n"
            + $"Content-Type: text/plain; charset={charset}\nContent-Transfer-Encoding: base64\n\n{body}\n");

        Assert.Equal(("taro@au.example", reason), (Assert.Single(report.Recipients).Email, report.Recipients[0].Reason));
    }

    [Fact]
    public void Iso_2022_jp_is_seen_without_a_charset()
    {
        Encoding.RegisterProvider(CodePagesEncodingProvider.Instance);

        var report = Read([.. "From: MAILER-DAEMON\nSubject: error\n\n"u8, .. Encoding.GetEncoding("iso-2022-jp").GetBytes("<taro@example.jp> へ送信できませんでした。\nユーザが見つかりません")]);

        Assert.Equal(("taro@example.jp", BounceReason.UnknownUser), (report.Recipients[0].Email, report.Recipients[0].Reason));
    }

    [Fact]
    public void Html_and_quoted_printable_are_read()
    {
        var report = Read("From: postmaster@example.net\nSubject: Undeliverable: Hello\nContent-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n"
            + "<html><style>x=3D1</style><p>Delivery has failed to these recipients:</p><p>&lt;taro=40example.net&gt;<br>The recipient=E2=80=99s mailbox is fu=\nll (#5.2.2)</p></html>\n");

        Assert.Equal(("taro@example.net", "5.2.2", BounceReason.MailboxFull), (report.Recipients[0].Email, report.Recipients[0].Status, report.Recipients[0].Reason));
    }

    [Fact]
    public void A_transcript_names_the_recipient_after_rcpt()
    {
        var report = Read(Words("Transcript of session follows.\n\n Out: 220 mx.example ESMTP\n In:  MAIL FROM:<shop@sender.example>\n Out: 250 Ok\n"
            + " In:  RCPT TO:<taro@example.net>\n Out: 250 Ok\n In:  DATA\n Out: 451 4.3.0 Error: queue file write error"));

        Assert.Equal(("taro@example.net", "4.3.0", 451, BounceReason.System, ReportType.Temporary),
            (report.Recipients[0].Email, report.Recipients[0].Status, report.Recipients[0].ReplyCode, report.Recipients[0].Reason, report.Recipients[0].Type));
    }

    [Fact]
    public void A_notice_in_json_is_read_through_its_envelope()
    {
        var notice = """{"notificationType":"Bounce","bounce":{"bounceType":"Permanent","bouncedRecipients":[{"emailAddress":"taro@example.net","status":"5.1.1","diagnosticCode":"smtp; 550 5.1.1 user unknown"}]},"mail":{"messageId":"0101","commonHeaders":{"messageId":"<em_1@sender.example>"},"destination":["taro@example.net"]}}""";
        var envelope = System.Text.Json.JsonSerializer.Serialize(new { Type = "Notification", Message = notice });

        var report = Read(Words(envelope + "\n--\nIf you wish to stop receiving notifications", "Subject: Notification Message", "no-reply@sns.example"));

        Assert.Equal(("taro@example.net", "5.1.1", 550), (report.Recipients[0].Email, report.Recipients[0].Status, report.Recipients[0].ReplyCode));
        Assert.Equal("em_1@sender.example", report.Original.MessageId);
    }

    [Theory]
    [InlineData("550 5.7.1 Service unavailable; client [192.0.2.1] blocked using dnsbl.example", BounceReason.Reputation)]
    [InlineData("550 5.7.26 Unauthenticated mail", BounceReason.Authentication)]
    [InlineData("554 5.7.1 Message rejected due to DMARC policy", BounceReason.Authentication)]
    [InlineData("554 5.7.1 <taro@example.net>: Relay access denied", BounceReason.RelayDenied)]
    [InlineData("552 5.3.4 Message size exceeds fixed limit", BounceReason.MessageTooBig)]
    [InlineData("550 5.2.1 The email account that you tried to reach is disabled", BounceReason.MailboxDisabled)]
    [InlineData("450 4.2.0 <taro@example.net>: Recipient address rejected: Greylisted", BounceReason.RateLimited)]
    [InlineData("550 5.1.2 Host unknown", BounceReason.UnknownHost)]
    [InlineData("556 5.1.10 Domain example.net does not accept mail (nullMX)", BounceReason.UnknownHost)]
    [InlineData("551 5.1.6 User has moved to taro@example.org", BounceReason.Moved)]
    [InlineData("550 High probability of spam", BounceReason.Spam)]
    [InlineData("554 5.6.0 Message contains bare LF", BounceReason.Content)]
    [InlineData("550 Virus Detected", BounceReason.Virus)]
    [InlineData("550 5.7.1 Message refused for policy reasons", BounceReason.Policy)]
    [InlineData("421 4.4.2 Connection lost", BounceReason.Network)]
    [InlineData("554 5.4.7 Message expired", BounceReason.Expired)]
    [InlineData("451 4.3.5 Server configuration error", BounceReason.System)]
    [InlineData("550 5.5.0 Boîte du destinataire inconnue", BounceReason.UnknownUser)]
    [InlineData("550 用户不存在", BounceReason.UnknownUser)]
    [InlineData("550 qwertz", BounceReason.Undetermined)]
    [InlineData("550 5.4.1 Recipient address rejected: Access denied. AS(2018)", BounceReason.UnknownUser)]
    [InlineData("550 Nobody here by that name", BounceReason.UnknownUser)]
    [InlineData("550 Usuário inexistente", BounceReason.UnknownUser)]
    [InlineData("550 指定されたアドレスは登録されていません", BounceReason.UnknownUser)]
    [InlineData("450 4.2.2 Postfach überfüllt", BounceReason.MailboxFull)]
    [InlineData("552 Boîte aux lettres saturée", BounceReason.MailboxFull)]
    [InlineData("552 error writing message: File too large", BounceReason.MailboxFull)]
    [InlineData("550 Archived recipient", BounceReason.MailboxDisabled)]
    [InlineData("550 No mailserver for example.net", BounceReason.UnknownHost)]
    [InlineData("550 メッセージサイズが制限値を超えています", BounceReason.MessageTooBig)]
    [InlineData("554 5.2.3 MailPolicy violation", BounceReason.Policy)]
    [InlineData("550 blocked by policy", BounceReason.Policy)]
    [InlineData("550 The recipient is only accepting mail from people it knows", BounceReason.Policy)]
    [InlineData("535 5.7.139 Authentication unsuccessful, the user credentials were incorrect", BounceReason.Authentication)]
    [InlineData("550 HELO argument does not match calling host", BounceReason.Authentication)]
    [InlineData("554 Message rejected under suspicion of SPAM", BounceReason.Spam)]
    [InlineData("550 192.0.2.1 is in an RBL", BounceReason.Reputation)]
    [InlineData("421 4.3.2 The maximum number of concurrent server connections has exceeded a limit", BounceReason.RateLimited)]
    [InlineData("421 4.7.0 Error: too many errors", BounceReason.RateLimited)]
    [InlineData("550 5.7.1 Relaying denied. Proper authentication required.", BounceReason.RelayDenied)]
    [InlineData("554 message has lines too long for transport", BounceReason.Content)]
    [InlineData("451 See http://pobox.com/~djb/docs/smtplf.html.", BounceReason.Content)]
    [InlineData("554 5.7.1 message infected", BounceReason.Virus)]
    [InlineData("450 4.4.3 DNS type 'mx' lookup responded with code SERVFAIL", BounceReason.Network)]
    [InlineData("550 Maximum retry time exceeded", BounceReason.Expired)]
    [InlineData("421 4.3.2 Service not available", BounceReason.System)]
    [InlineData("554 cannot open /home/taro/Maildir: No such file or directory", BounceReason.System)]
    [InlineData("502 5.5.2 Error: command not recognized", BounceReason.System)]
    public void The_words_give_the_reason(string reply, BounceReason reason) =>
        Assert.Equal(reason, Read(Words($"I was not able to deliver your message.\n\n<taro@example.net>:\nRemote host said: {reply}")).Recipients[0].Reason);

    [Theory]
    [InlineData("550 5.1.0 <shop@sender.example>: Sender address rejected: User unknown in local recipient table")]
    [InlineData("550 Verification failed for <shop@sender.example>: No Such User Here")]
    [InlineData("553 5.1.8 Domain of sender shop@sender.example does not exist")]
    [InlineData("550 5.1.7 Invalid address")]
    [InlineData("550 sender does not exist")]
    public void A_sender_who_is_unknown_is_no_unknown_recipient(string reply) =>
        Assert.Equal(BounceReason.Policy, Read(Words($"I was not able to deliver your message.\n\n<taro@example.net>:\nRemote host said: {reply}")).Recipients[0].Reason);

    [Fact]
    public void A_report_that_names_nobody_is_a_bounce_all_the_same()
    {
        var report = Read(Words("Your message could not be delivered: 552 5.2.2 mailbox full", "Subject: Undeliverable mail"));

        Assert.Equal((ReportKind.Bounce, null, "5.2.2"), (report.Kind, Assert.Single(report.Recipients).Email, report.Recipients[0].Status));
    }

    [Fact]
    public void The_words_of_an_address_are_not_the_servers() =>
        Assert.Equal(BounceReason.UnknownUser,
            Read(Words("I was not able to deliver your message.\n\n<virus-quota-spam@example.net>:\n550 <virus-quota-spam@example.net>: no such user")).Recipients[0].Reason);
}
