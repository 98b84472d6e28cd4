using System.Net.Sockets;
using System.Text;
using EmailApi.Delivery;
using EmailApi.Relays;
using EmailApi.Tests.Support;
using MimeKit;
using RelayConnection = EmailApi.Relays.RelayConnection;

namespace EmailApi.Tests.Relays;

/// <summary>What is said to relays, and what their answers mean for whom, against a scripted one and against one of a few lines that breaks the rules.</summary>
public sealed class SmtpTransactionTests
{
    static CancellationToken Cancel => TestContext.Current.CancellationToken;

    static MimeMessage Message(string text = "Hello.\r\n")
    {
        var message = new MimeMessage { Subject = "Order", Body = new TextPart("plain") { Text = text } };
        message.From.Add(new MailboxAddress(null, "orders@shop.example"));
        return message;
    }

    static RelayConnection Connect(int port) =>
        new(new() { Name = "test", Host = "127.0.0.1", Port = port, Security = RelaySecurity.None, CommandTimeout = TimeSpan.FromSeconds(5), DataTimeout = TimeSpan.FromSeconds(5) }, TimeProvider.System);

    static RelayEnvelope To(params string[] recipients) => new("orders@shop.example", recipients);

    static string[] Told(IReadOnlyList<Outcome> outcomes) => [.. outcomes.Select(o => o switch
    {
        Outcome.Replied replied => $"{replied.Step} {replied.Reply.Code}",
        _ => $"{o.Step} {o.GetType().Name}",
    })];

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Each_recipient_has_its_own_answer_with_and_without_pipelining(bool pipelining)
    {
        await using var relay = FakeRelay.Start();
        relay.Pipelining = pipelining;
        relay.Answer("gone@example.net", "550 5.1.1 unknown");
        relay.Answer("busy@example.net", "451 4.3.2 later");
        using var connection = Connect(relay.Port);

        var outcomes = await connection.SendAsync(Message(), To("a@example.net", "gone@example.net", "busy@example.net", "b@example.net"), Cancel);

        Assert.Equal(["Dot 250", "Rcpt 550", "Rcpt 451", "Dot 250"], Told(outcomes));
        Assert.Equal(["a@example.net", "b@example.net"], Assert.Single(relay.Mails).Recipients);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_refused_transaction_is_ended_in_front_of_the_next_on_the_same_connection(bool pipelining)
    {
        await using var relay = FakeRelay.Start();
        relay.Pipelining = pipelining;
        relay.Answer("gone@example.net", "550 5.1.1 unknown");
        using var connection = Connect(relay.Port);

        var refused = await connection.SendAsync(Message(), To("gone@example.net"), Cancel);
        var sent = await connection.SendAsync(Message(), To("a@example.net"), Cancel);

        Assert.Equal(["Rcpt 550", "Dot 250"], Told([.. refused, .. sent]));
        Assert.Single(relay.Connections);
        Assert.Single(relay.Commands, c => c.Line == "RSET");
    }

    [Fact]
    public async Task More_recipients_than_go_in_one_write_all_get_it()
    {
        await using var relay = FakeRelay.Start();
        using var connection = Connect(relay.Port);
        string[] recipients = [.. Enumerable.Range(0, 1000).Select(i => $"r{i}@example.net")];

        var outcomes = await connection.SendAsync(Message(), To(recipients), Cancel);

        Assert.All(Told(outcomes), told => Assert.Equal("Dot 250", told));
        Assert.Equal(recipients, Assert.Single(relay.Mails).Recipients);
    }

    [Fact]
    public async Task A_large_attachment_arrives_octet_for_octet()
    {
        await using var relay = FakeRelay.Start();
        using var connection = Connect(relay.Port);
        var message = Message();
        var content = new byte[3_000_000];
        new Random(7).NextBytes(content);
        message.Body = new MimePart("application", "octet-stream") { Content = new MimeContent(new MemoryStream(content)), ContentTransferEncoding = ContentEncoding.Base64 };

        var outcomes = await connection.SendAsync(message, To("a@example.net"), Cancel);

        Assert.Equal(["Dot 250"], Told(outcomes));
        var mail = Assert.Single(relay.Mails);
        Assert.Equal(MimeComposer.ToBytes(message), mail.Data);
        Assert.Contains($"SIZE={mail.Data.Length}", mail.MailParameters, StringComparison.Ordinal);
    }

    /// <summary>What a relay says that keeps to no rule: one line for the banner, then one for each write of the client.</summary>
    [Theory]
    [InlineData("all recipients refused, and a message wanted", "Rcpt 550", "250 ok\r\n550 5.1.1 no\r\n354 go on\r\n")]
    [InlineData("yes to DATA", "Data Lost", "250 ok\r\n250 ok\r\n250 taken\r\n")]
    [InlineData("two codes in a reply", "Mail Lost", "250-ok\r\n550 no\r\n")]
    [InlineData("no SMTP", "Mail Lost", "hello there\r\n")]
    [InlineData("closing at RCPT", "Rcpt 421", "250 ok\r\n421 4.3.2 down\r\n")]
    [InlineData("the sender refused, and closed", "Mail 550", "550 5.7.1 no\r\n")]
    [InlineData("the end in the middle of a reply", "Mail Lost", "250 o")]
    [InlineData("an answer to the dot that says nothing", "Dot InDoubt", "250 ok\r\n250 ok\r\n354 go on\r\n", "354 and on\r\n")]
    [InlineData("no answer to the dot", "Dot InDoubt", "250 ok\r\n250 ok\r\n354 go on\r\n", "")]
    public async Task Whatever_a_relay_says_is_read_in_favour_of_the_mail(string what, string told, params string[] answers)
    {
        using var listener = new TcpListener(System.Net.IPAddress.Loopback, 0);
        listener.Start();
        var serving = Task.Run(async () =>
        {
            using var client = await listener.AcceptTcpClientAsync(Cancel);
            var stream = client.GetStream();
            var buffer = new byte[64 * 1024];
            foreach (var answer in (string[])["220 odd.example\r\n", "250-odd.example\r\n250 PIPELINING\r\n", .. answers])
            {
                await stream.WriteAsync(Encoding.ASCII.GetBytes(answer), Cancel);
                if (answer != answers[^1] && await stream.ReadAsync(buffer, Cancel) == 0) break;
            }
        }, Cancel);
        using var connection = Connect(((System.Net.IPEndPoint)listener.LocalEndpoint).Port);

        var outcomes = await connection.SendAsync(Message(), To("a@example.net"), Cancel);

        Assert.True(Told(outcomes) is [var one] && one == told, $"{what}: {string.Join(", ", Told(outcomes))}");
        Assert.False(connection.IsConnected);
        await serving.WaitAsync(TimeSpan.FromSeconds(10), Cancel);
    }

    [Theory]
    [InlineData("a@x.example>\r\nRCPT TO:<b@x.example")]
    [InlineData("a\0@x.example")]
    public async Task An_address_that_would_end_its_line_is_never_said(string address)
    {
        await using var relay = FakeRelay.Start();
        using var connection = Connect(relay.Port);

        await Assert.ThrowsAsync<ArgumentException>(() => connection.SendAsync(Message(), To(address), Cancel));

        Assert.DoesNotContain(relay.Commands, c => c.Line.StartsWith("MAIL", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(".", "..\r\n.\r\n")]
    [InlineData("a\r\n.b\r\n..\r\n", "a\r\n..b\r\n...\r\n.\r\n")]
    [InlineData("a\r\nb", "a\r\nb\r\n.\r\n")]
    [InlineData("", ".\r\n")]
    public void Dots_at_the_beginning_of_lines_are_stuffed_however_the_octets_come(string octets, string expected)
    {
        for (var piece = 1; piece <= Math.Max(1, octets.Length); piece++)
        {
            using var stuffed = new StuffedOctets();
            foreach (var part in octets.Chunk(piece)) stuffed.Write(Encoding.ASCII.GetBytes(part));
            stuffed.End();

            Assert.Equal(expected, Encoding.ASCII.GetString(stuffed.Octets.Span));
            Assert.Equal(octets.Length, stuffed.Unstuffed);
        }
    }
}
