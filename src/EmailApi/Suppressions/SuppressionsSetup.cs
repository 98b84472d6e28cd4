using EmailApi.Data;
using EmailApi.Http;
using EmailApi.Projects;
using FluentValidation;

namespace EmailApi.Suppressions;

/// <summary>Refused addresses: looked up at accept and at claim, added by what comes back and by people.</summary>
public static class SuppressionsSetup
{
    public static void AddSuppressions(this WebApplicationBuilder builder, AppOptions settings)
    {
        builder.Services.AddSingleton<IValidator<SuppressionRequest>, SuppressionValidator>();
        builder.Services.AddSingleton<ImportSuppressions>();
        builder.Services.AddSingleton<SuppressedProjects>();
        if (settings.Accepts) builder.Services.AddHostedService(services => services.GetRequiredService<SuppressedProjects>());
    }

    public static void MapSuppressions(this WebApplication app)
    {
        var suppressions = app.MapGroup("/v1/suppressions").WithTags("Suppressions");
        suppressions.MapPost("", ManageSuppressions.AddAsync).Describe("addSuppression", "Suppress an address", Scopes.Manage, 400, 413, 415, 422)
            .Accepts<SuppressionRequest>("application/json").Produces<SuppressionResponse>(200).Produces<SuppressionResponse>(201);
        suppressions.MapRead("", ManageSuppressions.ListAsync).Describe("listSuppressions", "The addresses that must not be mailed, newest first", Scopes.Read, 400);
        suppressions.MapPost("import", ImportSuppressions.HandleAsync).Describe("importSuppressions", "Suppress many addresses, up to 256 MB of them", Scopes.Manage, 400, 413, 415, 422)
            .WithMetadata(new StreamedBodyMetadata(["text/csv", "application/x-ndjson"])).Produces<ImportResponse>(200);
        suppressions.MapGet("export", ExportSuppressions.HandleAsync).Describe("exportSuppressions", "All suppressions, as the import takes them", Scopes.Read, 400)
            .Produces<string>(200, "text/csv", "application/x-ndjson");
        suppressions.MapRead("{email}", ManageSuppressions.GetAsync).Describe("getSuppressions", "All suppressions that hold for an address", Scopes.Read, 404);
        suppressions.MapDelete("{email}", ManageSuppressions.DeleteAsync).Describe("deleteSuppression", "Lift the suppression of an address", Scopes.Manage, 404).Produces(204);
    }
}
