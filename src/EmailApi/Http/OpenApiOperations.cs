using System.Globalization;
using System.Text.Json.Nodes;
using EmailApi.Limits;
using EmailApi.Projects;
using Microsoft.OpenApi;
using Swashbuckle.AspNetCore.SwaggerGen;

namespace EmailApi.Http;

/// <summary>An endpoint that takes an Idempotency-Key.</summary>
/// <param name="HasLocation">Its 202 says where what it made lies.</param>
public sealed record IdempotentMetadata(bool HasLocation);

/// <summary>What the signatures do not say of an operation: its headers, the bounds of its parameters, and where no key is needed.</summary>
sealed class OpenApiOperations : IOperationFilter
{
    /// <summary>By parameter, or by operation and parameter where a name means two things.</summary>
    static readonly Dictionary<string, Action<OpenApiParameter, OpenApiSchema>> Parameters = new(StringComparer.Ordinal)
    {
        ["limit"] = (p, s) => Number(p, s, 1, Paging.MaxLimit, Paging.DefaultLimit, "How many a page has at most."),
        ["wait"] = (p, s) => Number(p, s, 0, 60, 0, "Seconds to wait when nothing matches yet."),
        ["after"] = (p, _) => p.Description = "The next_cursor of the page before; left out: from the start.",
        ["types"] = (p, _) => p.Description = "Only events of these types, separated by commas, such as email.sent,email.bounced.",
        ["mode"] = (p, s) =>
        {
            p.Description = "strict: one bad mail and nothing is stored. permissive: the good ones are.";
            (s.Enum, s.Default) = (["strict", "permissive"], "strict");
        },
        ["listCaptured.to"] = (p, _) => p.Description = "Only mail to this address.",
        ["getLedger.from"] = (p, s) => Time(p, s, "Mail accepted from then on; left out: 30 days before to."),
        ["getLedger.to"] = (p, s) => Time(p, s, "Mail accepted before then; left out: now."),
        ["getUsage.from"] = (p, s) => Day(p, s, "The first day; left out: the first of the month of to."),
        ["getUsage.to"] = (p, s) => Day(p, s, "The last day; left out: today. At most 400 days are shown."),
        ["getCaptured.id"] = (_, s) => s.Pattern = "^cap_[0-9a-f]{32}$",
        ["getCapturedRaw.id"] = (_, s) => s.Pattern = "^cap_[0-9a-f]{32}$",
        ["id"] = (_, s) => s.Pattern = "^em_[0-9a-f]{32}$",
    };

    public void Apply(OpenApiOperation operation, OperationFilterContext context)
    {
        foreach (var parameter in operation.Parameters?.OfType<OpenApiParameter>() ?? [])
            if ((Parameters.GetValueOrDefault($"{operation.OperationId}.{parameter.Name}") ?? Parameters.GetValueOrDefault(parameter.Name!)) is { } tell)
                tell(parameter, (OpenApiSchema)parameter.Schema!);

        var metadata = context.ApiDescription.ActionDescriptor.EndpointMetadata;
        if (metadata.OfType<IdempotentMetadata>().FirstOrDefault() is { } idempotent) AddIdempotency(operation, idempotent);
        if (metadata.OfType<LimitedMetadata>().Any()) AddLimits(operation);
        if (!metadata.OfType<ScopeMetadata>().Any()) operation.Security = [];
        if (operation.Responses is not { } responses) return;

        var sorted = responses.OrderBy(r => r.Key, StringComparer.Ordinal).ToList();
        responses.Clear();
        foreach (var (status, response) in sorted)
        {
            responses[status] = response;
            if (status is "409" or "429" or "503" && response is OpenApiResponse waits && operation.OperationId is "sendEmail" or "sendBatch") AddHeader(waits, "Retry-After", "Seconds after which a repeat makes sense.");
            if (response.Content is { } content && content.TryGetValue("message/rfc822", out var media) && media is OpenApiMediaType raw) raw.Schema = new OpenApiSchema { Type = JsonSchemaType.String, Format = "binary" };
        }
    }

    static void AddIdempotency(OpenApiOperation operation, IdempotentMetadata idempotent)
    {
        (operation.Parameters ??= []).Add(new OpenApiParameter
        {
            Name = "Idempotency-Key",
            In = ParameterLocation.Header,
            Description = "The caller's name for this request: a repeat with the same body gets the first answer, for 24 hours.",
            Schema = new OpenApiSchema { Type = JsonSchemaType.String, MinLength = 1, MaxLength = 255 },
        });
        if (operation.Responses?.GetValueOrDefault("202") is not OpenApiResponse accepted) return;
        AddHeader(accepted, "Idempotent-Replayed", "true when this is the answer to an earlier request with the same key.");
        if (idempotent.HasLocation) AddHeader(accepted, "Location", "Where the mail can be read.");
    }

    static void AddLimits(OpenApiOperation operation)
    {
        foreach (var (status, answer) in operation.Responses!)
        {
            if (status is not ("202" or "429") || answer is not OpenApiResponse response) continue;
            AddHeader(response, "RateLimit-Policy", "Each limit that holds: q mails in w seconds. key and project are token buckets, day and month quotas.");
            AddHeader(response, "RateLimit", "What each leaves: r mails now, all of them again after t seconds.");
        }
    }

    static void AddHeader(OpenApiResponse response, string name, string description) =>
        (response.Headers ??= new Dictionary<string, IOpenApiHeader>())[name] = new OpenApiHeader { Description = description, Schema = new OpenApiSchema { Type = JsonSchemaType.String } };

    static void Number(OpenApiParameter parameter, OpenApiSchema schema, int min, int max, int usual, string description)
    {
        parameter.Description = description;
        (schema.Minimum, schema.Maximum, schema.Default) = (min.ToString(CultureInfo.InvariantCulture), max.ToString(CultureInfo.InvariantCulture), JsonValue.Create(usual));
    }

    static void Day(OpenApiParameter parameter, OpenApiSchema schema, string description) => (parameter.Description, schema.Format) = (description, "date");

    static void Time(OpenApiParameter parameter, OpenApiSchema schema, string description) => (parameter.Description, schema.Format) = (description, "date-time");
}
