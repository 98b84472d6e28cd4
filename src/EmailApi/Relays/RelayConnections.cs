using System.Collections.Concurrent;
using System.Net.Sockets;
using EmailApi.Delivery;
using MimeKit;

namespace EmailApi.Relays;

/// <summary>A lane's connections, kept open between mails and bounded by <c>MaxConnections</c>. A slot is a connection or the right to make one.</summary>
public sealed class RelayConnections(RelayOptions relay, TimeProvider clock) : IAsyncDisposable
{
    /// <summary>One unused for longer is closed by us, before relays tire of it.</summary>
    static readonly TimeSpan MaxIdle = TimeSpan.FromSeconds(60);
    const long MaxContentBytes = 60_000_000;

    readonly ConcurrentStack<RelayConnection> idle = new();
    readonly Breaker breaker = new(clock);
    readonly RateGate rate = new(relay.RatePerSecond, clock);
    int inUse;
    volatile Outcome? trouble;

    public RelayOptions Relay { get; } = relay;

    /// <summary>The lane's own: large mail for a slow relay keeps no other lane waiting.</summary>
    public ContentBudget Contents { get; } = new(MaxContentBytes);

    public int InUse => Volatile.Read(ref inUse);

    /// <summary>What a claim may take now: free slots; one while the breaker probes, none while it is open; no more than the rate allows.</summary>
    public int Free => Math.Min(breaker.Limit(Relay.MaxConnections - InUse, InUse), rate.Available);

    /// <summary>It cannot be reached; another relay takes its mail meanwhile, if there is one.</summary>
    public bool IsDown => breaker.Wait is not null;

    /// <summary>What kept the last connection from getting as far as a mail; null when nothing did.</summary>
    public string? Trouble => trouble switch
    {
        Outcome.Replied { Reply: var reply } => $"{reply.Code} {reply.Enhanced} {reply.Text}",
        Outcome.Lost lost => lost.Text,
        _ => null,
    };

    /// <summary>It could not be connected to when last tried.</summary>
    public bool IsAway => trouble?.Step is SmtpStep.Connect;

    /// <summary>How long until <see cref="Free"/> can grow by itself, though no connection is given back.</summary>
    public TimeSpan? Wait => breaker.Wait ?? rate.Wait;

    /// <summary>Takes slots that <see cref="Free"/> offered. Only the lane's run takes.</summary>
    public void Take(int slots)
    {
        Interlocked.Add(ref inUse, slots);
        rate.Take(slots);
    }

    public void Release(int slots) => Interlocked.Add(ref inUse, -slots);

    public async Task<Dialogue> SendAsync(MimeMessage message, RelayEnvelope envelope, CancellationToken cancel)
    {
        var connection = Rent();
        try
        {
            var outcomes = await connection.SendAsync(message, envelope, cancel);
            breaker.Saw(outcomes[0]);
            trouble = outcomes[0].Step < SmtpStep.Mail ? outcomes[0] : null;
            return new(outcomes, connection.Tls, Relay.KeepConversations || !outcomes.All(o => o.IsTaken) ? connection.Conversation : null);
        }
        finally
        {
            idle.Push(connection);
        }
    }

    /// <summary>Finds out whether it can be connected to, and says nothing to it.</summary>
    public async Task LookAsync(CancellationToken cancel)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        deadline.CancelAfter(Relay.ConnectTimeout);
        try
        {
            using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
            await socket.ConnectAsync(Relay.Host, Relay.Port, deadline.Token);
            if (IsAway) trouble = null;
        }
        catch (Exception error) when (error is SocketException or OperationCanceledException && !cancel.IsCancellationRequested)
        {
            trouble = new Outcome.Lost(SmtpStep.Connect, $"{Relay.Host}:{Relay.Port}: {(error as SocketException)?.Message ?? "no connection in time"}");
        }
    }

    RelayConnection Rent()
    {
        while (idle.TryPop(out var kept))
        {
            if (kept.IsConnected && kept.Idle < MaxIdle && !kept.HasSpoken) return kept;
            kept.Dispose();
        }

        return new(Relay, clock);
    }

    public async ValueTask DisposeAsync()
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(2));
        while (idle.TryPop(out var connection)) await connection.QuitAsync(deadline.Token);
    }
}

/// <summary>How one message went.</summary>
/// <param name="Outcomes">For each recipient, in their order.</param>
/// <param name="Tls">Protocol and cipher; null in clear.</param>
/// <param name="Conversation">What was said; null when all was well and nobody wants to know.</param>
public sealed record Dialogue(IReadOnlyList<Outcome> Outcomes, string? Tls = null, string? Conversation = null);

/// <summary>Leaves a relay alone that cannot be reached: opens after 5 failures to connect in a row, then probes with one mail after 1 s,
/// doubling to 60 s.</summary>
sealed class Breaker(TimeProvider clock)
{
    const int Failures = 5;

    readonly Lock gate = new();
    int failures;
    long openedAt;

    /// <summary>Until the next probe; null when closed.</summary>
    public TimeSpan? Wait
    {
        get
        {
            lock (gate)
            {
                if (failures < Failures) return null;
                var left = Pause - clock.GetElapsedTime(openedAt);
                return left > TimeSpan.Zero ? left : TimeSpan.Zero;
            }
        }
    }

    TimeSpan Pause => TimeSpan.FromSeconds(Math.Min(60, Math.Pow(2, failures - Failures)));

    public int Limit(int free, int inUse) => Wait switch
    {
        null => free,
        { } wait => wait > TimeSpan.Zero || inUse > 0 ? 0 : Math.Min(free, 1),
    };

    public void Saw(Outcome outcome)
    {
        lock (gate)
        {
            // 5yz before MAIL counts as well: a relay that refuses the greeting or the password refuses all mail.
            if (outcome.Step >= SmtpStep.Mail) failures = 0;
            else if (failures < Failures || clock.GetElapsedTime(openedAt) >= Pause)
            {
                failures++;
                openedAt = clock.GetTimestamp();
            }
            // Else it is one of those that were under way when the breaker opened: they are no probes, and must not lengthen the pause.
        }
    }
}

/// <summary>Mails a second at most: a bucket that holds one second's worth.</summary>
sealed class RateGate(double perSecond, TimeProvider clock)
{
    double tokens = Math.Max(1, perSecond);
    long filledAt = clock.GetTimestamp();

    public int Available => perSecond <= 0 ? int.MaxValue : (int)Fill();

    /// <summary>Until one more is allowed; null when one is, or without a limit.</summary>
    public TimeSpan? Wait => perSecond <= 0 || Fill() >= 1 ? null : TimeSpan.FromSeconds((1 - tokens) / perSecond);

    public void Take(int count)
    {
        if (perSecond > 0) tokens = Fill() - count;
    }

    double Fill()
    {
        var now = clock.GetTimestamp();
        tokens = Math.Min(Math.Max(1, perSecond), tokens + clock.GetElapsedTime(filledAt, now).TotalSeconds * perSecond);
        filledAt = now;
        return tokens;
    }
}
