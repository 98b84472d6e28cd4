using System.Net.Sockets;
using System.Text;
using EmailApi.SmtpServer;
using MailKit.Net.Smtp;
using MimeKit;

namespace EmailApi.Tests.SmtpServer;

public class SmtpDataTests
{
    const string SecondMail = "MAIL FROM:<evil@example.org>\r\nRCPT TO:<victim@example.org>\r\nDATA\r\nforged\r\n.\r\n";

    public static TheoryData<string> FalseEnds =>
    [
        "\n.\n", "\n.\r\n", "\n.\r", "\r.\r", "\r.\n", "\r.\r\n", "\r\n.\n", "\r\n.\r", "\n\n.\n\n", "\n\n.\r\n", "\r\r.\r\r",
        "\r\r.\r\n", "\n\r.\n\r", "\r\n.\r\r\n", "\r\n.\n\r\n", "\r\r\n.\r\r\n", "\r\n\0.\r\n", "\r\n.\0\r\n", "\r\n\0.\0\r\n", "\0\r\n.\0\r\n",
        "\n.\n\0", "\r\r\n.\r\n", "\n\r\n.\r\n", "\0\r\n.\r\n",
    ];

    [Theory]
    [MemberData(nameof(FalseEnds))]
    public async Task A_false_end_of_data_smuggles_no_second_mail(string falseEnd)
    {
        await using var host = SmtpHost.Start();
        using var client = await host.BeginDataAsync();

        await client.SendAsync("Subject: first\r\n\r\nfirst" + falseEnd + SecondMail);
        client.FinishSending();
        var replies = await client.RepliesToEndAsync();

        Assert.StartsWith("550 5.6.0", replies[0]);
        Assert.Empty(host.Mails);
    }

    [Fact]
    public async Task A_message_with_a_bare_line_feed_is_refused_and_the_next_is_taken()
    {
        await using var host = SmtpHost.Start();
        using var client = await host.BeginDataAsync();

        Assert.StartsWith("550 5.6.0", await client.AskAsync("one\ntwo\r\n."));
        await client.AskAsync("MAIL FROM:<a@example.org>");
        await client.AskAsync("RCPT TO:<b@example.org>");
        await client.AskAsync("DATA");

        Assert.StartsWith("250", await client.AskAsync("good\r\n."));
        Assert.Equal("good\r\n", Assert.Single(host.Mails).Text);
    }

    [Theory]
    [InlineData("NOOP\n")]
    [InlineData("NOOP\rMAIL FROM:<a@example.org>\r\n")]
    [InlineData("NO\0OP\r\n")]
    [InlineData("NOOP \xFF\xFE\r\n")]
    [InlineData("MAIL FROM:<a@example.org>\nRCPT TO:<b@example.org>\n")]
    public async Task A_command_with_doubtful_octets_ends_the_session(string octets)
    {
        await using var host = SmtpHost.Start();
        using var client = await host.GreetAsync();

        await client.SendAsync(octets + "NOOP\r\n");

        Assert.StartsWith("500 5.5.2", Assert.Single(await client.RepliesToEndAsync()));
    }

    [Theory]
    [InlineData("")]
    [InlineData("\r\n")]
    [InlineData(".\r\n")]
    [InlineData("..\r\n...\r\n. \r\n")]
    [InlineData("a.\r\n.b\r\n\r\n.\r\n\r\n")]
    [InlineData("no dots\r\n")]
    public async Task Stuffed_dots_come_back_as_they_were(string text)
    {
        await using var host = SmtpHost.Start();
        using var client = await host.BeginDataAsync();

        await client.SendAsync(Stuff(text) + ".\r\n");

        Assert.StartsWith("250", await client.ReplyAsync());
        Assert.Equal(text, Assert.Single(host.Mails).Text);
    }

    [Fact]
    public async Task Random_messages_come_back_byte_for_byte_however_they_are_cut()
    {
        await using var host = SmtpHost.Start();
        using var client = await host.GreetAsync();
        var random = new Random(4711);
        var sent = new List<string>();

        for (var round = 0; round < 200; round++)
        {
            await client.AskAsync("MAIL FROM:<a@example.org>");
            await client.AskAsync("RCPT TO:<b@example.org>");
            await client.AskAsync("DATA");
            string[] pieces = [".", "..", "\r\n", "\r\n", "\r\n.", "x", "\u00e4\u00ff", new string('y', random.Next(1, 5000))];
            var text = string.Concat(Enumerable.Range(0, random.Next(20)).Select(_ => pieces[random.Next(pieces.Length)])) + "\r\n";
            sent.Add(text);
            var wire = Stuff(text) + ".\r\n";
            for (var at = 0; at < wire.Length;)
            {
                var part = Math.Min(random.Next(1, 4000), wire.Length - at);
                await client.SendAsync(wire.Substring(at, part));
                at += part;
            }
            Assert.StartsWith("250", await client.ReplyAsync());
        }

        Assert.Equal(sent, host.Mails.Select(mail => mail.Text));
    }

    [Fact]
    public void The_decoder_gives_the_same_whatever_the_cut()
    {
        var limits = new SmtpLimits();
        var wire = Encoding.ASCII.GetBytes("a\r\n..b\r\n.\u0063\r\n\r\n..\r\n.\r\nQUIT");
        for (var one = 0; one <= wire.Length - 4; one++)
        {
            for (var two = one; two <= wire.Length - 4; two++)
            {
                using var decoder = new DataDecoder(limits, new ByteBudget(limits.MaxBufferedBytes));
                var used = decoder.Feed(wire.AsSpan(0, one)) + decoder.Feed(wire.AsSpan(one, two - one));
                used += decoder.IsComplete ? 0 : decoder.Feed(wire.AsSpan(two));

                Assert.True(decoder.IsComplete);
                Assert.Equal(wire.Length - 4, used);
                Assert.Equal("a\r\n.b\r\nc\r\n\r\n.\r\n", Encoding.ASCII.GetString(decoder.Message.Span));
            }
        }
    }

    [Fact]
    public async Task A_message_over_the_limit_is_read_to_its_end_and_refused()
    {
        await using var host = SmtpHost.Start(new SmtpLimits { MaxMessageBytes = 10_000, MaxDiscardedBytes = 1_000_000 });
        using var client = await host.BeginDataAsync();

        await client.SendAsync(new string('x', 500_000) + "\r\n.\r\n");
        Assert.StartsWith("552 5.3.4", await client.ReplyAsync());

        await client.AskAsync("MAIL FROM:<a@example.org>");
        await client.AskAsync("RCPT TO:<b@example.org>");
        await client.AskAsync("DATA");
        Assert.StartsWith("250", await client.AskAsync(new string('x', 9_998) + "\r\n."));
        Assert.Equal(10_000, Assert.Single(host.Mails).Message.Length);
    }

    [Fact]
    public async Task A_listener_that_holds_too_much_mail_asks_for_patience()
    {
        await using var host = SmtpHost.Start(new SmtpLimits { MaxBufferedBytes = 100_000 });
        using var client = await host.BeginDataAsync();

        Assert.StartsWith("452 4.3.1", await client.AskAsync(new string('x', 200_000) + "\r\n."));
        Assert.Equal(0, host.Listener.BufferedBytes);
    }

    [Theory]
    [InlineData(false, "500 5.5.2")]
    [InlineData(true, "552 5.3.4")]
    public async Task A_hundred_megabytes_without_a_newline_are_cut_off_and_memory_stays_bounded(bool asMessage, string reply)
    {
        await using var host = SmtpHost.Start(new SmtpLimits { MaxMessageBytes = 1_000_000, MaxDiscardedBytes = 1_000_000 });
        using var client = asMessage ? await host.BeginDataAsync() : await host.GreetAsync();
        var chunk = new byte[100_000];
        Array.Fill(chunk, (byte)'x');
        var (taken, mostHeld) = (0L, 0L);

        try
        {
            for (; taken < 100_000_000; taken += chunk.Length)
            {
                await client.Stream.WriteAsync(chunk, TestContext.Current.CancellationToken);
                mostHeld = Math.Max(mostHeld, host.Listener.BufferedBytes);
            }
        }
        catch (Exception e) when (e is IOException or SocketException)
        {
            // Cut off.
        }

        Assert.True(taken < 20_000_000, $"{taken} octets were taken");   // most of it the kernel's own buffers
        Assert.InRange(mostHeld, 0, 2 * 1_048_576);   // the limit, and the array before it while it is copied
        Assert.Equal(0, host.Listener.BufferedBytes);
        Assert.Equal(await client.ReplyAsync() is { Length: > 0 } read ? read[..9] : reply, reply);   // a reset may overtake it
    }

    [Fact]
    public async Task A_message_of_25_MB_comes_back_byte_for_byte()
    {
        await using var host = SmtpHost.Start();
        using var client = new SmtpClient();
        var content = new byte[25 * 1024 * 1024];
        new Random(1).NextBytes(content);
        var attachment = new MimePart("application", "octet-stream")
        {
            Content = new MimeContent(new MemoryStream(content)),
            ContentTransferEncoding = ContentEncoding.Base64,
        };
        var message = new MimeMessage([MailboxAddress.Parse("a@example.org")], [MailboxAddress.Parse("b@example.org")], "big", attachment);

        await client.ConnectAsync("127.0.0.1", host.Listener.EndPoint.Port, cancellationToken: TestContext.Current.CancellationToken);
        await client.SendAsync(message, TestContext.Current.CancellationToken);

        var read = await MimeMessage.LoadAsync(new MemoryStream(Assert.Single(host.Mails).Message), TestContext.Current.CancellationToken);
        using var decoded = new MemoryStream();
        await ((MimePart)read.Body!).Content!.DecodeToAsync(decoded, TestContext.Current.CancellationToken);
        Assert.True(content.AsSpan().SequenceEqual(decoded.ToArray()));
    }

    static string Stuff(string text) =>
        (text.StartsWith('.') ? "." : "") + text.Replace("\r\n.", "\r\n..", StringComparison.Ordinal);
}
