using EmailApi.SmtpServer;
using MailKit.Net.Smtp;
using MailKit.Security;
using MimeKit;

namespace EmailApi.Tests.SmtpServer;

public class SmtpSessionTests
{
    [Fact]
    public async Task The_banner_names_the_host_and_EHLO_lists_what_we_offer()
    {
        await using var host = SmtpHost.Start();
        using var client = await host.ConnectAsync();

        Assert.Equal("220 test.example ESMTP ready", await client.ReplyAsync());
        var offered = (await client.AskAsync("EHLO client.example")).Split('\n');

        Assert.Equal(
            ["250-test.example", "250-PIPELINING", "250-SIZE 41943040", "250-8BITMIME", "250-SMTPUTF8", "250 ENHANCEDSTATUSCODES"],
            offered);
        Assert.Equal("250 test.example", await client.AskAsync("HELO client.example"));
    }

    [Fact]
    public async Task One_mail_goes_through_verb_by_verb()
    {
        await using var host = SmtpHost.Start();
        using var client = await host.GreetAsync();

        Assert.Equal("250 2.1.0 Sender ok", await client.AskAsync("MAIL FROM:<a@example.org> SIZE=5 BODY=8BITMIME"));
        Assert.Equal("250 2.1.5 Recipient ok", await client.AskAsync("RCPT TO:<b@example.org>"));
        Assert.Equal("250 2.1.5 Recipient ok", await client.AskAsync("RCPT TO:<@relay.example:c@example.org>"));
        Assert.StartsWith("354 ", await client.AskAsync("DATA"));
        Assert.Equal("250 2.0.0 Ok", await client.AskAsync("Hi\r\n."));
        Assert.Equal("221 2.0.0 Bye", await client.AskAsync("QUIT"));
        Assert.Equal("", await client.ReplyAsync());

        var mail = Assert.Single(host.Mails);
        Assert.Equal("Hi\r\n", mail.Text);
        Assert.Equal("a@example.org", mail.Envelope.ReversePath);
        Assert.Equal(["b@example.org", "c@example.org"], mail.Envelope.Recipients);
        Assert.Equal("client.example", mail.Envelope.Helo);
        Assert.Equal(5, mail.Envelope.DeclaredBytes);
        Assert.True(mail.Envelope.Is8BitMime);
        Assert.False(mail.Envelope.IsSmtpUtf8);
        Assert.Equal("127.0.0.1", mail.Envelope.RemoteEndPoint.Address.ToString());
    }

    [Theory]
    [InlineData("NOOP", "250 2.0.0")]
    [InlineData("noop with words", "250 2.0.0")]
    [InlineData("RSET", "250 2.0.0")]
    [InlineData("VRFY someone", "252 2.0.0")]
    [InlineData("HELP", "214 2.0.0")]
    [InlineData("QUIT", "221 2.0.0")]
    [InlineData("RSET now", "501 5.5.4")]
    [InlineData("QUIT now", "501 5.5.4")]
    [InlineData("EHLO", "501 5.5.4")]
    [InlineData("EHLO a b", "501 5.5.4")]
    [InlineData("", "500 5.5.2")]
    [InlineData("EXPN list", "500 5.5.2")]
    [InlineData("STARTTLS", "500 5.5.2")]
    [InlineData("AUTH PLAIN AHgAeQ==", "500 5.5.2")]
    [InlineData("RCPT TO:<b@example.org>", "503 5.5.1")]
    [InlineData("DATA", "503 5.5.1")]
    [InlineData("MAIL FROM:<>", "250 2.1.0")]
    [InlineData("MAIL FROM: <a@example.org>", "250 2.1.0")]
    [InlineData("mail from:<a@example.org> size=10 body=7bit smtputf8", "250 2.1.0")]
    [InlineData("MAIL FROM:<\"a b\\\"> c\"@example.org>", "250 2.1.0")]
    [InlineData("MAIL FROM:<a@[192.0.2.1]>", "250 2.1.0")]
    [InlineData("MAIL FROM:<a@[IPv6:2001:db8::1]>", "250 2.1.0")]
    [InlineData("MAIL FROM:<太郎@例え.jp> SMTPUTF8", "250 2.1.0")]
    [InlineData("MAIL FROM:<太郎@例え.jp>", "553 5.6.7")]
    [InlineData("MAIL FROM:<a@example.org> SIZE=41943041", "552 5.3.4")]
    [InlineData("MAIL FROM:<a@example.org> SIZE=99999999999999999999", "552 5.3.4")]
    [InlineData("MAIL FROM:<a@example.org> SIZE=-1", "501 5.5.4")]
    [InlineData("MAIL FROM:<a@example.org> SIZE", "501 5.5.4")]
    [InlineData("MAIL FROM:<a@example.org> BODY=BINARYMIME", "501 5.5.4")]
    [InlineData("MAIL FROM:<a@example.org> SMTPUTF8=yes", "501 5.5.4")]
    [InlineData("MAIL FROM:<a@example.org> RET=HDRS", "555 5.5.4")]
    [InlineData("MAIL FROM:<a@example.org>SIZE=1", "501 5.5.4")]
    [InlineData("MAIL FROM:a@example.org", "501 5.5.4")]
    [InlineData("MAIL FROM:<a@example.org", "501 5.5.4")]
    [InlineData("MAIL FROM:<a>", "501 5.5.4")]
    [InlineData("MAIL FROM:<postmaster>", "501 5.5.4")]
    [InlineData("MAIL FROM:<a@b@example.org>", "501 5.5.4")]
    [InlineData("MAIL FROM:<a..b@example.org>", "501 5.5.4")]
    [InlineData("MAIL FROM:<a b@example.org>", "501 5.5.4")]
    [InlineData("MAIL FROM:<a@example..org>", "501 5.5.4")]
    [InlineData("MAIL FROM:<a@-example.org>", "501 5.5.4")]
    [InlineData("MAIL FROM:<a@[1]>", "501 5.5.4")]
    [InlineData("MAIL FROM:<a@[x RCPT]>", "501 5.5.4")]
    [InlineData("MAIL FROM:<a@exa\u0085mple.org> SMTPUTF8", "501 5.5.4")]
    [InlineData("MAIL", "501 5.5.4")]
    public async Task A_command_after_EHLO_is_answered(string command, string reply)
    {
        await using var host = SmtpHost.Start();
        using var client = await host.GreetAsync();

        Assert.StartsWith(reply, await client.AskAsync(command));
    }

    [Theory]
    [InlineData("RCPT TO:<b@example.org>", "250 2.1.5")]
    [InlineData("RCPT TO:<Postmaster>", "250 2.1.5")]
    [InlineData("RCPT TO:<>", "501 5.5.4")]
    [InlineData("RCPT TO:<b@example.org> NOTIFY=NEVER", "555 5.5.4")]
    [InlineData("RCPT TO:<太郎@example.jp>", "553 5.6.7")]
    [InlineData("RCPT TO:<nobody@example.org>", "550 5.1.1")]
    [InlineData("MAIL FROM:<c@example.org>", "503 5.5.1")]
    [InlineData("DATA", "503 5.5.1")]
    [InlineData("DATA now", "501 5.5.4")]
    public async Task A_command_after_MAIL_is_answered(string command, string reply)
    {
        await using var host = SmtpHost.Start();
        using var client = await host.GreetAsync();
        await client.AskAsync("MAIL FROM:<a@example.org>");

        Assert.StartsWith(reply, await client.AskAsync(command));
    }

    [Fact]
    public async Task Mail_before_a_greeting_is_out_of_sequence()
    {
        await using var host = SmtpHost.Start();
        using var client = await host.ConnectAsync();
        await client.ReplyAsync();

        Assert.StartsWith("503 5.5.1", await client.AskAsync("MAIL FROM:<a@example.org>"));
    }

    [Theory]
    [InlineData("RSET")]
    [InlineData("EHLO again.example")]
    public async Task A_reset_forgets_the_transaction(string command)
    {
        await using var host = SmtpHost.Start();
        using var client = await host.GreetAsync();
        await client.AskAsync("MAIL FROM:<a@example.org>");
        await client.AskAsync("RCPT TO:<b@example.org>");

        await client.AskAsync(command);

        Assert.StartsWith("503 5.5.1", await client.AskAsync("DATA"));
        Assert.StartsWith("250 2.1.0", await client.AskAsync("MAIL FROM:<a@example.org>"));
    }

    [Fact]
    public async Task Pipelined_commands_are_answered_in_order_also_behind_a_message()
    {
        await using var host = SmtpHost.Start();
        using var client = await host.GreetAsync();

        await client.SendAsync("MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\nRCPT TO:<nobody@example.org>\r\nDATA\r\n"
            + "one\r\n.\r\nRSET\r\nMAIL FROM:<>\r\nRCPT TO:<c@example.org>\r\nDATA\r\n.\r\nQUIT\r\n");
        var codes = (await client.RepliesToEndAsync()).Select(reply => reply[..3]);

        Assert.Equal(["250", "250", "550", "354", "250", "250", "250", "250", "354", "250", "221"], codes);
        Assert.Equal(["one\r\n", ""], host.Mails.Select(mail => mail.Text));
    }

    [Fact]
    public async Task A_dialogue_sent_octet_by_octet_means_the_same()
    {
        await using var host = SmtpHost.Start();
        using var client = await host.ConnectAsync();

        foreach (var c in "EHLO c\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n..x\r\n.\r\nQUIT\r\n")
            await client.SendAsync($"{c}");
        await client.RepliesToEndAsync();

        Assert.Equal(".x\r\n", Assert.Single(host.Mails).Text);
    }

    [Fact]
    public async Task A_door_that_throws_is_answered_451_and_the_session_goes_on()
    {
        await using var host = SmtpHost.Start();
        using var client = await host.BeginDataAsync();
        host.OnMessage = (_, _) => throw new InvalidOperationException("the disk is full");

        Assert.StartsWith("451 4.3.0", await client.AskAsync("Hi\r\n."));
        host.OnMessage = (_, _) => Task.FromResult(new SmtpReply(250, "2.0.0", "Stored as 1\r\n250 forged"));
        Assert.StartsWith("250", await client.AskAsync("MAIL FROM:<a@example.org>"));
        Assert.StartsWith("451 4.3.0", await client.AskAsync("RCPT TO:<throw@example.org>"));
        Assert.StartsWith("250", await client.AskAsync("RCPT TO:<b@example.org>"));
        await client.AskAsync("DATA");

        Assert.Equal("250-2.0.0 Stored as 1?\n250 2.0.0 250 forged", await client.AskAsync("Hi again\r\n."));
        Assert.Equal("Hi again\r\n", Assert.Single(host.Mails).Text);
        Assert.Equal(["the disk is full", "no list of recipients"], host.Log.Errors.Select(e => e!.Message));
    }

    [Theory]
    [InlineData(SecureSocketOptions.None)]
    [InlineData(SecureSocketOptions.StartTlsWhenAvailable)]
    public async Task MailKit_sends_many_mails_over_one_connection(SecureSocketOptions security)
    {
        await using var host = SmtpHost.Start();
        using var client = new SmtpClient();
        var message = new MimeMessage(
            [new MailboxAddress("店", "shop@example.org")], [MailboxAddress.Parse("太郎@example.jp")], "請求書 №1",
            new TextPart("plain") { Text = ".\n.. dots\n本文\n" });

        await client.ConnectAsync("127.0.0.1", host.Listener.EndPoint.Port, security, TestContext.Current.CancellationToken);
        for (var i = 0; i < 20; i++) Assert.Equal("2.0.0 Ok", await client.SendAsync(message, TestContext.Current.CancellationToken));
        await client.DisconnectAsync(quit: true, TestContext.Current.CancellationToken);

        Assert.Equal(20, host.Mails.Count);
        Assert.True(host.Mails[19].Envelope.IsSmtpUtf8);
        Assert.Equal(["太郎@example.jp"], host.Mails[19].Envelope.Recipients);
        var read = await MimeMessage.LoadAsync(new MemoryStream(host.Mails[19].Message), TestContext.Current.CancellationToken);
        Assert.Equal(".\r\n.. dots\r\n本文\r\n", read.TextBody!.ReplaceLineEndings("\r\n"));
    }
}
