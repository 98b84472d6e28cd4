using EmailApi.Http;
using EmailApi.Projects;
using Hangfire;
using Hangfire.Dashboard;
using OpenTelemetry;
using OpenTelemetry.Logs;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace EmailApi.Operations;

/// <summary>Health, metrics, jobs and Hangfire's page.</summary>
public static class OperationsSetup
{
    public static void AddOperations(this WebApplicationBuilder builder, AppOptions settings)
    {
        builder.Services.AddScoped<PartitionsJob>();
        builder.Services.AddScoped<UnusedBlobsJob>();
        builder.Services.AddScoped<RetentionJob>();
        builder.Services.AddScoped<HousekeepingJob>();
        builder.Services.AddScoped<LedgerJob>();
        builder.Services.AddSingleton<QueueMetrics>();
        if (settings.Delivers) builder.Services.AddHostedService(services => services.GetRequiredService<QueueMetrics>());
        builder.Services.AddHostedService<Greeting>();
        AddTelemetry(builder.Services.AddOpenTelemetry().ConfigureResource(r => r.AddService(builder.Configuration["OTEL_SERVICE_NAME"] ?? "EmailApi")), builder.Configuration);
    }

    /// <summary>Metrics for Prometheus always; traces, metrics and logs by OTLP where the standard variables say to whom.</summary>
    static void AddTelemetry(OpenTelemetryBuilder telemetry, ConfigurationManager configuration)
    {
        telemetry.WithMetrics(metrics =>
        {
            metrics.AddMeter(Metrics.Meter, "Microsoft.AspNetCore.Hosting", "Microsoft.AspNetCore.Server.Kestrel", "System.Runtime", "Npgsql").AddPrometheusExporter();
            if (IsCollected("METRICS")) metrics.AddOtlpExporter();
        });
        if (IsCollected("LOGS")) telemetry.WithLogging(logs => logs.AddOtlpExporter());
        // Health is asked for all day; the paths of tracked links are keys.
        if (IsCollected("TRACES"))
            telemetry.WithTracing(traces => traces.AddSource(Traces.Name).AddAspNetCoreInstrumentation(o =>
            {
                o.Filter = http => http.Request.Path.StartsWithSegments("/v1");
                o.EnrichWithHttpResponse = Traces.WithoutAddress;
            }).AddOtlpExporter());

        bool IsCollected(string signal) =>
            !string.IsNullOrWhiteSpace(configuration["OTEL_EXPORTER_OTLP_ENDPOINT"]) || !string.IsNullOrWhiteSpace(configuration[$"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT"]);
    }

    public static void MapOperations(this WebApplication app)
    {
        app.MapGet("/livez", Health.Live).WithTags("Operations").WithName("live").WithSummary("Whether the process answers").Produces<string>(200, "text/plain");
        app.MapGet("/readyz", Health.ReadyAsync).WithTags("Operations").WithName("ready").WithSummary("Whether mail can be accepted")
            .Produces<ReadinessResponse>().Produces<ReadinessResponse>(503);
        app.MapPrometheusScrapingEndpoint("/metrics");
    }

    /// <summary>Hangfire's dashboard, behind Basic with a key that runs the server: its jobs are those of all projects.</summary>
    public static void MapDashboard(this WebApplication app) =>
        app.MapHangfireDashboard("/hangfire", new DashboardOptions
        {
            Authorization = [],   // Hangfire's own lets every local request in
            AsyncAuthorization = [new OperatorsOnly()],
            DashboardTitle = "EmailApi",
            DisplayStorageConnectionString = false,
        }, app.Services.GetRequiredService<JobStorage>()).RequireScope(Scopes.Manage).WithMetadata(new PageMetadata());
}

/// <summary>Lets in who runs the server; for others the page is not there.</summary>
sealed class OperatorsOnly : IDashboardAsyncAuthorizationFilter
{
    public async Task<bool> AuthorizeAsync(DashboardContext context)
    {
        var http = context.GetHttpContext();
        var isOperator = await http.RequestServices.GetRequiredService<ProjectAccess>().IsOperatorAsync(Caller.Behind(http), http.RequestAborted);
        if (!isOperator) throw new ProblemException(ProblemKind.NotFound, ProblemWriter.NothingAt(http));
        // In a stranger's frame a click would come with the reader's password and the page's own token.
        http.Response.Headers.ContentSecurityPolicy = "frame-ancestors 'none'";
        http.Response.Headers.CacheControl = "no-store";
        return true;
    }
}
