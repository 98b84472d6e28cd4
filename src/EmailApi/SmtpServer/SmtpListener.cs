using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace EmailApi.SmtpServer;

/// <summary>Accepts SMTP clients on one port and runs a session for each. It has sockets of its own: an endpoint configured
/// on Kestrel would take the HTTP addresses away.</summary>
/// <param name="endPoint">Port 0 takes any free one.</param>
/// <param name="newSession">Makes the door's session for a client; see <see cref="SmtpSession"/> for an example.</param>
public sealed class SmtpListener(
    IPEndPoint endPoint, SmtpLimits limits, Func<SmtpConnection, SmtpSession> newSession, TimeProvider clock, ILogger logger)
    : IAsyncDisposable
{
    const int Backlog = 512;
    static readonly TimeSpan AbortedSessionsEndWithin = TimeSpan.FromSeconds(2);

    readonly ConcurrentDictionary<SmtpConnection, Task> sessions = new();
    readonly Dictionary<IPAddress, int> perOrigin = [];   // guards itself and the count of open sessions
    readonly CancellationTokenSource stopping = new();
    readonly CancellationTokenSource aborting = new();
    readonly ByteBudget budget = new(limits.MaxBufferedBytes);
    Socket? socket;
    ITimer? sweep;
    Task accepting = Task.CompletedTask;
    int open;
    bool isDisposed;

    /// <summary>Our name in the banner and in the answer to EHLO.</summary>
    public string HostName { get; init; } = Dns.GetHostName();

    /// <summary>Where it listens, with the real port once started.</summary>
    public IPEndPoint EndPoint { get; private set; } = endPoint;

    /// <summary>Sessions under way.</summary>
    public int OpenSessions => Volatile.Read(ref open);

    internal long BufferedBytes => budget.Taken;

    /// <exception cref="SocketException">The address or port cannot be had.</exception>
    public void Start()
    {
        var listening = new Socket(EndPoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            if (EndPoint.Address.Equals(IPAddress.IPv6Any)) listening.DualMode = true;
            listening.Bind(EndPoint);
            listening.Listen(Backlog);
        }
        catch
        {
            listening.Dispose();
            throw;
        }
        socket = listening;
        EndPoint = (IPEndPoint)listening.LocalEndPoint!;
        sweep = clock.CreateTimer(_ => InterruptOverdue(), null, limits.SweepInterval, limits.SweepInterval);
        accepting = AcceptAsync(listening);
    }

    /// <summary>Takes no new clients, lets those in the middle of a mail finish it, and closes.</summary>
    /// <param name="grace">How long to wait for them; then they are cut off, and what was not answered is the client's to send
    /// again. Up to two seconds more pass until their code has ended.</param>
    public async Task StopAsync(TimeSpan grace)
    {
        if (isDisposed) return;
        await stopping.CancelAsync();
        socket?.Dispose();
        await accepting;
        foreach (var connection in sessions.Keys) connection.Stop();
        if (!await EndWithinAsync(grace))
        {
            await aborting.CancelAsync();
            foreach (var connection in sessions.Keys) connection.Abort();
            if (!await EndWithinAsync(AbortedSessionsEndWithin)) logger.LogWarning("{Count} SMTP sessions do not end", sessions.Count);
        }
        if (sweep is not null) await sweep.DisposeAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (isDisposed) return;
        await StopAsync(TimeSpan.Zero);
        isDisposed = true;
        stopping.Dispose();
        aborting.Dispose();
    }

    async Task<bool> EndWithinAsync(TimeSpan time)
    {
        try
        {
            await Task.WhenAll(sessions.Values).WaitAsync(time, clock);
            return true;
        }
        catch (TimeoutException)
        {
            return false;
        }
    }

    async Task AcceptAsync(Socket listening)
    {
        while (!stopping.IsCancellationRequested)
        {
            try
            {
                var client = await listening.AcceptAsync(stopping.Token);
                Welcome(client);
            }
            catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException || stopping.IsCancellationRequested)
            {
                return;
            }
            catch (SocketException e)   // out of descriptors, or the client went before we took it: the next may do better
            {
                logger.LogWarning(e, "Could not accept an SMTP client");
                await Task.Delay(TimeSpan.FromMilliseconds(50), clock);
            }
        }
    }

    void Welcome(Socket client)
    {
        IPAddress? entered = null;
        try
        {
            client.NoDelay = true;   // small replies would wait 40 ms for the client's delayed ACK
            var origin = OriginOf(((IPEndPoint)client.RemoteEndPoint!).Address);
            if (TryEnter(origin) is { } refusal)
            {
                client.Send(refusal.Encoded);   // fits into the empty send buffer of a new socket, so it does not block
                client.Dispose();
                return;
            }
            entered = origin;
            var connection = new SmtpConnection(client, HostName, limits, budget, clock);
            var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            sessions[connection] = ended.Task;
            _ = Task.Run(() => ServeAsync(connection, origin, ended));
        }
        catch (Exception e) when (e is SocketException or IOException)   // it hung up meanwhile
        {
            if (entered is not null) Leave(entered);
            client.Dispose();
        }
    }

    async Task ServeAsync(SmtpConnection connection, IPAddress origin, TaskCompletionSource ended)
    {
        try
        {
            await newSession(connection).RunAsync(Report, aborting.Token);
        }
        catch (Exception e)
        {
            Report(e);
        }
        finally
        {
            connection.Dispose();
            sessions.TryRemove(connection, out _);
            Leave(origin);
            ended.SetResult();
        }

        void Report(Exception e) => logger.LogError(e, "SMTP session with {Client} failed", connection.RemoteEndPoint);
    }

    void InterruptOverdue()
    {
        foreach (var (connection, _) in sessions) connection.InterruptIfOverdue();
    }

    /// <returns>Why the client is not let in; null when it is.</returns>
    SmtpReply? TryEnter(IPAddress origin)
    {
        lock (perOrigin)
        {
            var ofOrigin = perOrigin.GetValueOrDefault(origin);
            if (open >= limits.MaxConnections) return Farewells.TooMany;
            if (ofOrigin >= limits.MaxConnectionsPerAddress && (limits.CountsLoopback || !IPAddress.IsLoopback(origin)))
                return Farewells.TooManyFromAddress;
            open++;
            perOrigin[origin] = ofOrigin + 1;
            return null;
        }
    }

    void Leave(IPAddress origin)
    {
        lock (perOrigin)
        {
            open--;
            if (--perOrigin[origin] == 0) perOrigin.Remove(origin);
        }
    }

    /// <summary>What counts as one client: an IPv4 address, or the /64 of an IPv6 one, which a single host may own whole.</summary>
    static IPAddress OriginOf(IPAddress address)
    {
        if (address.IsIPv4MappedToIPv6) return address.MapToIPv4();
        if (address.AddressFamily is not AddressFamily.InterNetworkV6 || IPAddress.IsLoopback(address)) return address;
        return new IPAddress([.. address.GetAddressBytes().AsSpan(0, 8), .. new byte[8]]);
    }
}
