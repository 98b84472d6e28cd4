using Microsoft.AspNetCore.Authentication;

namespace EmailApi.Projects;

/// <summary>Who may come in, and what for.</summary>
public static class ProjectsSetup
{
    public static void AddProjects(this WebApplicationBuilder builder)
    {
        builder.Services.AddSingleton<ApiKeys>();
        builder.Services.AddSingleton<BootstrapKey>();
        builder.Services.AddSingleton<StreamCatalog>();
        builder.Services.AddAuthentication(ApiKeyAuthentication.SchemeName)
            .AddScheme<AuthenticationSchemeOptions, ApiKeyAuthentication>(ApiKeyAuthentication.SchemeName, null);
        builder.Services.AddAuthorization(o => o.AddScopePolicies());
    }
}
