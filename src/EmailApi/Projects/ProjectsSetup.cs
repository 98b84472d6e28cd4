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
        // AddAuthentication brings it: it would read the key ring before the migrations made its table. PrepareDatabase reads it in its turn.
        builder.Services.Remove(builder.Services.Single(s => s.ImplementationType?.Name == "DataProtectionHostedService"));
        builder.Services.AddAuthorization(o => o.AddScopePolicies());
    }
}
