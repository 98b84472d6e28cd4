using System.Net;
using System.Text.Json;
using EmailApi.Data;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.HttpOverrides;
using Microsoft.Extensions.Options;

namespace EmailApi.Http;

/// <summary>What all routes share.</summary>
public static class HttpSetup
{
    public const long MaxBodyBytes = 40_000_000;   // less than the SMTP size limit, so that what is accepted can also leave
    internal const string DefaultUrl = "http://localhost:8080";

    /// <summary>Reads and checks every setting; nothing is started when one is wrong.</summary>
    /// <exception cref="StartRefusedException">With a sentence for each fault.</exception>
    public static AppOptions AddSettings(this WebApplicationBuilder builder)
    {
        SecretFiles.Load(builder.Configuration);
        var settings = SettingsCheck.Read(builder.Configuration);
        builder.Services.AddSingleton(Options.Create(settings));
        return settings;
    }

    public static void AddHttp(this WebApplicationBuilder builder)
    {
        if (builder.Configuration["urls"] is null && builder.Configuration["http_ports"] is null && !builder.Configuration.GetSection("Kestrel:Endpoints").Exists())
            builder.WebHost.UseUrls(DefaultUrl);

        builder.AddLogging();
        builder.Services.ConfigureHttpJsonOptions(o =>
        {
            o.SerializerOptions.PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower;
            o.SerializerOptions.Encoder = ApiJson.Wire.Options.Encoder;
            o.SerializerOptions.TypeInfoResolverChain.Insert(0, ApiJson.Wire);
        });
        builder.Services.Configure<RouteHandlerOptions>(o => o.ThrowOnBadRequest = true);
        builder.Services.Configure<HostOptions>(o => o.ShutdownTimeout = TimeSpan.FromSeconds(30));
        builder.Services.AddSingleton<HttpListeners>();
        builder.Services.AddSingleton<IConnectionListenerFactory>(services => services.GetRequiredService<HttpListeners>());
        builder.Services.AddSingleton<QuietStop>();
        builder.Services.AddSingleton(new LargeTurns(4 * MaxBodyBytes, TimeProvider.System));
        builder.Services.AddHostedService(services => services.GetRequiredService<QuietStop>());
        builder.Services.AddOptions<ForwardedHeadersOptions>().Configure<IOptions<AppOptions>>(TrustProxies);
        builder.WebHost.ConfigureKestrel(o =>
        {
            o.AddServerHeader = false;
            o.Limits.MaxRequestBodySize = MaxBodyBytes;
            o.Limits.MaxConcurrentConnections = 10_000;
        });
        builder.AddOpenApi();
        builder.Services.AddSingleton<QueryParameters>();   // reads the contract's descriptions
    }

    public static void UseHttp(this WebApplication app)
    {
        app.Lifetime.ApplicationStarted.Register(() => app.Services.GetRequiredService<StartProgress>().IsOver = true);
        var stop = app.Services.GetRequiredService<QuietStop>();
        app.Use((context, next) =>
        {
            context.Response.OnStarting(state =>
            {
                stop.SayClose((HttpContext)state);
                return Task.CompletedTask;
            }, context);
            return next(context);
        });
        app.UseForwardedHeaders();
        app.UseExceptionHandler(new ExceptionHandlerOptions
        {
            ExceptionHandler = ProblemWriter.HandleAsync,
            SuppressDiagnosticsCallback = _ => true,   // ProblemWriter logs what deserves it
            AllowStatusCode404Response = true,
        });
        app.UseStatusCodePages(ProblemWriter.HandleStatusAsync);
        app.UseRouting();
        app.UseAuthentication();
        app.UseAuthorization();
        app.Use((http, next) =>
        {
            http.RequestServices.GetRequiredService<QueryParameters>().Check(http);
            return next(http);
        });
    }

    /// <summary>What the libraries say is of use when something is wrong; failed commands and requests are logged once, by us.</summary>
    static void AddLogging(this WebApplicationBuilder builder)
    {
        builder.Logging.AddFilter("Microsoft.AspNetCore", LogLevel.Warning);
        builder.Logging.AddFilter("Microsoft.EntityFrameworkCore", LogLevel.None);
        builder.Logging.AddFilter("EmailApi.Projects.ApiKeyAuthentication", LogLevel.Warning);
        builder.Logging.AddFilter("Hangfire", LogLevel.Warning);
        builder.Logging.AddFilter("Microsoft.AspNetCore.DataProtection.KeyManagement", LogLevel.Critical);   // KeyRing says what is wrong with the keys
        // Of a start that failed Program says why, in a sentence; the host would add the stack traces of all that was cut off by it.
        var start = new StartProgress();
        builder.Services.AddSingleton(start);
        builder.Logging.AddFilter("Microsoft.Extensions.Hosting.Internal.Host", level => start.IsOver && level >= LogLevel.Information);
    }

    sealed class StartProgress
    {
        public bool IsOver { get; set; }
    }

    static void TrustProxies(ForwardedHeadersOptions options, IOptions<AppOptions> app)
    {
        options.KnownProxies.Clear();
        options.KnownIPNetworks.Clear();
        foreach (var proxy in app.Value.TrustedProxies) options.KnownProxies.Add(IPAddress.Parse(proxy));
        options.ForwardedHeaders = app.Value.TrustedProxies.Count > 0 ? ForwardedHeaders.All : ForwardedHeaders.None;
    }
}

/// <summary>Any secret setting can be given as the name of a file, by the same name with <c>File</c> at its end.</summary>
static class SecretFiles
{
    public static void Load(ConfigurationManager configuration)
    {
        var secrets = new List<string> { "ConnectionStrings:EmailApi", "ConnectionStrings:EmailApiDirect", "EmailApi:MasterKey", "EmailApi:Bootstrap:ApiKey", "EmailApi:Bounce:Mailbox:Password" };
        secrets.AddRange(configuration.GetSection("EmailApi:Relays").GetChildren().Select(relay => $"{relay.Path}:Password"));
        var read = new Dictionary<string, string?>();
        foreach (var secret in secrets)
        {
            if (configuration[$"{secret}File"] is not { Length: > 0 } path) continue;
            try
            {
                read[secret] = File.ReadAllText(path).Trim();
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                throw new StartRefusedException($"{SettingName.Of(secret)}File: {path} cannot be read ({error.Message}).", error);
            }
        }

        configuration.AddInMemoryCollection(read);
    }
}

/// <summary>Settings are named as an environment variable would be.</summary>
static class SettingName
{
    public static string Of(string path) => path.Replace(":", "__", StringComparison.Ordinal);
}
