using System.Net;
using System.Net.Sockets;
using EmailApi.Data;
using EmailApi.Http;
using EmailApi.Relays;
using EmailApi.SmtpServer;
using Microsoft.Extensions.Options;

namespace EmailApi.Capture;

/// <summary>A relay inside the app: mail really travels over a loopback socket, and ends in <c>/v1/captured</c> instead of the world. The
/// inbox of development.</summary>
public sealed class CaptureRelay(
    CaptureStore store, IOptions<AppOptions> options, IHostEnvironment environment, TimeProvider clock, ILogger<CaptureRelay> logger) : IHostedService, IAsyncDisposable
{
    public const int DefaultPort = 2525;

    SmtpListener? listener;

    /// <summary>Where it listens; on loopback only.</summary>
    public int Port => listener?.EndPoint.Port ?? 0;

    /// <summary>As the lane sees it.</summary>
    public RelayOptions AsRelay() => new() { Name = RelayCatalog.Capture, Host = "127.0.0.1", Port = Port, Security = RelaySecurity.None };

    /// <exception cref="StartRefusedException">The port of the settings is taken.</exception>
    public Task StartAsync(CancellationToken cancellationToken)
    {
        if (!options.Value.Delivers) return Task.CompletedTask;
        var configured = options.Value.Capture.Port;
        var port = configured ?? (environment.IsDevelopment() ? DefaultPort : 0);
        try
        {
            Listen(port);
        }
        catch (SocketException error) when (configured is not null)
        {
            throw new StartRefusedException($"EmailApi__Capture__Port: port {port} cannot be listened on ({error.Message}); free it or choose another.", error);
        }
        catch (SocketException error)
        {
            Listen(0);
            logger.LogWarning("Port {Port} cannot be listened on ({Reason}); the capture relay takes {Other} instead", port, error.Message, Port);
        }

        return Task.CompletedTask;
    }

    void Listen(int port)
    {
        listener = new(new(IPAddress.Loopback, port), new SmtpLimits(), connection => new CaptureSession(connection, store), clock, logger) { HostName = "localhost" };
        listener.Start();
    }

    /// <summary>Nothing yet: the deliveries that end here are still finishing; the container disposes it after them.</summary>
    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        if (listener is null) return;
        await listener.StopAsync(TimeSpan.FromSeconds(1));
        await listener.DisposeAsync();
    }

    sealed class CaptureSession(SmtpConnection connection, CaptureStore store) : SmtpSession(connection)
    {
        protected override async ValueTask<SmtpReply> ReceiveAsync(SmtpEnvelope envelope, ReadOnlyMemory<byte> message, CancellationToken cancel)
        {
            await store.AddAsync(envelope.ReversePath, envelope.Recipients, message, cancel);
            return SmtpReply.Ok;   // only now is the mail ours
        }
    }
}
