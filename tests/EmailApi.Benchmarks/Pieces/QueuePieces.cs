using BenchmarkDotNet.Attributes;
using EmailApi.Benchmarks.Servers;
using EmailApi.Data;
using EmailApi.Data.Embedded;
using EmailApi.Delivery;
using EmailApi.Emails;
using EmailApi.Restore;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace EmailApi.Benchmarks.Pieces;

/// <summary>A claim and a record of several recipients at once, against a real PostgreSQL, through the app's own services. No node delivers meanwhile.</summary>
public class QueuePieces
{
    const string Lane = "relay";

    EmbeddedPostgres postgres = null!;
    WebApplication app = null!;
    DeliveryQueue queue = null!;
    NpgsqlDataSource engine = null!;
    byte[] document = [];
    readonly Queue<List<Result>> claimed = [];

    /// <summary>Recipients of a claim, or results of a record.</summary>
    [Params(1, 8, 64)]
    public int Count { get; set; }

    [GlobalSetup]
    public async Task SetUpAsync()
    {
        postgres = await EmbeddedPostgres.StartAsync(PiecesRun.Folder.NewFolder($"postgres-{Guid.NewGuid():n}"), NullLogger.Instance, CancellationToken.None);
        app = await EmailApi.Program.BuildAsync(
        [
            "--urls=http://127.0.0.1:0", $"--ConnectionStrings:EmailApi={postgres.ConnectionString}", $"--EmailApi:DataDirectory={PiecesRun.Folder.NewFolder("app")}", "--EmailApi:Role=api", "--EmailApi:Migrate=true",
            "--environment=Production", $"--EmailApi:Bootstrap:ApiKey={EmailApiServer.Key}", "--Logging:LogLevel:Default=None", $"--EmailApi:Relays:0:Name={Lane}", "--EmailApi:Relays:0:Host=127.0.0.1", "--EmailApi:Relays:0:Security=None",
        ]);
        await app.StartAsync();
        await app.Services.GetRequiredService<DatabaseGate>().WaitAsync(CancellationToken.None);
        await app.Services.GetRequiredService<EpochCheck>().CheckAsync(CancellationToken.None);
        queue = app.Services.GetRequiredService<DeliveryQueue>();
        engine = app.Services.GetRequiredService<EngineDatabase>().Source;
        var content = new EmailContent { From = new("news@shop.example"), To = [new("reader@example.com")], Subject = "News", Text = new string('x', Load.TextLength) };
        document = app.Services.GetRequiredService<ContentCodec>().Pack(content, [], owner: null).Document;
    }

    [GlobalCleanup]
    public async Task EndAsync()
    {
        await app.StopAsync();
        await app.DisposeAsync();
        await postgres.DisposeAsync();
    }

    [IterationSetup(Target = nameof(ClaimAsync))]
    public void BeforeClaim() => Fill();

    [Benchmark]
    public async Task ClaimAsync() => Whole(await ClaimSomeAsync());

    [IterationSetup(Target = nameof(RecordAsync))]
    public void BeforeRecord()
    {
        Fill();
        claimed.Clear();
        for (var i = 0; i < PiecesRun.ClaimsPerIteration; i++) claimed.Enqueue(Whole(ClaimSomeAsync().GetAwaiter().GetResult()));
    }

    [Benchmark]
    public async Task RecordAsync()
    {
        var results = claimed.Dequeue();
        if (await RecordSql.WriteAsync(engine, results, TimeProvider.System, CancellationToken.None) != results.Count) throw new InvalidOperationException("A result was not recorded.");
    }

    /// <summary>As many as an iteration takes, and nothing that is left from before.</summary>
    void Fill()
    {
        FillAsync().GetAwaiter().GetResult();

        async Task FillAsync()
        {
            await using var emptied = engine.CreateCommand("truncate queue");
            await emptied.ExecuteNonQueryAsync();
            await WaitingMails.AddAsync(engine, "default", PiecesRun.ClaimsPerIteration * Count, document, CancellationToken.None);
        }
    }

    async Task<List<Result>> ClaimSomeAsync()
    {
        var (emails, now) = (await queue.ClaimAsync(Lane, Count, CancellationToken.None), TimeProvider.System.GetTimestamp());
        return [.. emails.SelectMany(e => e.Recipients.Select(r => new Result(e.Id, r.N, e.Token, new Transition(RecipientState.Sent))
        {
            Attempt = new(Lane, SmtpStep.Dot, now, now, Tls: null),
            Reply = RelayReply.Of(250, "2.0.0 taken"),
            Number = 1,
        }))];
    }

    List<Result> Whole(List<Result> claim) => claim.Count == Count ? claim : throw new InvalidOperationException($"{claim.Count} of {Count} were claimed.");
}
