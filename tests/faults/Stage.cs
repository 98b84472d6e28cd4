using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using EmailApi.Tests.Support;
using Npgsql;

namespace EmailApi.Faults;

/// <summary>A database, a scripted relay, and the nodes between them.</summary>
sealed class Stage : IAsyncDisposable
{
    const int FirstPort = 20_000, Ports = 10_000;   // below those that outgoing connections take: a node comes back on its own

    readonly TemporaryFolder folder;
    readonly List<Node> nodes = [];
    readonly NpgsqlDataSource database;
    readonly bool isShared;

    Stage(TemporaryFolder folder, string connectionString, bool isShared)
    {
        (this.folder, ConnectionString, this.isShared) = (folder, connectionString, isShared);
        database = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(connectionString) { MaxPoolSize = 5, Timeout = 3 }.ConnectionString);
    }

    /// <summary>The database itself, whatever lies between it and the nodes.</summary>
    public string ConnectionString { get; }

    /// <summary>What new nodes are given instead, when something does.</summary>
    public string? NodesConnectionString { get; set; }

    public FakeRelay Relay { get; } = FakeRelay.Start();
    public IReadOnlyList<Node> Nodes => nodes;
    public string Folder => folder.Path;

    /// <summary>With a database in the cluster that scenarios share, or in one of the scenario's own.</summary>
    /// <param name="relayMs">How long the relay takes for each mail.</param>
    /// <param name="tablespace">A folder that takes the tables of a cluster of the scenario's own.</param>
    public static async Task<Stage> SetAsync(OwnCluster? cluster = null, int relayMs = 0, string? tablespace = null)
    {
        var connectionString = cluster is not null ? await cluster.CreateDatabaseAsync(tablespace) : await TestDatabase.CreateAsync(await TestDatabase.TemplateAsync("migrated", TestApp.MigrateAsync));
        var stage = new Stage(new TemporaryFolder(), connectionString, isShared: cluster is null);
        if (relayMs > 0) stage.Relay.AnswerAt(RelayStep.Dot, $"delay:{relayMs}");
        return stage;
    }

    /// <summary>One more node, ready.</summary>
    public Task<Node> AddNodeAsync(params string[] more) => AddNodeInAsync(environment: null, more);

    /// <summary>Some more, started together, as an orchestrator would.</summary>
    public Task AddNodesAsync(int count, params string[] more) => Task.WhenAll(Enumerable.Range(0, count).Select(_ => AddNodeAsync(more)));

    /// <summary>The same with environment variables of its own.</summary>
    public async Task<Node> AddNodeInAsync(IReadOnlyDictionary<string, string>? environment, params string[] more)
    {
        var name = $"node{nodes.Count + 1}";
        var directory = Directory.CreateDirectory(folder[name]).FullName;
        var node = new Node(directory, FreeAddress(),
        [
            "--environment=Production", $"--ConnectionStrings:EmailApi={NodesConnectionString ?? ConnectionString}", $"--EmailApi:Bootstrap:ApiKey={TestApp.Key}",
            $"--EmailApi:MasterKey={TestApp.MasterKey}", "--EmailApi:Relays:0:Name=test", "--EmailApi:Relays:0:Host=127.0.0.1", $"--EmailApi:Relays:0:Port={Relay.Port}",
            "--EmailApi:Relays:0:Security=None", "--Logging:LogLevel:EmailApi=Error", .. more,
        ], environment);
        nodes.Add(node);
        await node.StartAsync();
        return node;
    }

    /// <returns>The first column of each row.</returns>
    public async Task<List<T>> ListAsync<T>(string sql)
    {
        await using var command = database.CreateCommand(sql);
        await using var reader = await command.ExecuteReaderAsync();
        var rows = new List<T>();
        while (await reader.ReadAsync()) rows.Add(reader.GetFieldValue<T>(0));
        return rows;
    }

    public async Task<T> AskAsync<T>(string sql) => (await ListAsync<T>(sql))[0];

    public async Task<int> ExecuteAsync(string sql)
    {
        await using var command = database.CreateCommand(sql);
        return await command.ExecuteNonQueryAsync();
    }

    /// <summary>The node that a connection to the relay belongs to; null when it is gone.</summary>
    public Node? NodeOf(int relayConnection) =>
        Sockets.OwnerOf(Relay.Connections[relayConnection - 1].ClientPort, [.. nodes.Where(n => n.IsRunning).Select(n => n.Process.Id)]) is { } id ? nodes.Find(n => n.IsRunning && n.Process.Id == id) : null;

    /// <summary>Waits until the relay has taken a mail more than it had.</summary>
    /// <returns>How long that took.</returns>
    public async Task<TimeSpan> UntilNextMailAsync(CancellationToken cancel)
    {
        var startedAt = Stopwatch.StartNew();
        for (var had = Relay.Mails.Count; Relay.Mails.Count == had;) await Task.Delay(20, cancel);
        return startedAt.Elapsed;
    }

    /// <summary>Waits until nothing is due or being sent any more; what is held or deferred stays.</summary>
    public async Task SettleAsync(CancellationToken cancel)
    {
        for (var before = -1; await AskAsync<long>("select count(*) from queue where lease_until is not null or due_at <= now()") is var due && (due > 0 || Relay.Mails.Count != before);)
        {
            before = Relay.Mails.Count;
            await Task.Delay(300, cancel);
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var node in nodes) node.Dispose();
        await Relay.DisposeAsync();
        await database.DisposeAsync();
        if (isShared) await TestDatabase.DropAsync(ConnectionString);
        folder.Dispose();
    }

    static Uri FreeAddress()
    {
        while (true)
        {
            try
            {
                using var listener = new TcpListener(IPAddress.Loopback, Random.Shared.Next(FirstPort, FirstPort + Ports));
                listener.Start();
                return new($"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}");
            }
            catch (SocketException)
            {
                // Taken.
            }
        }
    }
}
