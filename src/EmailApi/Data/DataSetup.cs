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
/// <see cref="OrdinaryConnections"/> for reads and capture, <see cref="HangfireConnections"/> for Hangfire.</summary>
public static class DataSetup
{
    public const int EngineConnections = 10;
    public const int OrdinaryConnections = 15;
    public const int HangfireConnections = 12;

    public static async Task AddDataAsync(this WebApplicationBuilder builder, AppOptions settings)
    {
        var connectionString = builder.Configuration.GetConnectionString("EmailApi");
        if (string.IsNullOrWhiteSpace(connectionString)) connectionString = await builder.AddEmbeddedAsync(settings);
        else Check(connectionString);

        builder.Services.AddSingleton(_ => Source("ordinary", For(connectionString, "EmailApi", OrdinaryConnections)));
        builder.Services.AddSingleton(_ => new EngineDatabase(Source("engine", Unreset(For(connectionString, "EmailApi engine", EngineConnections)))));
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
        builder.AddHangfire(For(connectionString, "EmailApi Hangfire", HangfireConnections));
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

    /// <exception cref="StartRefusedException">It is no connection string, or names no host.</exception>
    internal static void Check(string connectionString)
    {
        try
        {
            if (new NpgsqlConnectionStringBuilder(connectionString).Host is { Length: > 0 }) return;
        }
        catch (Exception error) when (error is ArgumentException or FormatException)
        {
            var fault = error is ArgumentException { ParamName: { } part } ? $"{part} is no part of it, or has a wrong value." : "it is not made of parts such as Host=127.0.0.1;Database=emailapi;Username=…;Password=…";
            throw new StartRefusedException($"ConnectionStrings__EmailApi cannot be read: {fault}", error);
        }

        throw new StartRefusedException("ConnectionStrings__EmailApi names no host, as in Host=127.0.0.1;Database=emailapi;Username=…;Password=…");
    }

    internal static NpgsqlConnectionStringBuilder For(string connectionString, string name, int connections)
    {
        var settings = new NpgsqlConnectionStringBuilder(connectionString) { ApplicationName = name, MaxPoolSize = connections };
        var given = new System.Data.Common.DbConnectionStringBuilder { ConnectionString = connectionString };
        if (!given.ContainsKey("Timeout")) settings.Timeout = 3;
        if (!given.ContainsKey("Max Auto Prepare")) settings.MaxAutoPrepare = 40;
        if (!given.ContainsKey("Keepalive")) settings.KeepAlive = 10;
        // Npgsql would try Kerberos at every connect, and the library for it is missing in .NET's container images.
        if (!given.ContainsKey("GSS Encryption Mode")) settings.GssEncryptionMode = GssEncryptionMode.Disable;
        return settings;
    }

    /// <summary>The hot paths leave nothing in the session (a LISTEN keeps its connection), so there is nothing to reset between two uses.</summary>
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
