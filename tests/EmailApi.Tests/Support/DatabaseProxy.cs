using System.Net;
using System.Net.Sockets;
using Npgsql;

namespace EmailApi.Tests.Support;

/// <summary>A way to the database that can go away: to the app it looks as a server does that is stopped and started again.</summary>
sealed class DatabaseProxy : IAsyncDisposable
{
    volatile IPEndPoint server;
    readonly Lock gate = new();
    readonly List<Socket> open = [];
    readonly LoopbackPort port = new();
    TcpListener? listener;
    Task accepting = Task.CompletedTask;

    DatabaseProxy(NpgsqlConnectionStringBuilder database) => server = Server(database);

    /// <summary>The database's, through here.</summary>
    public string ConnectionString { get; private set; } = "";

    public static DatabaseProxy Start(string connectionString)
    {
        var database = new NpgsqlConnectionStringBuilder(connectionString);
        var proxy = new DatabaseProxy(database);
        proxy.Restart();
        database.Port = proxy.port.Number;
        proxy.ConnectionString = database.ConnectionString;
        return proxy;
    }

    /// <summary>From now on it is the way to another server.</summary>
    public void PointTo(string connectionString) => server = Server(new(connectionString));

    static IPEndPoint Server(NpgsqlConnectionStringBuilder database) => new(IPAddress.Parse(database.Host!), database.Port);

    /// <summary>Refuses new connections and cuts the others.</summary>
    public async Task StopAsync()
    {
        listener?.Dispose();
        await accepting;
        lock (gate)
        {
            foreach (var socket in open) socket.Dispose();
            open.Clear();
        }
    }

    public void Restart()
    {
        listener = port.Listen(256);
        accepting = AcceptAsync(listener);
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        port.Dispose();
    }

    async Task AcceptAsync(TcpListener from)
    {
        await Task.Yield();
        try
        {
            while (true)
            {
                var client = await from.AcceptSocketAsync();
                var upstream = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
                client.NoDelay = true;
                await upstream.ConnectAsync(server);
                lock (gate) open.AddRange([client, upstream]);
                _ = Task.WhenAny(PumpAsync(client, upstream), PumpAsync(upstream, client)).ContinueWith(_ => { client.Dispose(); upstream.Dispose(); }, TaskScheduler.Default);
            }
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException or InvalidOperationException)
        {
            // Stopped, maybe between two accepts.
        }
    }

    static async Task PumpAsync(Socket from, Socket to)
    {
        try
        {
            var buffer = new byte[64 * 1024];
            while (await from.ReceiveAsync(buffer) is var count and > 0) await to.SendAsync(buffer.AsMemory(0, count));
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException)
        {
            // Cut.
        }
    }
}
