using EmailApi.Projects;
using Hangfire;
using OpenTelemetry.Metrics;

namespace EmailApi.Operations;

/// <summary>Health, metrics, jobs and Hangfire's page.</summary>
public static class OperationsSetup
{
    public static void AddOperations(this WebApplicationBuilder builder)
    {
        builder.Services.AddScoped<PartitionsJob>();
        builder.Services.AddScoped<UnusedBlobsJob>();
        builder.Services.AddScoped<HousekeepingJob>();
        builder.Services.AddHostedService<Greeting>();
        builder.Services.AddOpenTelemetry().WithMetrics(m => m
            .AddMeter(Metrics.Meter, "Microsoft.AspNetCore.Hosting", "Microsoft.AspNetCore.Server.Kestrel", "System.Runtime", "Npgsql")
            .AddPrometheusExporter());
    }

    public static void MapOperations(this WebApplication app)
    {
        app.MapGet("/livez", Health.Live).WithTags("Operations").WithName("live").WithSummary("Whether the process answers");
        app.MapGet("/readyz", Health.ReadyAsync).WithTags("Operations").WithName("ready").WithSummary("Whether mail can be accepted")
            .Produces<ReadinessResponse>().Produces<ReadinessResponse>(503);
        app.MapPrometheusScrapingEndpoint("/metrics");
    }

    /// <summary>Hangfire's dashboard, behind Basic with a key that has <c>manage</c>.</summary>
    public static void MapDashboard(this WebApplication app) =>
        app.MapHangfireDashboard("/hangfire", new DashboardOptions
        {
            Authorization = [],   // ours decides, below; Hangfire's own lets every local request in
            DashboardTitle = "EmailApi",
            DisplayStorageConnectionString = false,
        }, app.Services.GetRequiredService<JobStorage>()).RequireScope(Scopes.Manage).WithMetadata(new PageMetadata());
}
