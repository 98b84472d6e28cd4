using System.Net;
using System.Net.Sockets;

namespace EmailApi.Tests.Support;

/// <summary>A port of loopback that stays ours while nobody listens on it: connecting is refused then, and no other program's connection is given its number.</summary>
sealed class LoopbackPort : IDisposable
{
    // Bound and never listening: another socket of ours may listen beside it (SO_REUSEADDR, which .NET sets for TCP).
    readonly Socket held = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);

    public LoopbackPort() => held.Bind(new IPEndPoint(IPAddress.Loopback, 0));

    public int Number => ((IPEndPoint)held.LocalEndPoint!).Port;

    public TcpListener Listen(int backlog)
    {
        var listener = new TcpListener(IPAddress.Loopback, Number);
        listener.Start(backlog);
        return listener;
    }

    public void Dispose() => held.Dispose();
}
