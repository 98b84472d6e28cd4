using System.Diagnostics;
using EmailApi.SmtpServer;
using EmailApi.Tests.Support;

namespace EmailApi.Tests.SmtpServer;

public class SmtpLimitsTests
{
    static readonly TimeSpan Short = TimeSpan.FromSeconds(1);
    static readonly TimeSpan Soon = TimeSpan.FromSeconds(10);

    [Fact]
    public async Task A_command_line_may_have_its_limit_and_not_an_octet_more()
    {
        await using var host = SmtpHost.Start();
        using var client = await host.GreetAsync();

        Assert.StartsWith("250", await client.AskAsync("NOOP " + new string('x', 2041)));
        Assert.StartsWith("500 5.5.2", await client.AskAsync("NOOP " + new string('x', 2042)));
        Assert.Equal("", await client.ReplyAsync());
    }

    [Fact]
    public async Task Recipients_over_the_limit_are_asked_to_come_in_another_message()
    {
        await using var host = SmtpHost.Start(new SmtpLimits { MaxRecipients = 3 });
        using var client = await host.GreetAsync();
        await client.AskAsync("MAIL FROM:<a@example.org>");

        for (var i = 0; i < 3; i++) Assert.StartsWith("250", await client.AskAsync($"RCPT TO:<b{i}@example.org>"));

        Assert.StartsWith("452 4.5.3", await client.AskAsync("RCPT TO:<b3@example.org>"));
        await client.AskAsync("DATA");
        Assert.StartsWith("250", await client.AskAsync("Hi\r\n."));
        Assert.Equal(3, Assert.Single(host.Mails).Envelope.Recipients.Count);
    }

    [Fact]
    public async Task Too_many_errors_end_the_session()
    {
        await using var host = SmtpHost.Start(new SmtpLimits { MaxErrors = 3 });
        using var client = await host.GreetAsync();

        await client.SendAsync("BAD\r\nBAD\r\nBAD\r\nNOOP\r\n");
        var replies = await client.RepliesToEndAsync();

        Assert.Equal(["500", "500", "500", "421"], replies.Select(reply => reply[..3]));
    }

    [Fact]
    public async Task Connections_over_the_limit_hear_421_and_a_freed_place_is_given_again()
    {
        await using var host = SmtpHost.Start(new SmtpLimits { MaxConnections = 2 });
        using var one = await host.GreetAsync();
        using var two = await host.GreetAsync();
        using var three = await host.ConnectAsync();

        Assert.StartsWith("421 4.3.2", Assert.Single(await three.RepliesToEndAsync()));
        Assert.StartsWith("221", await one.AskAsync("QUIT"));
        one.Dispose();
        await UntilAsync(() => host.Listener.OpenSessions == 1);
        using var four = await host.ConnectAsync();

        Assert.StartsWith("220", await four.ReplyAsync());
    }

    [Theory]
    [InlineData(true, "421 4.7.0")]
    [InlineData(false, "220 test.example")]
    public async Task Connections_of_one_address_have_a_limit_but_loopback_only_if_asked(bool countsLoopback, string banner)
    {
        await using var host = SmtpHost.Start(new SmtpLimits { MaxConnectionsPerAddress = 1, CountsLoopback = countsLoopback });
        using var one = await host.GreetAsync();
        using var two = await host.ConnectAsync();

        Assert.StartsWith(banner, await two.ReplyAsync());
    }

    [Fact]
    public async Task A_client_that_says_nothing_is_gone_by_the_greeting_deadline()
    {
        await using var host = SmtpHost.Start(new SmtpLimits { GreetingTimeout = Short });
        using var client = await host.ConnectAsync();
        await client.ReplyAsync();

        Assert.StartsWith("421 4.4.2", await client.ReplyAsync());
        Assert.Equal("", await client.ReplyAsync());
    }

    [Fact]
    public async Task An_idle_client_is_gone_by_the_command_deadline()
    {
        await using var host = SmtpHost.Start(new SmtpLimits { CommandTimeout = Short });
        using var client = await host.GreetAsync();

        Assert.StartsWith("421 4.4.2", await client.ReplyAsync());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_client_that_drips_is_gone_by_the_stall_deadline(bool inMessage)
    {
        await using var host = SmtpHost.Start(new SmtpLimits { StallTimeout = Short, MinBytesPerSecond = 10_000 });
        using var client = inMessage ? await host.BeginDataAsync() : await host.GreetAsync();
        var watch = Stopwatch.StartNew();

        await DripAsync(client, "x", Soon);

        Assert.True(watch.Elapsed < Soon, $"{watch.Elapsed}");
        await UntilAsync(() => host.Listener.OpenSessions == 0);
        Assert.Empty(host.Mails);
    }

    [Fact]
    public async Task A_message_has_a_total_deadline_at_any_speed()
    {
        await using var host = SmtpHost.Start(new SmtpLimits { DataTimeout = Short });
        using var client = await host.BeginDataAsync();
        var watch = Stopwatch.StartNew();

        await DripAsync(client, new string('x', 1000), Soon);

        Assert.True(watch.Elapsed < Soon, $"{watch.Elapsed}");
    }

    [Fact]
    public async Task A_session_that_hands_over_nothing_has_a_total_deadline_and_one_that_works_has_not()
    {
        await using var host = SmtpHost.Start(new SmtpLimits { SessionTimeout = TimeSpan.FromSeconds(2) });
        using var idler = await host.GreetAsync();
        using var worker = await host.GreetAsync();
        var watch = Stopwatch.StartNew();

        var idling = DripAsync(idler, "NOOP\r\n", Soon);
        while (watch.Elapsed < TimeSpan.FromSeconds(4))
        {
            await worker.AskAsync("MAIL FROM:<a@example.org>");
            await worker.AskAsync("RCPT TO:<b@example.org>");
            await worker.AskAsync("DATA");
            Assert.StartsWith("250", await worker.AskAsync("Hi\r\n."));
            await Task.Delay(50, TestContext.Current.CancellationToken);
        }
        await idling;

        Assert.True(watch.Elapsed < Soon, $"{watch.Elapsed}");
    }

    [Fact]
    public async Task A_client_that_never_reads_its_replies_is_gone()
    {
        await using var host = SmtpHost.Start(new SmtpLimits { StallTimeout = Short });
        using var client = await host.GreetAsync();
        var flood = string.Concat(Enumerable.Repeat("HELP\r\n", 10_000));

        try
        {
            for (var i = 0; i < 2_000; i++) await client.SendAsync(flood).WaitAsync(Soon, TestContext.Current.CancellationToken);
            Assert.Fail("120 MB of commands were taken although no reply was read.");
        }
        catch (IOException)
        {
            // Cut off.
        }
        await UntilAsync(() => host.Listener.OpenSessions == 0);
    }

    [Fact]
    public async Task Three_hundred_slow_clients_do_not_slow_a_good_one()
    {
        await using var host = SmtpHost.Start(new SmtpLimits { StallTimeout = TimeSpan.FromSeconds(2) });
        var slow = new List<RawSmtp>();
        for (var i = 0; i < 300; i++)
        {
            var client = await host.GreetAsync();
            await client.SendAsync("MAIL FRO");
            slow.Add(client);
        }
        using var good = await host.BeginDataAsync();

        var watch = Stopwatch.StartNew();
        Assert.StartsWith("250", await good.AskAsync("Hi\r\n."));

        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(2), $"{watch.Elapsed}");
        await UntilAsync(() => host.Listener.OpenSessions == 1);
        foreach (var client in slow) client.Dispose();
    }

    /// <summary>Sends something every 20 ms until the server hangs up or the time is over.</summary>
    static async Task DripAsync(RawSmtp client, string octets, TimeSpan atMost)
    {
        var farewell = client.RepliesToEndAsync();
        var watch = Stopwatch.StartNew();
        try
        {
            while (!farewell.IsCompleted && watch.Elapsed < atMost)
            {
                await client.SendAsync(octets);
                await Task.Delay(20);
            }
        }
        catch (IOException)
        {
            // Hung up.
        }
        Assert.StartsWith("421 4.4.2", (await farewell)[^1]);
    }

    static Task UntilAsync(Func<bool> isSo) => Eventually.IsAsync(isSo, TimeSpan.FromSeconds(10));

    [Theory]
    [InlineData("POST / HTTP/1.1")]
    [InlineData("Options /x http/1.0")]
    public async Task A_browser_that_posts_commands_is_cut_off_before_them(string line)
    {
        await using var host = SmtpHost.Start();
        using var client = await host.ConnectAsync();
        await client.ReplyAsync();

        await client.SendAsync($"{line}\r\nHost: localhost\r\n\r\nEHLO x\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\nDATA\r\nHi\r\n.\r\n");
        var replies = await client.RepliesToEndAsync();

        Assert.StartsWith("500", Assert.Single(replies));
        Assert.Empty(host.Mails);
    }

    [Fact]
    public async Task A_burst_pays_for_no_silence()
    {
        await using var host = SmtpHost.Start(new SmtpLimits { StallTimeout = Short });
        using var client = await host.BeginDataAsync();

        await client.SendAsync(new string('x', 500_000));

        Assert.StartsWith("421 4.4.2", await client.ReplyAsync());
        Assert.Equal(0, host.Listener.BufferedBytes);
    }
}
