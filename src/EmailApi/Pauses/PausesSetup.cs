using EmailApi.Http;
using EmailApi.Projects;
using FluentValidation;

namespace EmailApi.Pauses;

/// <summary>The emergency stop.</summary>
public static class PausesSetup
{
    public static void AddPauses(this WebApplicationBuilder builder, AppOptions settings)
    {
        builder.Services.AddSingleton<IValidator<PauseRequest>, PauseValidator>();
        builder.Services.AddSingleton<WalkPauses>();
        builder.Services.AddSingleton<PausesInForce>();
        if (settings.Accepts) builder.Services.AddHostedService(services => services.GetRequiredService<PausesInForce>());
        builder.Services.AddScoped<PauseAccess>();
    }

    public static void MapPauses(this WebApplication app)
    {
        app.MapPost("/v1/pause", ManagePauses.PauseAsync).WithTags("Pauses")
            .Describe("pause", "Stop mail by project, stream, key, tag or relay", Scopes.Manage, 400, 404, 413, 415, 422).Accepts<PauseRequest>("application/json");
        app.MapGet("/v1/pause", ManagePauses.ListAsync).WithTags("Pauses").Describe("listPauses", "What is paused", Scopes.Manage, 400);
        app.MapPost("/v1/resume", ManagePauses.ResumeAsync).WithTags("Pauses")
            .Describe("resume", "Let paused mail go", Scopes.Manage, 400, 404, 409, 413, 415, 422).Accepts<PauseRequest>("application/json");
    }
}
