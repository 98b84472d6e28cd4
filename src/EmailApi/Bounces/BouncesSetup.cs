using EmailApi.Emails;
using EmailApi.Http;
using EmailApi.Projects;

namespace EmailApi.Bounces;

/// <summary>What comes back.</summary>
public static class BouncesSetup
{
    public static void AddBounces(this WebApplicationBuilder builder)
    {
        builder.Services.AddSingleton<ReturnPath>();
        builder.Services.AddSingleton<ReportMetrics>();
        builder.Services.AddSingleton<ReportIntake>();
        builder.Services.AddScoped<MailboxJob>();
        builder.Services.AddSingleton<BounceListener>();
        builder.Services.AddHostedService(services => services.GetRequiredService<BounceListener>());
    }

    public static void MapBounces(this WebApplication app) =>
        app.MapPost("/v1/bounces", TakeBounce.HandleAsync).WithTags("Bounces")
            .Describe("takeBounce", "A raw bounce, complaint or receipt", Scopes.Manage, 400, 409, 413, 415).WithMetadata(new StreamedBodyMetadata([RawMessage.MediaType]));
}
