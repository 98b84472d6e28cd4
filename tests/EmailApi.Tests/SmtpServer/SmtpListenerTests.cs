using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using EmailApi.SmtpServer;

namespace EmailApi.Tests.SmtpServer;

public class SmtpListenerTests
{
    static readonly TimeSpan Grace = TimeSpan.FromSeconds(5);

    [Fact]
    public async Task A_taken_port_is_refused_at_once()
    {
        await using var host = SmtpHost.Start();
        await using var second = new SmtpListener(
            host.Listener.EndPoint, new SmtpLimits(), _ => throw new NotSupportedException(), TimeProvider.System, host.Log);

        Assert.Equal(SocketError.AddressAlreadyInUse, Assert.Throws<SocketException>(second.Start).SocketErrorCode);
    }

    [Fact]
    public async Task A_stop_says_421_to_idle_clients_and_takes_no_new_ones()
    {
        await using var host = SmtpHost.Start();
        using var idle = await host.GreetAsync();
        var watch = Stopwatch.StartNew();

        var stopping = host.Listener.StopAsync(Grace);
        var farewell = await idle.ReplyAsync();
        idle.Dispose();
        await stopping;

        Assert.StartsWith("421 4.3.2", farewell);
        Assert.True(watch.Elapsed < Grace);
        await Assert.ThrowsAsync<SocketException>(host.ConnectAsync);
    }

    [Fact]
    public async Task A_stop_lets_the_mail_under_way_finish()
    {
        await using var host = SmtpHost.Start();
        using var busy = await host.BeginDataAsync();
        await busy.SendAsync("half ");

        var stopping = host.Listener.StopAsync(Grace);
        await Task.Delay(100, TestContext.Current.CancellationToken);
        await busy.SendAsync("whole\r\n.\r\n");
        var replies = await busy.RepliesToEndAsync();
        busy.Dispose();
        await stopping;

        Assert.Equal(["250", "421"], replies.Select(reply => reply[..3]));
        Assert.Equal("half whole\r\n", Assert.Single(host.Mails).Text);
    }

    [Fact]
    public async Task A_stop_cuts_off_who_does_not_finish_and_cancels_the_door()
    {
        await using var host = SmtpHost.Start();
        var begun = new TaskCompletionSource();
        var canceled = new TaskCompletionSource();
        host.OnMessage = async (_, cancel) =>
        {
            begun.SetResult();
            await Task.Delay(Timeout.Infinite, cancel).ContinueWith(_ => canceled.SetResult(), TaskScheduler.Default);
            return SmtpReply.LocalError;
        };
        using var half = await host.BeginDataAsync();
        using var stored = await host.BeginDataAsync();
        await stored.SendAsync("Hi\r\n.\r\n");
        await begun.Task.WaitAsync(Grace, TestContext.Current.CancellationToken);
        var watch = Stopwatch.StartNew();

        await host.Listener.StopAsync(TimeSpan.FromMilliseconds(200));

        Assert.True(watch.Elapsed < Grace, $"{watch.Elapsed}");
        Assert.True(canceled.Task.IsCompleted);
        Assert.Equal(0, host.Listener.OpenSessions);
        Assert.Empty(host.Mails);
    }

    [Fact]
    public async Task A_session_that_cannot_be_made_does_not_stop_the_listener()
    {
        var log = new LogLines();
        var made = 0;
        await using var listener = new SmtpListener(new IPEndPoint(IPAddress.Loopback, 0), new SmtpLimits(),
            connection => made++ == 0 ? throw new InvalidOperationException("first") : new RefusingSession(connection),
            TimeProvider.System, log);
        listener.Start();

        using (var first = await RawSmtp.ConnectAsync(listener.EndPoint.Port)) Assert.Equal("", await first.ReplyAsync());
        using var second = await RawSmtp.ConnectAsync(listener.EndPoint.Port);

        Assert.StartsWith("220", await second.ReplyAsync());
        Assert.Equal("first", Assert.Single(log.Errors)!.Message);
    }

    [Fact]
    public async Task A_client_that_vanishes_in_a_message_leaves_nothing_behind()
    {
        await using var host = SmtpHost.Start();
        for (var i = 0; i < 20; i++)
        {
            using var client = await host.BeginDataAsync();
            await client.SendAsync("never finished");
        }

        for (var watch = Stopwatch.StartNew(); host.Listener.OpenSessions > 0; await Task.Delay(10, TestContext.Current.CancellationToken))
            Assert.True(watch.Elapsed < Grace);
        Assert.Empty(host.Mails);
        Assert.Empty(host.Log.Errors);
        Assert.Equal(0, host.Listener.BufferedBytes);
    }

    [Fact]
    public async Task Twenty_kept_connections_lose_nothing()
    {
        const int Mails = 250;
        await using var host = SmtpHost.Start();
        var message = new string('x', 70) + "\r\n";
        var watch = Stopwatch.StartNew();

        await Task.WhenAll(Enumerable.Range(0, 20).Select(async _ =>
        {
            using var client = await host.GreetAsync();
            for (var i = 0; i < Mails; i++)
            {
                await client.SendAsync("MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n");
                for (var reply = 0; reply < 3; reply++) Assert.StartsWith(reply < 2 ? "250" : "354", await client.ReplyAsync());
                Assert.StartsWith("250", await client.AskAsync(message + "."));
            }
        }));

        Assert.Equal(20 * Mails, host.Mails.Count);
        TestContext.Current.TestOutputHelper?.WriteLine($"{20 * Mails / watch.Elapsed.TotalSeconds:F0} messages/s");
    }

    sealed class RefusingSession(SmtpConnection connection) : SmtpSession(connection)
    {
        protected override ValueTask<SmtpReply> ReceiveAsync(
            SmtpEnvelope envelope, ReadOnlyMemory<byte> message, CancellationToken cancel) =>
            new(new SmtpReply(550, "5.7.1", "No mail here"));
    }
}
