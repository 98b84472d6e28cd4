using System.Net;
using System.Net.Sockets;
using System.Text;

namespace EmailApi.SmtpServer;

/// <summary>The dialogue with this client is over: it closed, was too slow, or the listener stops. Thrown by
/// <see cref="SmtpConnection"/> only, so that a fault of a door's own code is never taken for one of the network.</summary>
sealed class SmtpConnectionLostException(SmtpReply? farewell, Exception? inner = null)
    : Exception("The SMTP connection is over.", inner)
{
    /// <summary>What to tell the client before closing; null when it is gone already.</summary>
    public SmtpReply? Farewell => farewell;
}

/// <summary>What a command line turned out to be.</summary>
enum LineRead
{
    /// <summary>No whole line has arrived yet.</summary>
    Incomplete,
    Complete,
    TooLong,
    /// <summary>A bare CR or LF, a NUL, or bytes that are not UTF-8.</summary>
    Malformed,
}

/// <summary>One client's socket: buffered lines and messages in, buffered replies out, and a deadline for every wait. Replies
/// are sent together when the input is used up, so a pipelined group (RFC 2920) costs one packet each way.</summary>
public sealed class SmtpConnection : IDisposable
{
    const int InputBytes = 16 * 1024;
    const int MaxPendingBytes = 16 * 1024;
    static readonly UTF8Encoding StrictUtf8 = new(false, throwOnInvalidBytes: true);

    readonly Socket socket;
    readonly NetworkStream stream;   // a door with STARTTLS puts its TLS stream here and must throw away what is buffered
    readonly TimeProvider clock;
    readonly ByteBudget budget;
    readonly long openedAt;
    readonly CancellationTokenSource interrupt = new();
    readonly byte[] input;
    readonly MemoryStream pending = new();
    int start, end;
    long waitUntil = long.MaxValue;   // ticks since openedAt; the listener's sweep interrupts a wait that is past it
    TimeSpan lineBegunAt;
    volatile bool isInterruptible;
    volatile bool isStopping;

    internal SmtpConnection(Socket socket, string hostName, SmtpLimits limits, ByteBudget budget, TimeProvider clock)
    {
        (this.socket, this.budget, this.clock) = (socket, budget, clock);
        (HostName, Limits) = (hostName, limits);
        var remote = (IPEndPoint)socket.RemoteEndPoint!;
        RemoteEndPoint = remote.Address.IsIPv4MappedToIPv6 ? new IPEndPoint(remote.Address.MapToIPv4(), remote.Port) : remote;
        openedAt = clock.GetTimestamp();
        stream = new NetworkStream(socket, ownsSocket: true);
        input = new byte[Math.Max(InputBytes, limits.MaxLineBytes)];
    }

    public IPEndPoint RemoteEndPoint { get; }

    /// <summary>Our name in the banner and in the answer to EHLO.</summary>
    public string HostName { get; }

    public SmtpLimits Limits { get; }

    internal bool IsStopping => isStopping;

    /// <summary>Since the client connected.</summary>
    internal TimeSpan Age => clock.GetElapsedTime(openedAt);

    internal bool HasInput => end > start;

    /// <summary>Takes the next command from the buffer, without its CRLF.</summary>
    internal LineRead TryReadLine(out string line)
    {
        line = "";
        var unread = input.AsSpan(start, end - start);
        var lineFeed = unread.IndexOf((byte)'\n');
        if (lineFeed < 0) return unread.Length >= Limits.MaxLineBytes ? LineRead.TooLong : LineRead.Incomplete;
        if (lineFeed >= Limits.MaxLineBytes) return LineRead.TooLong;

        start += lineFeed + 1;
        if (lineFeed == 0 || unread[lineFeed - 1] != '\r') return LineRead.Malformed;
        var text = unread[..(lineFeed - 1)];
        if (text.ContainsAny((byte)'\r', (byte)'\0')) return LineRead.Malformed;
        try
        {
            line = StrictUtf8.GetString(text);
            return LineRead.Complete;
        }
        catch (DecoderFallbackException)
        {
            return LineRead.Malformed;
        }
    }

    /// <summary>Waits for more of a command.</summary>
    /// <param name="idleUntil">Age at which a client that sends nothing is too late; a begun line has its own, shorter time.</param>
    /// <param name="interruptible">No transaction is open: a stopping listener need not wait for this client.</param>
    internal ValueTask WaitForCommandAsync(TimeSpan idleUntil, bool interruptible)
    {
        if (!HasInput) lineBegunAt = TimeSpan.Zero;
        else if (lineBegunAt == TimeSpan.Zero) lineBegunAt = Age;
        var until = HasInput && lineBegunAt + Limits.StallTimeout is var stalled && stalled < idleUntil ? stalled : idleUntil;
        return FillAsync(until, interruptible);
    }

    /// <summary>Reads a message up to CRLF.CRLF; the caller disposes of it.</summary>
    /// <param name="sessionEnd">Age at which the session ends in any case.</param>
    internal async ValueTask<DataDecoder> ReadMessageAsync(TimeSpan sessionEnd)
    {
        var begunAt = Age;
        var last = Min(begunAt + Limits.DataTimeout, sessionEnd);
        var until = begunAt + Limits.StallTimeout;
        var decoder = new DataDecoder(Limits, budget);
        try
        {
            while (true)
            {
                var fed = decoder.Feed(input.AsSpan(start, end - start));
                start += fed;
                if (decoder.IsComplete || decoder.IsHopeless) return decoder;
                // Never further ahead than a stall may last: a burst at the start must not pay for minutes of silence.
                until = Min(until + TimeSpan.FromSeconds((double)fed / Limits.MinBytesPerSecond), Age + Limits.StallTimeout);
                await FillAsync(Min(until, last), interruptible: false);
            }
        }
        catch
        {
            decoder.Dispose();
            throw;
        }
    }

    internal void Write(SmtpReply reply) => pending.Write(reply.Encoded);

    /// <summary>Sends what was written; a client that does not read it loses the connection.</summary>
    internal async ValueTask FlushAsync(bool onlyIfMany = false)
    {
        if (pending.Length == 0 || onlyIfMany && pending.Length < MaxPendingBytes) return;
        await GuardAsync(Age + Limits.StallTimeout, static (self, cancel) => self.SendPendingAsync(cancel));
    }

    /// <summary>Tells the client why, lets it read that, and closes. A plain close would reset the connection while the client
    /// is still sending, and the reset would overtake the reply.</summary>
    internal async Task CloseAsync(SmtpReply? farewell)
    {
        if (farewell is not null) Write(farewell);
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(1), clock);
        try
        {
            await SendPendingAsync(limit.Token);
            socket.Shutdown(SocketShutdown.Send);
            for (var discarded = 0; discarded < Limits.MaxLineBytes + 16 * InputBytes;)
            {
                var read = await stream.ReadAsync(input, limit.Token);
                if (read == 0) break;
                discarded += read;
            }
        }
        catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException or OperationCanceledException)
        {
            // It is gone already, or does not listen.
        }
    }

    /// <summary>Called by the listener's sweep.</summary>
    internal void InterruptIfOverdue()
    {
        if (Age.Ticks > Interlocked.Read(ref waitUntil)) interrupt.Cancel();
    }

    /// <summary>The listener stops: a client between two mails goes at once, others after the mail they are at.</summary>
    internal void Stop()
    {
        isStopping = true;
        Interlocked.MemoryBarrier();   // pairs with FillAsync: one of the two sees the other's flag
        if (isInterruptible) interrupt.Cancel();
    }

    /// <summary>Ends the session now, in the middle of anything.</summary>
    internal void Abort() => socket.Close(0);

    public void Dispose()
    {
        stream.Dispose();
        pending.Dispose();
    }

    async ValueTask FillAsync(TimeSpan until, bool interruptible)
    {
        await FlushAsync();
        if (start == end) start = end = 0;
        else if (end == input.Length)
        {
            input.AsSpan(start, end - start).CopyTo(input);
            (start, end) = (0, end - start);
        }

        isInterruptible = interruptible;
        Interlocked.MemoryBarrier();
        if (interruptible && isStopping) throw new SmtpConnectionLostException(Farewells.Stopping);
        await GuardAsync(until, static async (self, cancel) =>
        {
            var read = await self.stream.ReadAsync(self.input.AsMemory(self.end), cancel);
            if (read == 0) throw new SmtpConnectionLostException(null);
            self.end += read;
        });
        isInterruptible = false;
    }

    async ValueTask SendPendingAsync(CancellationToken cancel)
    {
        await stream.WriteAsync(pending.GetBuffer().AsMemory(0, (int)pending.Length), cancel);
        pending.SetLength(0);
    }

    async ValueTask GuardAsync(TimeSpan until, Func<SmtpConnection, CancellationToken, ValueTask> transfer)
    {
        Interlocked.Exchange(ref waitUntil, until.Ticks);
        try
        {
            await transfer(this, interrupt.Token);
        }
        catch (OperationCanceledException e)
        {
            throw new SmtpConnectionLostException(isStopping ? Farewells.Stopping : Farewells.TooSlow, e);
        }
        catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException)
        {
            throw new SmtpConnectionLostException(null, e);
        }
        finally
        {
            Interlocked.Exchange(ref waitUntil, long.MaxValue);   // a door's own work is not the client's delay
        }
    }

    static TimeSpan Min(TimeSpan one, TimeSpan other) => one < other ? one : other;
}

/// <summary>How we take our leave (RFC 5321 §3.8).</summary>
static class Farewells
{
    public static SmtpReply Stopping { get; } = new(421, "4.3.2", "Shutting down, try again later");
    public static SmtpReply TooSlow { get; } = new(421, "4.4.2", "Too slow, closing");
    public static SmtpReply TooMany { get; } = new(421, "4.3.2", "Too many connections, try again later");
    public static SmtpReply TooManyFromAddress { get; } = new(421, "4.7.0", "Too many connections from your address");
    public static SmtpReply TooManyErrors { get; } = new(421, "4.7.0", "Too many errors, closing");
}
