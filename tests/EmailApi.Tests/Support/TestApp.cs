using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Nodes;
using EmailApi.Data;
using EmailApi.Emails;
using Hangfire;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace EmailApi.Tests.Support;

/// <summary>The whole app in this process, as a user starts it: over HTTP, with a database of its own and a scripted relay.</summary>
public sealed class TestApp : IAsyncDisposable
{
    /// <summary>The bootstrap key of every test.</summary>
    public const string Key = "test-bootstrap-key-0123456789abcdef";

    /// <summary>One for all nodes of a test: another would not open their key ring.</summary>
    /// <summary>All nodes on one database need the same.</summary>
    public static readonly string MasterKey = Convert.ToBase64String(new byte[32]);

    static readonly TimeSpan Limit = TimeSpan.FromSeconds(20);

    readonly TemporaryFolder folder = new();
    readonly List<string> settings;
    readonly bool ownsDatabase;
    WebApplication? app;

    TestApp(string connectionString, bool ownsDatabase, FakeRelay? relay, IEnumerable<string> more)
    {
        (ConnectionString, this.ownsDatabase, Relay) = (connectionString, ownsDatabase, relay!);
        settings =
        [
            "--environment=Production", "--urls=http://127.0.0.1:0", $"--ConnectionStrings:EmailApi={connectionString}", $"--EmailApi:DataDirectory={folder["data"]}",
            $"--EmailApi:Bootstrap:ApiKey={Key}", $"--EmailApi:MasterKey={MasterKey}", "--EmailApi:Migrate=true", "--Logging:LogLevel:Microsoft.Hosting.Lifetime=Warning",
        ];
        if (relay is not null)
            settings.AddRange(["--EmailApi:Relays:0:Name=test", "--EmailApi:Relays:0:Host=127.0.0.1", $"--EmailApi:Relays:0:Port={relay.Port}", "--EmailApi:Relays:0:Security=None"]);
        settings.AddRange(more);
    }

    public string ConnectionString { get; }

    /// <summary>Where mail goes, unless the test starts the app without one.</summary>
    public FakeRelay Relay { get; }

    public HttpClient Http { get; private set; } = null!;

    public IServiceProvider Services => app!.Services;

    /// <param name="more">Settings as on the command line, e.g. <c>--EmailApi:Relays:0:MaxConnections=1</c>; they win over the test's own.</param>
    public static Task<TestApp> StartAsync(params string[] more) => StartAsync(FakeRelay.Start(), more);

    /// <summary>Without a configured relay; in Development mail is captured.</summary>
    public static Task<TestApp> StartWithoutRelayAsync(params string[] more) => StartAsync(relay: null, more);

    /// <summary>Another node on this one's database and relay.</summary>
    public async Task<TestApp> StartNodeAsync(params string[] more)
    {
        var node = new TestApp(ConnectionString, ownsDatabase: false, Relay, more);
        await node.StartAppAsync();
        return node;
    }

    static async Task<TestApp> StartAsync(FakeRelay? relay, string[] more)
    {
        var template = await TestDatabase.TemplateAsync("migrated", MigrateAsync);
        var test = new TestApp(await TestDatabase.CreateAsync(template), ownsDatabase: true, relay, more);
        try
        {
            await test.StartAppAsync();
            return test;
        }
        catch
        {
            await test.DisposeAsync();
            throw;
        }
    }

    /// <summary>Brings an empty database to today's schema.</summary>
    public static async Task MigrateAsync(string connectionString)
    {
        await using var database = NpgsqlDataSource.Create(connectionString);
        await new Migrator(new(database, IsGiven: false)).MigrateAsync(CancellationToken.None);
    }

    /// <summary>Starts the app again after <see cref="StopAppAsync"/>: a restart on the same database.</summary>
    public async Task StartAppAsync(bool waitForDatabase = true)
    {
        var starting = await Program.BuildAsync([.. settings]);
        // Hangfire's log is one for the process, and must not be that of an app which a test beside this one disposes.
        starting.Services.GetRequiredService<Hangfire.IGlobalConfiguration>().UseLogProvider(new Hangfire.AspNetCore.AspNetCoreLogProvider(NullLoggerFactory.Instance));
        try
        {
            await starting.StartAsync();
        }
        catch
        {
            await starting.DisposeAsync();   // what never started cannot be stopped: that error would hide this one
            throw;
        }

        app = starting;
        if (waitForDatabase) await app.Services.GetRequiredService<DatabaseGate>().WaitAsync(CancellationToken.None).WaitAsync(Limit);
        Http = new HttpClient { BaseAddress = new Uri(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First()), Timeout = Limit };
        Http.DefaultRequestHeaders.Authorization = new("Bearer", Key);
    }

    public async Task StopAppAsync()
    {
        if (app is null) return;
        Http?.Dispose();
        await app.StopAsync();
        await app.DisposeAsync();
        app = null;
    }

    /// <summary>Sends a plain mail.</summary>
    /// <param name="more">Further fields of the request, or others in place of the usual ones.</param>
    /// <returns>Its id.</returns>
    public async Task<string> SendAsync(string to = "taro@example.jp", JsonObject? more = null)
    {
        var mail = Mail(to);
        foreach (var (name, value) in more ?? []) mail[name] = value?.DeepClone();
        using var answer = await PostAsync(mail);
        if (!answer.IsSuccessStatusCode) throw new InvalidOperationException(await answer.Content.ReadAsStringAsync());
        return (await answer.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("id").GetString()!;
    }

    /// <summary>A request body that is taken as it stands.</summary>
    public static JsonObject Mail(string to = "taro@example.jp") =>
        new() { ["from"] = "Shop <orders@shop.example>", ["to"] = to, ["subject"] = "Hello", ["text"] = "It works." };

    public Task<HttpResponseMessage> PostAsync(JsonNode body, string path = "/v1/emails", string? idempotencyKey = null)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = new StringContent(body.ToJsonString(), new MediaTypeHeaderValue("application/json")) };
        if (idempotencyKey is not null) request.Headers.Add("Idempotency-Key", idempotencyKey);
        return Http.SendAsync(request);
    }

    /// <exception cref="HttpRequestException">The answer is not 2xx.</exception>
    public Task<JsonElement> GetAsync(string path) => Http.GetFromJsonAsync<JsonElement>(path);

    public async Task<T> QueryAsync<T>(Func<EmailDb, Task<T>> query)
    {
        await using var db = await Services.GetRequiredService<IDbContextFactory<EmailDb>>().CreateDbContextAsync();
        return await query(db);
    }

    public Task<int> ExecuteAsync(string sql) => QueryAsync(db => db.Database.ExecuteSqlRawAsync(sql));

    /// <summary>The states of an email's recipients, as last recorded.</summary>
    public Task<List<RecipientState>> StatesAsync(string id) =>
        QueryAsync(db => EmailId.TryParse(id, out var guid)
            ? db.Recipients.Where(r => r.EmailId == guid).OrderBy(r => r.N).Select(r => r.State).ToListAsync()
            : throw new ArgumentException($"{id} is no id of an email.", nameof(id)));

    /// <summary>Waits until all recipients of an email are as expected.</summary>
    /// <exception cref="TimeoutException">They were not within 20 s.</exception>
    public async Task WaitForAsync(string id, params RecipientState[] expected)
    {
        var late = TimeProvider.System.GetTimestamp();
        while (true)
        {
            var states = await StatesAsync(id);
            if (states.Count > 0 && states.All(expected.Contains)) return;
            if (TimeProvider.System.GetElapsedTime(late) > Limit) throw new TimeoutException($"{id} is {string.Join(", ", states)}; expected {string.Join(" or ", expected)}.");
            await Task.Delay(30);
        }
    }

    /// <summary>Makes everything due that waits for its time, and waits until nothing is due or being sent.</summary>
    public async Task RunDueAsync()
    {
        await ExecuteAsync("update queue set due_at = now() where due_at < 'infinity' and lease_until is null");
        var late = TimeProvider.System.GetTimestamp();
        while (await QueryAsync(db => db.Queue.AnyAsync(q => q.LeaseUntil != null || q.DueAt <= EmailDb.Now())))
        {
            if (TimeProvider.System.GetElapsedTime(late) > Limit) throw new TimeoutException("The queue still has due mail.");
            await Task.Delay(30);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await StopAppAsync();
        if (!ownsDatabase) { folder.Dispose(); return; }

        if (Relay is not null) await Relay.DisposeAsync();
        await TestDatabase.DropAsync(ConnectionString);
        folder.Dispose();
    }
}
