using EmailApi.Data;
using EmailApi.Http;
using FluentValidation;
using Microsoft.AspNetCore.Authentication;

namespace EmailApi.Projects;

/// <summary>Who may come in, and what for.</summary>
public static class ProjectsSetup
{
    public static void AddProjects(this WebApplicationBuilder builder)
    {
        builder.Services.AddSingleton<ApiKeys>();
        builder.Services.AddSingleton<FailedKeys>();
        builder.Services.AddHostedService(services => services.GetRequiredService<ApiKeys>());
        builder.Services.AddSingleton<BootstrapKey>();
        builder.Services.AddScoped<ProjectAccess>();
        builder.Services.AddSingleton<IValidator<CreateKeyRequest>, CreateKeyValidator>();
        builder.Services.AddSingleton<IValidator<ChangeKeyRequest>, ChangeKeyValidator>();
        builder.Services.AddSingleton<IValidator<ProjectRequest>, ProjectValidator>();
        builder.Services.AddSingleton<IValidator<StreamRequest>, StreamValidator>();
        builder.Services.AddSingleton<StreamCatalog>();
        builder.Services.AddAuthentication(ApiKeyAuthentication.SchemeName)
            .AddScheme<AuthenticationSchemeOptions, ApiKeyAuthentication>(ApiKeyAuthentication.SchemeName, null);
        builder.Services.AddAntiforgery();   // Hangfire's page demands its tokens as soon as it is there: a browser sends Basic with a stranger's form as well
        // Both bring it: it would read the key ring before the migrations made its table. PrepareDatabase reads it in its turn.
        builder.Services.Remove(builder.Services.Single(s => s.ImplementationType?.Name == "DataProtectionHostedService"));
        builder.Services.AddAuthorization(o => o.AddScopePolicies());
    }

    public static void MapProjects(this WebApplication app)
    {
        var keys = app.MapGroup("/v1/keys").WithTags("Keys");
        keys.MapPost("", ManageKeys.CreateAsync).Describe("createKey", "Make a key", Scopes.Manage, 400, 404, 413, 415, 422)
            .Accepts<CreateKeyRequest>("application/json").Produces<KeyResponse>(201);
        keys.MapRead("", ManageKeys.ListAsync).Describe("listKeys", "The project's keys", Scopes.Manage, 400);
        keys.MapRead("{id}", ManageKeys.GetAsync).Describe("getKey", "One key", Scopes.Manage, 404);
        keys.MapPatch("{id}", ManageKeys.ChangeAsync).Describe("changeKey", "Give a key another rate limit", Scopes.Manage, 400, 404, 413, 415, 422)
            .Accepts<ChangeKeyRequest>("application/json");
        keys.MapDelete("{id}", ManageKeys.RevokeAsync).Describe("revokeKey", "End a key", Scopes.Manage, 404).Produces(204);

        var streams = app.MapGroup("/v1/streams").WithTags("Streams");
        streams.MapPost("", ManageStreams.CreateAsync).Describe("createStream", "Make a stream", Scopes.Manage, 400, 409, 413, 415, 422)
            .Accepts<StreamRequest>("application/json").Produces<StreamResponse>(201);
        streams.MapRead("", ManageStreams.ListAsync).Describe("listStreams", "The project's streams", Scopes.Read, 400);
        streams.MapRead("{name}", ManageStreams.GetAsync).Describe("getStream", "One stream", Scopes.Read, 404);
        streams.MapPatch("{name}", ManageStreams.ChangeAsync).Describe("changeStream", "Change a stream", Scopes.Manage, 400, 404, 413, 415, 422)
            .Accepts<StreamRequest>("application/json");
        streams.MapDelete("{name}", ManageStreams.DeleteAsync).Describe("deleteStream", "Remove a stream", Scopes.Manage, 404, 409).Produces(204);

        var projects = app.MapGroup("/v1/projects").WithTags("Projects");
        projects.MapPost("", ManageProjects.CreateAsync).Describe("createProject", "Make a project", Scopes.Manage, 400, 409, 413, 415, 422)
            .Accepts<ProjectRequest>("application/json").Produces<ProjectResponse>(201);
        projects.MapGet("", ManageProjects.ListAsync).Describe("listProjects", "The projects that the key may see", Scopes.Manage, 400);
        projects.MapGet("{id}", ManageProjects.GetAsync).Describe("getProject", "One project", Scopes.Manage, 404);
        projects.MapPatch("{id}", ManageProjects.ChangeAsync).Describe("changeProject", "Rename a project, or set its limits", Scopes.Manage, 400, 404, 409, 413, 415, 422)
            .Accepts<ProjectRequest>("application/json");
        projects.MapDelete("{id}", ManageProjects.DeleteAsync).Describe("deleteProject", "Remove a project without mail", Scopes.Manage, 404, 409).Produces(204);
    }
}
