using EmailApi.Data;
using EmailApi.Http;
using EmailApi.Projects;

namespace EmailApi.Capture;

/// <summary>The inbox of development.</summary>
public static class CaptureSetup
{
    public static void AddCapture(this WebApplicationBuilder builder)
    {
        builder.Services.AddSingleton<CaptureStore>();
        builder.Services.AddSingleton<CaptureRelay>();
        builder.Services.AddHostedService(services => services.GetRequiredService<CaptureRelay>());
    }

    public static void MapCaptured(this WebApplication app)
    {
        var captured = app.MapGroup("/v1/captured").WithTags("Captured");
        captured.MapGet("", ListCaptured.HandleAsync).Describe("listCaptured", "What the capture relay took, newest first", Scopes.Read, 400);
        captured.MapRead("{id}", GetCaptured.HandleAsync).Describe("getCaptured", "One captured mail, read", Scopes.Read, 404);
        captured.MapRead("{id}/raw", GetCaptured.HandleRawAsync).Describe("getCapturedRaw", "One captured mail as it came", Scopes.Read, 404)
            .Produces(200, contentType: "message/rfc822");
    }
}
