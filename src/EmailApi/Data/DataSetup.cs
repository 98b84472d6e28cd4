using EmailApi.Data.Embedded;
using EmailApi.Http;
using Hangfire;
using Hangfire.PostgreSql;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.DataProtection.KeyManagement;
using Microsoft.EntityFrameworkCore;
using Npgsql;

namespace EmailApi.Data;

/// <summary>One PostgreSQL for everything. A node's connections: <see cref="EngineConnections"/> for the hot paths,
/// <see cref="OrdinaryConnections"/> for reads and capture, <see cref="HangfireConnections"/> for Hangfire, <see cref="DirectConnections"/> for what needs
/// a session of its own.</summary>
public static class DataSetup
{
    public const int EngineConnections = 10;
    public const int OrdinaryConnections = 15;
    public const int HangfireConnections = 12;
    public const int DirectConnections = 2;
    public const int NodeConnections = EngineConnections + OrdinaryConnections + HangfireConnections + DirectConnections;

    const string Setting = "ConnectionStrings__EmailApi";

    public static async Task AddDataAsync(this WebApplicationBuilder builder, AppOptions settings)
    {
        var connectionString = builder.Configuration.GetConnectionString("EmailApi");
        var direct = DirectOf(builder.Configuration);   // before anything is started
        if (string.IsNullOrWhiteSpace(connectionString)) connectionString = await builder.AddEmbeddedAsync(settings);
        else Check(connectionString);
        var isPooled = direct is not null;

        builder.Services.AddSingleton(_ => Source("ordinary", Through(isPooled, For(connectionString, "EmailApi", OrdinaryConnections), connectionString)));
        builder.Services.AddSingleton(_ => new EngineDatabase(Source("engine", Unreset(Through(isPooled, For(connectionString, "EmailApi engine", EngineConnections), connectionString)))));
        builder.Services.AddSingleton(_ => new DirectDatabase(Source("direct", For(direct ?? connectionString, "EmailApi direct", DirectConnections)), isPooled));
        builder.Services.AddDbContextFactory<EmailDb>((services, options) =>
            EmailDb.Configure(options, o => o.UseNpgsql(services.GetRequiredService<NpgsqlDataSource>())));
        builder.Services.AddSingleton<Partitions>();
        builder.Services.AddSingleton<Migrator>();
        builder.Services.AddSingleton<DatabaseGate>();
        builder.Services.AddHostedService<PrepareDatabase>();
        builder.Services.AddSingleton<DatabaseClock>();
        builder.Services.AddSingleton<TimeProvider>(services => services.GetRequiredService<DatabaseClock>());
        builder.Services.AddHostedService<KeepTime>();

        builder.Services.AddKeyRing();
        builder.AddHangfire(Through(isPooled, For(connectionString, "EmailApi Hangfire", HangfireConnections), connectionString));
    }

    /// <summary>The keys of sensitive mail, in the database, wrapped by the master key.</summary>
    internal static void AddKeyRing(this IServiceCollection services)
    {
        services.AddSingleton<MasterKey>();
        services.AddSingleton<KeyRing>();
        services.AddDataProtection().SetApplicationName("EmailApi").PersistKeysToDbContext<EmailDb>();
        services.AddOptions<KeyManagementOptions>().Configure<MasterKey>((o, master) => o.XmlEncryptor = new MasterKeyEncryptor(master));
    }

    /// <summary>The database comes up before anything else and goes down after everything else.</summary>
    public static void UseDatabase(this WebApplication app) => app.Services.GetService<EmbeddedPostgres>();

    static async Task<string> AddEmbeddedAsync(this WebApplicationBuilder builder, AppOptions settings)
    {
        using var logging = LoggerFactory.Create(l => l.AddConfiguration(builder.Configuration.GetSection("Logging")).AddConsole());
        var embedded = await EmbeddedPostgres.StartAsync(
            settings.DataDirectory, logging.CreateLogger<EmbeddedPostgres>(), CancellationToken.None, new() { Binaries = settings.Postgres.Binaries });
        builder.Services.AddSingleton(_ => embedded);
        settings.UsesEmbeddedDatabase = true;
        return embedded.ConnectionString;
    }

    /// <returns>The way past the pooler; null when it is not set.</returns>
    /// <exception cref="StartRefusedException">It cannot be read.</exception>
    internal static string? DirectOf(IConfiguration configuration)
    {
        if (configuration.GetConnectionString("EmailApiDirect") is not { } direct || string.IsNullOrWhiteSpace(direct)) return null;
        if (string.IsNullOrWhiteSpace(configuration.GetConnectionString("EmailApi")))
            throw new StartRefusedException($"{Setting}Direct is the way past the pooler of {Setting}, which is not set: set both, or neither.");
        Check(direct, $"{Setting}Direct");
        return direct;
    }

    /// <exception cref="StartRefusedException">It is no connection string, or names no host.</exception>
    internal static void Check(string connectionString, string setting = Setting)
    {
        try
        {
            if (new NpgsqlConnectionStringBuilder(connectionString).Host is { Length: > 0 }) return;
        }
        catch (Exception error) when (error is ArgumentException or FormatException)
        {
            var fault = error is ArgumentException { ParamName: { } part } ? $"{part} is no part of it, or has a wrong value." : "it is not made of parts such as Host=127.0.0.1;Database=emailapi;Username=…;Password=…";
            throw new StartRefusedException($"{setting} cannot be read: {fault}", error);
        }

        throw new StartRefusedException($"{setting} names no host, as in Host=127.0.0.1;Database=emailapi;Username=…;Password=…");
    }

    internal static NpgsqlConnectionStringBuilder For(string connectionString, string name, int connections)
    {
        var settings = new NpgsqlConnectionStringBuilder(connectionString) { ApplicationName = name, MaxPoolSize = connections };
        var given = new System.Data.Common.DbConnectionStringBuilder { ConnectionString = connectionString };
        if (!given.ContainsKey("Timeout")) settings.Timeout = 3;
        if (!given.ContainsKey("Max Auto Prepare")) settings.MaxAutoPrepare = 40;
        if (!given.ContainsKey("Auto Prepare Min Usages")) settings.AutoPrepareMinUsages = 2;   // on each connection: planning what walks many partitions takes longer than running it
        if (!given.ContainsKey("Keepalive")) settings.KeepAlive = 10;
        // Npgsql would try Kerberos at every connect, and the library for it is missing in .NET's container images.
        if (!given.ContainsKey("GSS Encryption Mode")) settings.GssEncryptionMode = GssEncryptionMode.Disable;
        return settings;
    }

    /// <summary>For a pooler that gives each transaction another session: nothing is reset in one that has others' by then, and no statement is prepared in one unless
    /// the connection string says so (PgBouncer keeps them from 1.21 on, with <c>max_prepared_statements</c>).</summary>
    internal static NpgsqlConnectionStringBuilder Through(bool isPooled, NpgsqlConnectionStringBuilder settings, string connectionString)
    {
        if (!isPooled) return settings;
        settings.NoResetOnClose = true;
        if (!new System.Data.Common.DbConnectionStringBuilder { ConnectionString = connectionString }.ContainsKey("Max Auto Prepare")) settings.MaxAutoPrepare = 0;
        return settings;
    }

    /// <summary>The hot paths leave nothing in the session, so there is nothing to reset between two uses.</summary>
    static NpgsqlConnectionStringBuilder Unreset(NpgsqlConnectionStringBuilder settings)
    {
        settings.NoResetOnClose = true;
        return settings;
    }

    /// <param name="name">What metrics call the pool; else it would be the connection string.</param>
    static NpgsqlDataSource Source(string name, NpgsqlConnectionStringBuilder settings) => new NpgsqlDataSourceBuilder(settings.ConnectionString) { Name = name }.Build();

    static void AddHangfire(this WebApplicationBuilder builder, NpgsqlConnectionStringBuilder settings)
    {
        builder.Services.AddSingleton<JobStorage>(_ =>
        {
            var options = new PostgreSqlStorageOptions
            {
                SchemaName = Migrator.HangfireSchema,
                PrepareSchemaIfNecessary = false,   // the migrator does
                UseSlidingInvisibilityTimeout = true,   // a run lasts as long as its node
                InvisibilityTimeout = TimeSpan.FromMinutes(1),
                DistributedLockTimeout = TimeSpan.FromSeconds(30),   // a killed holder blocks everyone for this long
                QueuePollInterval = TimeSpan.FromSeconds(1),
                EnableLongPolling = false,   // would hold a connection for each worker
            };
            return new PostgreSqlStorage(new HangfireConnectionFactory(Source("hangfire", settings)), options);
        });
        builder.Services.AddSingleton<IBackgroundJobClient>(services => new BackgroundJobClient(services.GetRequiredService<JobStorage>()));
        builder.Services.AddSingleton<IRecurringJobManager>(services => new RecurringJobManager(services.GetRequiredService<JobStorage>()));
        builder.Services.AddHangfire(c => c.UseSimpleAssemblyNameTypeSerializer().UseRecommendedSerializerSettings());
    }
}

/// <summary>Gives Hangfire connections of a named pool.</summary>
sealed class HangfireConnectionFactory(NpgsqlDataSource source) : IConnectionFactory
{
    public NpgsqlConnection GetOrCreateConnection() => source.CreateConnection();
}
