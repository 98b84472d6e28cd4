using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;
using EmailApi.SmtpServer;
using Microsoft.Extensions.Logging;

namespace EmailApi.Tests.SmtpServer;

sealed record Received(SmtpEnvelope Envelope, byte[] Message)
{
    public string Text => Encoding.Latin1.GetString(Message);
}

/// <summary>A listener on loopback whose door keeps every message in memory.</summary>
sealed class SmtpHost : IAsyncDisposable
{
    readonly ConcurrentQueue<Received> received = new();

    SmtpHost(SmtpLimits limits) => Listener = new SmtpListener(
        new IPEndPoint(IPAddress.Loopback, 0), limits, connection => new KeepingSession(connection, this), TimeProvider.System, Log)
    {
        HostName = "test.example",
    };

    public SmtpListener Listener { get; }
    public LogLines Log { get; } = new();
    public IReadOnlyList<Received> Mails => received.ToArray();

    /// <summary>Stands in for the door's storage.</summary>
    public Func<SmtpEnvelope, CancellationToken, Task<SmtpReply>> OnMessage { get; set; } = (_, _) => Task.FromResult(SmtpReply.Ok);

    public static SmtpHost Start(SmtpLimits? limits = null)
    {
        var host = new SmtpHost(limits ?? new SmtpLimits());
        host.Listener.Start();
        return host;
    }

    public Task<RawSmtp> ConnectAsync() => RawSmtp.ConnectAsync(Listener.EndPoint.Port);

    /// <summary>Connected and past EHLO.</summary>
    public async Task<RawSmtp> GreetAsync()
    {
        var client = await ConnectAsync();
        await client.ReplyAsync();
        await client.AskAsync("EHLO client.example");
        return client;
    }

    /// <summary>Past 354.</summary>
    public async Task<RawSmtp> BeginDataAsync()
    {
        var client = await GreetAsync();
        await client.AskAsync("MAIL FROM:<a@example.org>");
        await client.AskAsync("RCPT TO:<b@example.org>");
        Assert.StartsWith("354", await client.AskAsync("DATA"));
        return client;
    }

    public ValueTask DisposeAsync() => Listener.DisposeAsync();

    sealed class KeepingSession(SmtpConnection connection, SmtpHost host) : SmtpSession(connection)
    {
        protected override async ValueTask<SmtpReply> ReceiveAsync(
            SmtpEnvelope envelope, ReadOnlyMemory<byte> message, CancellationToken cancel)
        {
            var reply = await host.OnMessage(envelope, cancel);
            if (reply.Code < 300) host.received.Enqueue(new Received(envelope, message.ToArray()));
            return reply;
        }

        protected override ValueTask<SmtpReply> CheckRecipientAsync(SmtpEnvelope envelope, string recipient, CancellationToken cancel) =>
            new(recipient switch
            {
                "throw@example.org" => throw new InvalidOperationException("no list of recipients"),
                "nobody@example.org" => new SmtpReply(550, "5.1.1", "No such user"),
                _ => SmtpReply.RecipientOk,
            });
    }
}

/// <summary>A client that sends exactly the octets it is given.</summary>
sealed class RawSmtp : IDisposable
{
    readonly TcpClient tcp = new() { NoDelay = true };
    StreamReader reader = null!;

    public NetworkStream Stream { get; private set; } = null!;

    public static async Task<RawSmtp> ConnectAsync(int port)
    {
        var client = new RawSmtp();
        await client.tcp.ConnectAsync(IPAddress.Loopback, port);
        client.Stream = client.tcp.GetStream();
        client.reader = new StreamReader(client.Stream, Encoding.UTF8);
        return client;
    }

    /// <param name="octets">One char an octet.</param>
    public Task SendAsync(string octets) => Stream.WriteAsync(Encoding.Latin1.GetBytes(octets)).AsTask();

    /// <summary>Sends a line in UTF-8 and reads its reply.</summary>
    public async Task<string> AskAsync(string line)
    {
        await Stream.WriteAsync(Encoding.UTF8.GetBytes(line + "\r\n"));
        return await ReplyAsync();
    }

    /// <returns>The whole reply, its lines joined by LF; empty when the connection ended or was reset.</returns>
    public async Task<string> ReplyAsync()
    {
        var lines = new List<string>();
        try
        {
            while (await reader.ReadLineAsync().WaitAsync(TimeSpan.FromSeconds(20)) is { } line)
            {
                lines.Add(line);
                if (line.Length < 4 || line[3] == ' ') break;
            }
        }
        catch (IOException)
        {
            // Reset.
        }
        return string.Join('\n', lines);
    }

    /// <returns>Every reply up to the end of the connection.</returns>
    public async Task<List<string>> RepliesToEndAsync()
    {
        var replies = new List<string>();
        while (await ReplyAsync() is { Length: > 0 } reply) replies.Add(reply);
        return replies;
    }

    public void FinishSending() => tcp.Client.Shutdown(SocketShutdown.Send);

    public void Dispose() => tcp.Dispose();
}

sealed class LogLines : ILogger
{
    public ConcurrentQueue<Exception?> Errors { get; } = new();

    public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(
        LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (logLevel >= LogLevel.Error) Errors.Enqueue(exception);
    }
}
