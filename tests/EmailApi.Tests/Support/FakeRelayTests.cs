using System.Diagnostics;
using System.Net.Sockets;
using MailKit.Net.Smtp;
using MailKit.Security;
using MimeKit;

namespace EmailApi.Tests.Support;

public class FakeRelayTests
{
    static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task It_records_what_it_takes()
    {
        await using var relay = FakeRelay.Start();
        using var client = await ConnectAsync(relay);
        var message = Message("one@example.net", "two@example.net");

        await client.SendAsync(message, Cancel);
        await client.SendAsync(message, Cancel);
        var mails = await relay.WaitForAsync(2);

        Assert.All(mails, mail => Assert.Equal(message.MessageId, mail.MessageId!.Trim('<', '>')));
        Assert.All(mails, mail => Assert.Equal(["one@example.net", "two@example.net"], mail.Recipients));
        Assert.All(mails, mail => Assert.EndsWith("\r\n\r\n.dot\r\n..dots\r\n", mail.Text));
        Assert.Equal([1, 1], mails.Select(mail => mail.ConnectionNumber));
        Assert.Equal("a@example.org", mails[0].ReversePath);
        Assert.Single(relay.Connections);
        Assert.Contains(relay.Commands, command => command.Line == "RCPT TO:<two@example.net>");
    }

    [Fact]
    public async Task It_answers_a_recipient_as_told()
    {
        await using var relay = FakeRelay.Start();
        relay.Answer("busy@example.net", "451 4.3.2 try later", times: 1);
        using var client = await ConnectAsync(relay);

        var refusal = await Assert.ThrowsAsync<SmtpCommandException>(() => client.SendAsync(Message("busy@example.net"), Cancel));
        await client.SendAsync(Message("busy@example.net"), Cancel);

        Assert.Equal(451, (int)refusal.StatusCode);
        Assert.Single(relay.Mails);
    }

    [Theory]
    [InlineData(RelayStep.Mail, "550 5.7.1 no", 550)]
    [InlineData(RelayStep.Rcpt, "452 4.2.2 full", 452)]
    [InlineData(RelayStep.Data, "451 4.3.0 later", 451)]
    [InlineData(RelayStep.Dot, "delay:50 554 5.6.0 no", 554)]
    public async Task It_answers_a_step_as_told_and_then_as_usual(RelayStep step, string answer, int code)
    {
        await using var relay = FakeRelay.Start();
        relay.AnswerAt(step, answer, times: 1);
        using var client = await ConnectAsync(relay);

        var refusal = await Assert.ThrowsAsync<SmtpCommandException>(() => client.SendAsync(Message("b@example.net"), Cancel));
        await client.SendAsync(Message("b@example.net"), Cancel);

        Assert.Equal(code, (int)refusal.StatusCode);
        Assert.Single(relay.Mails);
    }

    [Theory]
    [InlineData(RelayStep.Mail, "close", 0)]
    [InlineData(RelayStep.Body, "reset", 0)]
    [InlineData(RelayStep.Dot, "close", 0)]
    [InlineData(RelayStep.Dot, "take:close", 1)]
    [InlineData(RelayStep.Dot, "take:reset", 1)]
    public async Task It_drops_the_connection_as_told(RelayStep step, string answer, int taken)
    {
        await using var relay = FakeRelay.Start();
        relay.AnswerAt(step, answer, times: 1);
        using var client = await ConnectAsync(relay);

        var lost = await Record.ExceptionAsync(() => client.SendAsync(Message("b@example.net"), Cancel));

        Assert.True(lost is IOException or SocketException or SmtpProtocolException, $"{lost}");
        Assert.Equal(taken, relay.Mails.Count);
    }

    [Theory]
    [InlineData(RelayStep.Connect, "close")]
    [InlineData(RelayStep.Connect, "reset")]
    [InlineData(RelayStep.Banner, "554 5.3.2 no service")]
    [InlineData(RelayStep.Banner, "421 4.3.2 busy")]
    public async Task It_refuses_a_connection_as_told(RelayStep step, string answer)
    {
        await using var relay = FakeRelay.Start();
        relay.AnswerAt(step, answer, times: 1);

        Assert.NotNull(await Record.ExceptionAsync(() => ConnectAsync(relay)));
        using var client = await ConnectAsync(relay);

        Assert.True(client.IsConnected);
        Assert.Equal(2, relay.Connections.Count);
    }

    [Fact]
    public async Task It_closes_an_idle_connection_as_told()
    {
        await using var relay = FakeRelay.Start();
        relay.AnswerAt(RelayStep.Idle, "delay:50 close", times: 1);
        using var client = await ConnectAsync(relay);

        await client.SendAsync(Message("b@example.net"), Cancel);
        for (var watch = Stopwatch.StartNew(); relay.OpenConnections > 0; await Task.Delay(5, Cancel))
            Assert.True(watch.Elapsed < TimeSpan.FromSeconds(5));

        Assert.NotNull(await Record.ExceptionAsync(() => client.SendAsync(Message("b@example.net"), Cancel)));
        Assert.Single(relay.Mails);
    }

    [Fact]
    public async Task A_hanging_step_ends_with_the_relay()
    {
        await using var relay = FakeRelay.Start();
        relay.AnswerAt(RelayStep.Dot, "hang");
        using var client = await ConnectAsync(relay);

        var sending = client.SendAsync(Message("b@example.net"), Cancel);
        await Task.Delay(100, Cancel);
        Assert.False(sending.IsCompleted);
        await relay.StopAsync();

        Assert.NotNull(await Record.ExceptionAsync(() => sending));
    }

    [Fact]
    public async Task It_comes_back_on_the_same_port_and_calls_at_the_dot()
    {
        await using var relay = FakeRelay.Start();
        var (port, atDot) = (relay.Port, 0);
        relay.OnDot = mail =>
        {
            atDot++;
            return Task.CompletedTask;
        };

        await relay.StopAsync();
        Assert.NotNull(await Record.ExceptionAsync(() => ConnectAsync(relay)));
        relay.Restart();
        using var client = await ConnectAsync(relay);
        await client.SendAsync(Message("b@example.net"), Cancel);

        Assert.Equal(port, relay.Port);
        Assert.Equal(1, atDot);
    }

    [Theory]
    [InlineData("PLAIN")]
    [InlineData("LOGIN")]
    public async Task It_speaks_TLS_and_checks_a_login(string mechanism)
    {
        await using var relay = FakeRelay.Start();
        (relay.StartTls, relay.Auth, relay.Login) = (true, true, ("user", "secret"));
        using var client = new SmtpClient();
        client.ServerCertificateValidationCallback = (_, certificate, _, _) => FakeRelay.Certificate.Equals(certificate);

        await client.ConnectAsync("localhost", relay.Port, SecureSocketOptions.StartTls, Cancel);
        client.AuthenticationMechanisms.RemoveWhere(name => name != mechanism);
        await Assert.ThrowsAsync<AuthenticationException>(() => client.AuthenticateAsync("user", "wrong", Cancel));
        await client.AuthenticateAsync("user", "secret", Cancel);
        await client.SendAsync(Message("b@example.net"), Cancel);

        Assert.True(client.IsSecure);
        Assert.Single(relay.Mails);
    }

    [Fact]
    public async Task It_offers_only_what_is_switched_on()
    {
        await using var relay = FakeRelay.Start();
        (relay.SmtpUtf8, relay.EightBitMime, relay.Pipelining, relay.Size) = (false, false, false, null);
        using var client = await ConnectAsync(relay);

        Assert.Equal(SmtpCapabilities.EnhancedStatusCodes, client.Capabilities);
    }

    [Fact]
    public async Task Waiting_in_vain_says_what_was_seen()
    {
        await using var relay = FakeRelay.Start();
        using var client = await ConnectAsync(relay);

        var late = await Assert.ThrowsAsync<TimeoutException>(() => relay.WaitForAsync(1, TimeSpan.FromMilliseconds(50)));

        Assert.Contains("0 of 1", late.Message);
        Assert.Contains("EHLO", late.Message);
    }

    static async Task<SmtpClient> ConnectAsync(FakeRelay relay)
    {
        var client = new SmtpClient();
        await client.ConnectAsync("127.0.0.1", relay.Port, SecureSocketOptions.None, Cancel);
        return client;
    }

    static MimeMessage Message(params string[] to) => new(
        [MailboxAddress.Parse("a@example.org")], to.Select(MailboxAddress.Parse), "Hello",
        new TextPart("plain") { Text = ".dot\r\n..dots\r\n" });
}
