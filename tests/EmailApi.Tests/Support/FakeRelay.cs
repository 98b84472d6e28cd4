using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace EmailApi.Tests.Support;

/// <summary>Where in the dialogue a scripted answer takes effect.</summary>
public enum RelayStep
{
    /// <summary>After the TCP connect, before the banner.</summary>
    Connect,
    Banner,
    Ehlo,
    StartTls,
    Auth,
    Mail,
    Rcpt,
    /// <summary>In place of 354.</summary>
    Data,
    /// <summary>When the first part of the message has arrived.</summary>
    Body,
    /// <summary>After the final dot, in place of its reply.</summary>
    Dot,
    Rset,
    Quit,
    /// <summary>Between two mails: after a mail's reply, before the next command.</summary>
    Idle,
}

/// <summary>A message the relay took.</summary>
/// <param name="Recipients">Those whose RCPT was accepted, in order.</param>
/// <param name="MailParameters">What followed the reverse-path, such as <c>BODY=8BITMIME SMTPUTF8</c>.</param>
/// <param name="Data">Octets between 354 and the final dot, dots unstuffed, line ends as they came.</param>
public sealed record RelayedMail(
    string ReversePath, IReadOnlyList<string> Recipients, string MailParameters, byte[] Data, string? MessageId, int ConnectionNumber,
    DateTimeOffset At)
{
    public string Text => System.Text.Encoding.UTF8.GetString(Data);
}

/// <summary>A connection, numbered from 1 in the order of connecting; its client's port tells whose it is.</summary>
public sealed record RelayConnection(int Number, DateTimeOffset At, int ClientPort);

/// <summary>A command line as it came, without CRLF.</summary>
public sealed record RelayCommand(int ConnectionNumber, string Line, DateTimeOffset At);

/// <summary>A scripted relay on loopback, for faults. It shares no code with the app's own SMTP server, answers correctly until
/// told otherwise, and records all it sees. Safe for use from several threads.</summary>
/// <remarks>
/// An answer is an SMTP reply line, or one of: <c>close</c>, <c>reset</c> (RST), <c>hang</c> (says nothing more),
/// <c>delay:300</c> (ms, then as usual), <c>delay:300 451 4.3.2 later</c> (ms, then that answer); after the dot also
/// <c>take:close</c>, <c>take:reset</c>, <c>take:hang</c>: the message is taken, but its 250 never comes. A reply of 421, or any
/// reply at Connect, Body or Idle, is followed by a close.
/// </remarks>
public sealed class FakeRelay : IAsyncDisposable
{
    static readonly TimeSpan DefaultTimeout = TimeSpan.FromSeconds(10);
    static readonly Lazy<X509Certificate2> SelfSigned = new(MakeCertificate);

    readonly Lock gate = new();
    readonly Dictionary<string, Script> byRecipient = new(StringComparer.OrdinalIgnoreCase);
    readonly List<Script> bySteps = [];
    readonly List<RelayedMail> mails = [];
    readonly List<RelayConnection> connections = [];
    readonly List<RelayCommand> commands = [];
    readonly List<Socket> open = [];
    readonly List<Task> running = [];
    TaskCompletionSource changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    CancellationTokenSource stopping = new();
    readonly LoopbackPort port = new();
    TcpListener? listener;

    FakeRelay()
    {
    }

    public int Port => port.Number;

    // What EHLO offers; read anew at each EHLO.
    public bool SmtpUtf8 { get; set; } = true;
    public bool EightBitMime { get; set; } = true;
    public bool Pipelining { get; set; } = true;
    public bool StartTls { get; set; }
    public bool Auth { get; set; }
    /// <summary>DSN (RFC 3461); the parameters are recorded as they came.</summary>
    public bool Dsn { get; set; }
    /// <summary>SIZE, octets; null offers no SIZE. Announced only, not enforced.</summary>
    public long? Size { get; set; } = 50 * 1024 * 1024;

    /// <summary>The only login that is accepted; null accepts any.</summary>
    public (string User, string Password)? Login { get; set; }

    /// <summary>Runs when a command was read, before any answer to it.</summary>
    public Func<RelayCommand, Task>? OnCommand { get; set; }

    /// <summary>Runs just after the final dot was read, before any answer to it.</summary>
    public Func<RelayedMail, Task>? OnDot { get; set; }

    public static X509Certificate2 Certificate => SelfSigned.Value;

    public IReadOnlyList<RelayedMail> Mails => Locked(() => mails.ToArray());
    public IReadOnlyList<RelayConnection> Connections => Locked(() => connections.ToArray());
    public IReadOnlyList<RelayCommand> Commands => Locked(() => commands.ToArray());
    public int OpenConnections => Locked(() => open.Count);

    public static FakeRelay Start()
    {
        var relay = new FakeRelay();
        relay.Listen();
        return relay;
    }

    /// <summary>Answers RCPT of this address so, each time.</summary>
    public void Answer(string recipient, string answer, int times = int.MaxValue) =>
        Locked(() => byRecipient[recipient] = new Script(RelayStep.Rcpt, answer, times));

    /// <summary>Answers a step so, a number of times; several scripts for a step are used up in the order given.</summary>
    public void AnswerAt(RelayStep step, string answer, int times = int.MaxValue) =>
        Locked(() => bySteps.Add(new Script(step, answer, times)));

    /// <summary>Forgets every script; what was recorded stays.</summary>
    public void AnswerAsUsual() => Locked(() =>
    {
        byRecipient.Clear();
        bySteps.Clear();
    });

    /// <returns>All mails taken so far, once there are as many.</returns>
    /// <exception cref="TimeoutException">There were fewer after 10 s, or the time given.</exception>
    public async Task<IReadOnlyList<RelayedMail>> WaitForAsync(int count, TimeSpan? timeout = null)
    {
        using var late = new CancellationTokenSource(timeout ?? DefaultTimeout);
        while (true)
        {
            var (taken, next) = Locked(() => (mails.ToArray(), changed.Task));
            if (taken.Length >= count) return taken;
            try
            {
                await next.WaitAsync(late.Token);
            }
            catch (OperationCanceledException)
            {
                var last = string.Join("\n  ", Commands.TakeLast(20).Select(c => $"[{c.ConnectionNumber}] {c.Line}"));
                throw new TimeoutException($"The relay took {Mails.Count} of {count} mails. Its last commands:\n  {last}");
            }
        }
    }

    /// <summary>Goes away: the port is closed, every connection dropped. Scripts and records stay.</summary>
    public async Task StopAsync()
    {
        Task[] ending;
        await stopping.CancelAsync();
        listener?.Stop();
        lock (gate)
        {
            foreach (var socket in open) socket.Dispose();
            ending = [.. running];
            running.Clear();
        }
        await Task.WhenAll(ending).WaitAsync(DefaultTimeout);
    }

    /// <summary>Comes back on the same port.</summary>
    public void Restart() => Listen();

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        stopping.Dispose();
        listener?.Dispose();
        port.Dispose();
    }

    void Listen()
    {
        listener = port.Listen(512);
        stopping = new CancellationTokenSource();
        var (accepting, cancel) = (listener, stopping.Token);
        Locked(() => running.Add(Task.Run(() => AcceptAsync(accepting, cancel))));
    }

    async Task AcceptAsync(TcpListener accepting, CancellationToken cancel)
    {
        while (!cancel.IsCancellationRequested)
        {
            try
            {
                var socket = await accepting.AcceptSocketAsync(cancel);
                socket.NoDelay = true;
                lock (gate)
                {
                    open.Add(socket);
                    connections.Add(new RelayConnection(connections.Count + 1, DateTimeOffset.UtcNow, ((IPEndPoint)socket.RemoteEndPoint!).Port));
                    var dialogue = new FakeRelayDialogue(this, socket, connections.Count, cancel);
                    running.Add(Task.Run(() => ServeAsync(dialogue, socket), CancellationToken.None));
                }
            }
            catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException or SocketException or InvalidOperationException)
            {
                // Stopped, or the client went at once.
            }
        }
    }

    async Task ServeAsync(FakeRelayDialogue dialogue, Socket socket)
    {
        try
        {
            await dialogue.RunAsync();
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or ObjectDisposedException or SocketException
            or System.Security.Authentication.AuthenticationException)
        {
            // The client or the script ended the connection.
        }
        finally
        {
            socket.Dispose();
            Locked(() => open.Remove(socket));
        }
    }

    internal string? ScriptFor(RelayStep step, string? recipient = null) => Locked(() =>
    {
        var script = recipient is not null && byRecipient.TryGetValue(recipient, out var own) && own.Left > 0
            ? own
            : bySteps.Find(s => s.Step == step && s.Left > 0);
        if (script is null) return null;
        if (script.Left != int.MaxValue) script.Left--;
        return script.Answer;
    });

    internal void Record(RelayCommand command) => Locked(() => commands.Add(command));

    internal void Record(RelayedMail mail) => Locked(() =>
    {
        mails.Add(mail);
        changed.TrySetResult();
        changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
    });

    internal static SslServerAuthenticationOptions TlsOptions => new() { ServerCertificate = Certificate };

    T Locked<T>(Func<T> work)
    {
        lock (gate) return work();
    }

    void Locked(Action work)
    {
        lock (gate) work();
    }

    static X509Certificate2 MakeCertificate()
    {
        using var key = RSA.Create(2048);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("localhost");
        names.AddIpAddress(IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        using var made = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(30));
        return X509CertificateLoader.LoadPkcs12(made.Export(X509ContentType.Pkcs12), null);   // some TLS stacks need an exportable key
    }

    sealed class Script(RelayStep step, string answer, int times)
    {
        public RelayStep Step => step;
        public string Answer => answer;
        public int Left { get; set; } = times;
    }
}
