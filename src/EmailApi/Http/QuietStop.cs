using System.Collections.Concurrent;
using System.Net;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.Options;

namespace EmailApi.Http;

/// <summary>Stops a node without a client noticing. New connections are refused at once, and clients go elsewhere; those that are kept open are each
/// answered once more, with <c>Connection: close</c> (RFC 9112 §9.6). A server that just closed them would now and then do so while a request is
/// on its way, and the client could not know whether it was read.</summary>
public sealed class QuietStop(HttpListeners listeners, TimeProvider clock) : IHostedLifecycleService
{
    /// <summary>A connection on which nothing is asked for so long is closed without a word.</summary>
    public static readonly TimeSpan Limit = TimeSpan.FromSeconds(2);

    volatile bool hasBegun;

    public bool HasBegun => hasBegun;

    /// <summary>Before anything else stops.</summary>
    public async Task StoppingAsync(CancellationToken cancel)
    {
        hasBegun = true;
        await listeners.UnbindAsync(cancel);
        for (var startedAt = clock.GetTimestamp(); listeners.OpenConnections > 0 && clock.GetElapsedTime(startedAt) < Limit;) await Task.Delay(20, CancellationToken.None);
    }

    /// <summary>The header of answers that begin now.</summary>
    public void SayClose(HttpContext context)
    {
        if (hasBegun && HttpProtocol.IsHttp11(context.Request.Protocol)) context.Response.Headers.Connection = "close";
    }

    public Task StartingAsync(CancellationToken cancel) => Task.CompletedTask;
    public Task StartAsync(CancellationToken cancel) => Task.CompletedTask;
    public Task StartedAsync(CancellationToken cancel) => Task.CompletedTask;
    public Task StopAsync(CancellationToken cancel) => Task.CompletedTask;
    public Task StoppedAsync(CancellationToken cancel) => Task.CompletedTask;
}

/// <summary>Kestrel's own sockets, which can be told to take no more connections while those that there are go on.</summary>
public sealed class HttpListeners(IOptions<SocketTransportOptions> options, ILoggerFactory logging) : IConnectionListenerFactory
{
    readonly SocketTransportFactory sockets = new(options, logging);
    readonly ConcurrentBag<Listener> bound = [];
    int open;

    public int OpenConnections => Volatile.Read(ref open);

    public async ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default)
    {
        var listener = new Listener(this, await sockets.BindAsync(endpoint, cancellationToken));
        bound.Add(listener);
        return listener;
    }

    public async Task UnbindAsync(CancellationToken cancel)
    {
        foreach (var listener in bound) await listener.UnbindAsync(cancel);
    }

    sealed class Listener(HttpListeners all, IConnectionListener inner) : IConnectionListener
    {
        public EndPoint EndPoint => inner.EndPoint;

        public async ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken = default)
        {
            var connection = await inner.AcceptAsync(cancellationToken);
            if (connection is null) return null;

            Interlocked.Increment(ref all.open);
            connection.ConnectionClosed.UnsafeRegister(state => Interlocked.Decrement(ref ((HttpListeners)state!).open), all);
            return connection;
        }

        public ValueTask UnbindAsync(CancellationToken cancellationToken = default) => inner.UnbindAsync(cancellationToken);

        public ValueTask DisposeAsync() => inner.DisposeAsync();
    }
}
