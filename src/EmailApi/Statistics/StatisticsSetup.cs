using EmailApi.Http;
using EmailApi.Projects;

namespace EmailApi.Statistics;

/// <summary>What became of the mail, counted.</summary>
public static class StatisticsSetup
{
    public static void AddStatistics(this WebApplicationBuilder builder)
    {
        builder.Services.AddSingleton<RollUp>();
        builder.Services.AddScoped<RollUpJob>();
    }

    public static void MapStatistics(this WebApplication app) =>
        app.MapGet("/v1/stats", GetStats.HandleAsync).WithTags("Statistics").Describe("getStats", "What became of the mail, by time, stream, domain, tag or relay", Scopes.Read, 400);
}
