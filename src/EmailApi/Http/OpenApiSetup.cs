using EmailApi.Projects;
using Microsoft.OpenApi;
using Swashbuckle.AspNetCore.SwaggerGen;

namespace EmailApi.Http;

/// <summary>The contract at /openapi/v1.json (OpenAPI 3.1) and Swagger UI at /swagger.</summary>
public static class OpenApiSetup
{
    public static void AddOpenApi(this WebApplicationBuilder builder)
    {
        builder.Services.AddEndpointsApiExplorer();
        builder.Services.AddSwaggerGen(o =>
        {
            o.SwaggerDoc("v1", new()
            {
                Title = "EmailApi",
                Version = "v1",
                Description = "Accepts mail, keeps it in PostgreSQL, delivers it through SMTP relays, and tells what became of every recipient. Problems are told in Japanese when Accept-Language prefers it.",
                License = new() { Name = "MIT", Identifier = "MIT" },
            });
            o.AddServer(new() { Url = "/", Description = "The server that this document came from." });
            o.DocumentFilter<OpenApiTags>();
            o.AddSecurityDefinition("key", new OpenApiSecurityScheme
            {
                Type = SecuritySchemeType.Http,
                Scheme = "bearer",
                Description = "An API key: paste ek_… alone, without the word Bearer.",
            });
            o.AddSecurityRequirement(document => new() { [new OpenApiSecuritySchemeReference("key", document)] = [] });
            o.SupportNonNullableReferenceTypes();
            o.CustomSchemaIds(SchemaName);
            o.IncludeXmlComments(Path.Combine(AppContext.BaseDirectory, "EmailApi.xml"));
            o.MapType<Emails.Base64Input>(() => new OpenApiSchema { Type = JsonSchemaType.String, Format = "byte" });
            o.SchemaFilter<OpenApiSchemas>();
            o.OperationFilter<OpenApiOperations>();
        });
    }

    public static void MapOpenApi(this WebApplication app)
    {
        app.UseSwagger(o =>
        {
            o.RouteTemplate = "openapi/{documentName}.json";
            o.OpenApiVersion = OpenApiSpecVersion.OpenApi3_1;
        });
        app.UseSwaggerUI(o =>
        {
            o.SwaggerEndpoint("/openapi/v1.json", "EmailApi v1");
            o.DocumentTitle = "EmailApi";
            o.DisplayOperationId();
        });
    }

    /// <summary>Describes an endpoint: what it needs, what it answers.</summary>
    public static RouteHandlerBuilder Describe(this RouteHandlerBuilder endpoint, string operationId, string summary, string scope, params ReadOnlySpan<int> problems)
    {
        endpoint.WithName(operationId).WithSummary(summary).RequireScope(scope);
        ReadOnlySpan<int> slow = problems.Contains(413) ? [408] : [];   // who sends a body can be too slow
        foreach (var status in (ReadOnlySpan<int>)[401, 403, .. slow, .. problems, 429, 500, 503]) endpoint.Produces<Problem>(status, "application/problem+json");
        return endpoint;
    }

    static string SchemaName(Type type) => type.IsGenericType
        ? $"{type.Name[..type.Name.IndexOf('`', StringComparison.Ordinal)]}Of{string.Concat(type.GenericTypeArguments.Select(a => a.Name))}"
        : type.Name;
}

/// <summary>What the groups of operations are about.</summary>
sealed class OpenApiTags : IDocumentFilter
{
    static readonly Dictionary<string, string> Descriptions = new(StringComparer.Ordinal)
    {
        ["Bounces"] = "What comes back from the world, read.",
        ["Captured"] = "What the capture relay took: the inbox of development and of test keys.",
        ["Emails"] = "Mail: sent, followed, steered.",
        ["Events"] = "What happened, in order, to poll.",
        ["Keys"] = "API keys, and what they are bound to.",
        ["Ledger"] = "The proof that no mail was lost.",
        ["Operations"] = "Health; no key is needed.",
        ["Pauses"] = "The emergency stop.",
        ["Projects"] = "Tenants of the server.",
        ["Statistics"] = "What became of the mail, counted.",
        ["Streams"] = "Classes of mail: priority, life, retries, retention.",
        ["Suppressions"] = "Addresses that must not be mailed.",
        ["Webhooks"] = "Endpoints that are told of events.",
        ["Usage"] = "What was sent, and what quotas leave.",
    };

    public void Apply(OpenApiDocument swaggerDoc, DocumentFilterContext context)
    {
        foreach (var tag in swaggerDoc.Tags ?? new HashSet<OpenApiTag>()) tag.Description ??= Descriptions.GetValueOrDefault(tag.Name!);
    }
}
