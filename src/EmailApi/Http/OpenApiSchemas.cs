using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using EmailApi.Bounces;
using EmailApi.Emails;
using EmailApi.Events;
using EmailApi.Projects;
using EmailApi.Suppressions;
using EmailApi.Tracking;
using EmailApi.Webhooks;
using Microsoft.OpenApi;
using Swashbuckle.AspNetCore.SwaggerGen;

namespace EmailApi.Http;

/// <summary>What the types do not say of the JSON: which properties are always there, what may stand in place of a list, limits and words.</summary>
sealed class OpenApiSchemas : ISchemaFilter
{
    static readonly NullabilityInfoContext Nullability = new();

    /// <summary>What a request must have; in those that are not named here, nothing.</summary>
    static readonly Dictionary<Type, string[]> RequiredOf = new()
    {
        [typeof(SendEmailRequest)] = ["from", "subject"],
        [typeof(AttachmentInput)] = ["filename", "content"],
        [typeof(RescheduleRequest)] = ["send_at"],
        [typeof(ResolveRequest)] = ["as"],
        [typeof(CreateKeyRequest)] = ["name", "scopes"],
        [typeof(SuppressionRequest)] = ["email"],
    };

    public void Apply(IOpenApiSchema schema, SchemaFilterContext context)
    {
        if (schema is not OpenApiSchema it || context.MemberInfo is not null) return;
        var type = context.Type;
        if (type == typeof(AddressInput)) Become(it, Text(), Mailbox());
        else if (type == typeof(AddressListInput)) Become(it, List(context, typeof(AddressInput), 1000), context.SchemaGenerator.GenerateSchema(typeof(AddressInput), context.SchemaRepository));
        else if (type == typeof(SendBatchRequest)) BecomeList(it, List(context, typeof(SendEmailRequest), EmailAcceptor.MaxBatch));
        else if (it.Properties is { Count: > 0 } && type.Assembly == typeof(OpenApiSchemas).Assembly) Tell(it, type);
    }

    static void Tell(OpenApiSchema schema, Type type)
    {
        var isRequest = type.GetProperties().Any(p => p.IsDefined(typeof(JsonExtensionDataAttribute)));   // it gathers unknown fields to refuse them
        schema.AdditionalProperties = null;
        schema.AdditionalPropertiesAllowed = !isRequest;   // answers may gain some
        var members = type.GetProperties().ToDictionary(p => JsonNamingPolicy.SnakeCaseLower.ConvertName(p.Name));
        schema.Required = isRequest ? [.. RequiredOf.GetValueOrDefault(type, [])]
            : members.Where(m => m.Value.GetCustomAttribute<JsonIgnoreAttribute>() is null && schema.Properties!.ContainsKey(m.Key)).Select(m => m.Key).ToHashSet();
        foreach (var (name, property) in schema.Properties!.ToList())
        {
            if (property is OpenApiSchema own)
            {
                Tell(own, name, type);
                if (isRequest && schema.Required.Contains(name)) own.Type &= ~JsonSchemaType.Null;
            }
            else if (!isRequest && schema.Required.Contains(name) && Nullability.Create(members[name]).ReadState is NullabilityState.Nullable)
                schema.Properties![name] = new OpenApiSchema { OneOf = [property, new OpenApiSchema { Type = JsonSchemaType.Null }] };
        }
    }

    static void Tell(OpenApiSchema property, string name, Type type)
    {
        switch (name)
        {
            case "tags": (property.Type, property.AdditionalProperties, property.MaxProperties) = (JsonSchemaType.Object, Text(), SendEmailValidator.MaxTags); break;
            case "metadata": property.Type = JsonSchemaType.Object; break;
            case "send_at" or "expires_at": property.Format = "date-time"; break;
            case "subject" when type == typeof(SendEmailRequest): property.MaxLength = SendEmailValidator.MaxSubjectLength; break;
            case "attachments" when type == typeof(SendEmailRequest): property.MaxItems = SendEmailValidator.MaxAttachments; break;
            case "envelope": property.Enum = Of(Words.All<EnvelopeKind>()); break;
            case "kind" when type == typeof(TakenBounceResponse): property.Enum = Of(Words.All<ReportKind>()); break;
            case "kind": property.Enum = Of(Words.All<RecipientKind>()); break;
            case "outcome" when type == typeof(DeliveryResponse): property.Enum = Of(Words.All<CallOutcome>()); break;
            case "outcome": property.Enum = Of(Words.All<RecipientState>()); break;
            case "status" when type == typeof(AcceptedRecipient) || type == typeof(RecipientResponse): property.Enum = Of(Words.All<RecipientState>()); break;
            case "status" when type == typeof(GetEmailResponse) || type == typeof(SendEmailResponse): property.Enum = Of([.. Words.All<RecipientState>(), "partial"]); break;
            case "type" when type == typeof(ReportedRecipientResponse) || type == typeof(BounceResponse): property.Enum = Of(Words.All<ReportType>()); break;
            case "reason" when type == typeof(ReportedRecipientResponse) || type == typeof(BounceResponse): property.Enum = Of(Words.All<BounceReason>()); break;
            case "reason" when type == typeof(SuppressionRequest) || type == typeof(SuppressionResponse): property.Enum = Of(Suppression.Reasons); break;
            case "source" when type == typeof(SuppressionResponse): property.Enum = Of(Words.All<SuppressionSource>()); break;
            case "unsubscribe": property.Enum = Of(Words.All<UnsubscribeScope>()); break;
            case "class": property.Enum = Of(Words.All<HitClass>()); break;
            case "url" when type == typeof(WebhookRequest) || type == typeof(WebhookResponse): property.Format = "uri"; break;
            case "from" or "to" when type == typeof(ReplayRequest): property.Format = "date-time"; break;
            case "waiting" or "final": property.Description = "Recipients by state."; break;
        }
    }

    static List<JsonNode> Of(IEnumerable<string> words) => [.. words.Select(w => JsonValue.Create(w)!)];

    static OpenApiSchema Text() => new() { Type = JsonSchemaType.String };

    static OpenApiSchema Mailbox() => new()
    {
        Type = JsonSchemaType.Object,
        Properties = new Dictionary<string, IOpenApiSchema>
        {
            ["email"] = Text(),
            ["name"] = new OpenApiSchema { Type = JsonSchemaType.String | JsonSchemaType.Null, MaxLength = MailboxParser.MaxNameLength },
        },
        Required = new HashSet<string> { "email" },
        AdditionalPropertiesAllowed = false,
    };

    static OpenApiSchema List(SchemaFilterContext context, Type item, int max) => new()
    {
        Type = JsonSchemaType.Array,
        Items = context.SchemaGenerator.GenerateSchema(item, context.SchemaRepository),
        MaxItems = max,
    };

    static void Become(OpenApiSchema schema, params IOpenApiSchema[] oneOf) =>
        (schema.Type, schema.Properties, schema.AdditionalPropertiesAllowed, schema.OneOf) = (null, null, true, [.. oneOf]);

    static void BecomeList(OpenApiSchema schema, OpenApiSchema list) =>
        (schema.Type, schema.Properties, schema.AdditionalPropertiesAllowed, schema.Items, schema.MinItems, schema.MaxItems) = (list.Type, null, true, list.Items, 1, list.MaxItems);
}
