using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Npgsql;

namespace EmailApi.Faults;

/// <summary>A way to PostgreSQL on which the answer to a commit gets lost: the server has committed, and in place of its answer the connection
/// breaks. It reads the protocol (v3) far enough to know which answers those are.</summary>
sealed class CommitCutter : IAsyncDisposable
{
    readonly IPEndPoint server;
    readonly TcpListener listener = new(IPAddress.Loopback, 0);
    readonly Task accepting;
    readonly Lock gate = new();
    readonly Random random;
    readonly Dictionary<string, int> cuts = [];
    int left, oneIn;

    CommitCutter(NpgsqlConnectionStringBuilder database, int seed)
    {
        server = new(IPAddress.Parse(database.Host!), database.Port);
        random = new(seed);
        listener.Start(256);
        database.SslMode = SslMode.Disable;   // nothing to read else
        database.Port = ((IPEndPoint)listener.LocalEndpoint).Port;
        ConnectionString = database.ConnectionString;
        accepting = AcceptAsync();
    }

    /// <summary>The database's, through here.</summary>
    public string ConnectionString { get; }

    public static CommitCutter Start(string connectionString, int seed) => new(new(connectionString), seed);

    /// <summary>Loses so many answers from now on, one of so many commits of mail being accepted, claimed or recorded.</summary>
    public void Cut(int answers, int ofSoMany)
    {
        lock (gate) (left, oneIn) = (answers, ofSoMany);
    }

    public int Left
    {
        get
        {
            lock (gate) return left;
        }
    }

    /// <summary>How many were lost, by what was committed.</summary>
    public IReadOnlyDictionary<string, int> Cuts
    {
        get
        {
            lock (gate) return new Dictionary<string, int>(cuts);
        }
    }

    public async ValueTask DisposeAsync()
    {
        listener.Dispose();
        await accepting;
    }

    async Task AcceptAsync()
    {
        await Task.Yield();
        try
        {
            while (true) _ = new Session(this, await listener.AcceptSocketAsync()).RunAsync();
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException)
        {
            // Stopped.
        }
    }

    bool Loses(string work)
    {
        lock (gate)
        {
            if (left == 0 || random.Next(oneIn) > 0) return false;
            left--;
            cuts[work] = cuts.GetValueOrDefault(work) + 1;
            return true;
        }
    }

    /// <summary>One connection. What the client asks since the last answer tells what the next "ready" means.</summary>
    sealed class Session(CommitCutter cutter, Socket client)
    {
        readonly Socket upstream = new(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        readonly Dictionary<string, string> statements = [];
        readonly Lock gate = new();
        string? work;

        public async Task RunAsync()
        {
            using (client)
            using (upstream)
            {
                try
                {
                    client.NoDelay = true;
                    await upstream.ConnectAsync(cutter.server);
                    await Task.WhenAny(PumpAsync(client, upstream, isAnswer: false), PumpAsync(upstream, client, isAnswer: true));
                }
                catch (SocketException)
                {
                    // The server is not there.
                }
            }
        }

        async Task PumpAsync(Socket from, Socket to, bool isAnswer)
        {
            var held = new List<byte>();
            var buffer = new byte[64 * 1024];
            var isStart = !isAnswer;   // the first message has no type
            try
            {
                while (await from.ReceiveAsync(buffer) is var count and > 0)
                {
                    held.AddRange(buffer.AsSpan(0, count));
                    while (Length(held, isStart) is { } length && held.Count >= length)
                    {
                        var message = held.GetRange(0, length).ToArray();
                        held.RemoveRange(0, length);
                        if (!isStart && (isAnswer ? IsLost(message) : !Read(message)))
                        {
                            client.Shutdown(SocketShutdown.Both);
                            upstream.Shutdown(SocketShutdown.Both);
                            return;
                        }

                        isStart = false;
                        await to.SendAsync(message);
                    }
                }
            }
            catch (Exception error) when (error is SocketException or ObjectDisposedException)
            {
                // Cut.
            }
        }

        static int? Length(List<byte> held, bool isStart)
        {
            var at = isStart ? 0 : 1;
            return held.Count < at + 4 ? null : at + BinaryPrimitives.ReadInt32BigEndian(held.GetRange(at, 4).ToArray());
        }

        /// <summary>Remembers what the client works on: Parse ('P') names a statement, Bind ('B') and Query ('Q') run one.</summary>
        bool Read(byte[] message)
        {
            var fields = Encoding.UTF8.GetString(message, 5, Math.Min(message.Length - 5, 8000)).Split('\0', 3);
            lock (gate)
            {
                if (message[0] == 'P') statements[fields[0]] = fields[1];
                var sql = message[0] switch
                {
                    (byte)'B' => statements.GetValueOrDefault(fields[1], ""),
                    (byte)'Q' => fields[0],
                    _ => "",
                };
                work = sql.Contains("insert into emails", StringComparison.Ordinal) ? "accept"
                    : sql.Contains("lease_token = $3", StringComparison.Ordinal) ? "claim"
                    : sql.Contains("insert into attempts", StringComparison.Ordinal) ? "record"
                    : work;
            }

            return true;
        }

        /// <summary>ReadyForQuery outside of a transaction: what was worked on is committed.</summary>
        bool IsLost(byte[] message)
        {
            if (message[0] != 'Z' || message[5] != 'I') return false;
            string? done;
            lock (gate) (done, work) = (work, null);
            return done is not null && cutter.Loses(done);
        }
    }
}
