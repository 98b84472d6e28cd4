using System.Net;
using System.Net.Sockets;
using EmailApi.Data;
using EmailApi.Http;
using EmailApi.SmtpServer;
using Microsoft.Extensions.Options;

namespace EmailApi.Bounces;

/// <summary>The MX of the bounce domain: takes mail for return paths of ours, and reports of feedback loops. It answers in SMTP alone and sends nothing, so
/// that it can neither be made to mail anybody nor take part in a loop.</summary>
public sealed class BounceListener(ReportIntake intake, ReturnPath returnPath, ReportMetrics metrics, IOptions<AppOptions> options, TimeProvider clock, ILogger<BounceListener> logger)
    : IHostedService, IAsyncDisposable
{
    public const int DefaultPort = 2526;

    /// <summary>Reports come whole at times, with the mail that they speak of: its size counts.</summary>
    static readonly SmtpLimits Limits = new() { MaxConnections = 200, MaxConnectionsPerAddress = 20, MaxRecipients = 100, MaxBufferedBytes = 128 * 1024 * 1024 };

    SmtpListener? listener;

    /// <summary>Where it listens; 0: nowhere.</summary>
    public int Port => listener?.EndPoint.Port ?? 0;

    /// <exception cref="StartRefusedException">The port of the settings is taken.</exception>
    public Task StartAsync(CancellationToken cancellationToken)
    {
        var settings = options.Value;
        if (!settings.Accepts || returnPath.Domain is not { } domain || settings.Bounce.Port == 0) return Task.CompletedTask;
        var port = settings.Bounce.Port ?? DefaultPort;
        try
        {
            listener = new(new(IPAddress.IPv6Any, port), Limits, connection => new BounceSession(connection, intake, returnPath, metrics), clock, logger) { HostName = domain };
            listener.Start();
        }
        catch (SocketException error) when (settings.Bounce.Port is not null)
        {
            throw new StartRefusedException($"EmailApi__Bounce__Port: port {port} cannot be listened on ({error.Message}); free it or choose another.", error);
        }
        catch (SocketException error)
        {
            listener = null;
            logger.LogWarning("Port {Port} cannot be listened on ({Reason}); bounces are not received here. Set EmailApi__Bounce__Port", port, error.Message);
        }

        return Task.CompletedTask;
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        if (listener is not null) await listener.StopAsync(TimeSpan.FromSeconds(10));
    }

    public async ValueTask DisposeAsync()
    {
        if (listener is not null) await listener.DisposeAsync();
    }
}

/// <summary>One client of the bounce listener.</summary>
sealed class BounceSession(SmtpConnection connection, ReportIntake intake, ReturnPath returnPath, ReportMetrics metrics) : SmtpSession(connection)
{
    static readonly SmtpReply Unknown = new(550, "5.1.1", "No such return path");
    static readonly SmtpReply NotHere = new(550, "5.7.1", "Mail is taken for return paths of this domain only");
    static readonly SmtpReply Loop = new(554, "5.4.6", "Too many hops");
    static readonly SmtpReply TooEarly = new(451, "4.3.0", "The mail is still being handed over, try again later");

    /// <summary>Received fields that a message may have (RFC 5321 §6.3 asks for 100 at least).</summary>
    const int MaxHops = 100;

    /// <summary>Who registers for a feedback loop gives one of these; the report holds a return path of ours, or is not believed.</summary>
    static readonly string[] Desks = ["postmaster", "abuse", "fbl", "complaints"];

    protected override ValueTask<SmtpReply> CheckRecipientAsync(SmtpEnvelope envelope, string recipient, CancellationToken cancel)
    {
        var at = recipient.LastIndexOf('@');
        if (!recipient.AsSpan(at + 1).Equals(returnPath.Domain, StringComparison.OrdinalIgnoreCase)) return new(NotHere);
        if (returnPath.Read(recipient) is not null || Desks.Contains(recipient[..at], StringComparer.OrdinalIgnoreCase)) return new(SmtpReply.RecipientOk);
        metrics.Refused();
        return new(Unknown);
    }

    protected override async ValueTask<SmtpReply> ReceiveAsync(SmtpEnvelope envelope, ReadOnlyMemory<byte> message, CancellationToken cancel)
    {
        if (Hops.Count(message.Span) > MaxHops) return Loop;
        var read = intake.Read(message[..Math.Min(message.Length, ReportIntake.MaxBytes)], cancel);
        foreach (var recipient in envelope.Recipients.Distinct(StringComparer.OrdinalIgnoreCase))
        {
            var taken = await intake.TakeAsync(read, new("smtp", returnPath.Read(recipient), NeedsTag: true), cancel);
            if (taken.Effect is ReportEffect.TooEarly) return TooEarly;   // what was recorded already says the same the second time
        }

        return SmtpReply.Ok;
    }
}

/// <summary>How far a message has come.</summary>
static class Hops
{
    /// <summary>Received fields of the header.</summary>
    public static int Count(ReadOnlySpan<byte> message)
    {
        var end = message.IndexOf("\r\n\r\n"u8);
        var header = end < 0 ? message : message[..end];
        var count = 0;
        foreach (var line in header.Split((byte)'\n'))
        {
            var text = header[line];
            if (text.Length > 9 && System.Text.Ascii.EqualsIgnoreCase(text[..9], "Received:"u8)) count++;
        }

        return count;
    }
}
