using System.Globalization;
using System.Text.Json.Nodes;
using EmailApi.Emails;
using EmailApi.Limits;
using EmailApi.Projects;
using EmailApi.Statistics;
using EmailApi.Suppressions;
using EmailApi.Webhooks;
using Microsoft.OpenApi;
using Swashbuckle.AspNetCore.SwaggerGen;

namespace EmailApi.Http;

/// <summary>An endpoint that takes an Idempotency-Key.</summary>
/// <param name="HasLocation">Its 202 says where what it made lies.</param>
public sealed record IdempotentMetadata(bool HasLocation);

/// <summary>An endpoint that reads its body as it comes.</summary>
public sealed record StreamedBodyMetadata(IReadOnlyList<string> MediaTypes);

/// <summary>What the signatures do not say of an operation: its headers, the bounds of its parameters, and where no key is needed.</summary>
sealed class OpenApiOperations : IOperationFilter
{
    /// <summary>By parameter, or by operation and parameter where a name means two things.</summary>
    static readonly Dictionary<string, Action<OpenApiParameter, OpenApiSchema>> Parameters = new(StringComparer.Ordinal)
    {
        ["limit"] = (p, s) => Number(p, s, 1, Paging.MaxLimit, Paging.DefaultLimit, "How many a page has at most."),
        ["wait"] = (p, s) => Number(p, s, 0, 60, 0, "Seconds to wait when nothing matches yet."),
        ["after"] = (p, _) => p.Description = "The next_cursor of the page before; left out: from the start.",
        ["listEvents.wait"] = (p, s) => Number(p, s, 0, 30, 0, "Seconds to wait while there is nothing new."),
        ["types"] = (p, _) => p.Description = "Only events of these types, separated by commas, such as email.sent,email.bounced.",
        ["mode"] = (p, s) =>
        {
            p.Description = "strict: one bad mail and nothing is stored. permissive: the good ones are.";
            (s.Enum, s.Default) = (["strict", "permissive"], "strict");
        },
        ["importSuppressions.mode"] = (p, s) =>
        {
            p.Description = "strict: one wrong line and nothing is taken. permissive: the good ones are.";
            (s.Enum, s.Default) = (["strict", "permissive"], "strict");
        },
        ["format"] = (p, s) =>
        {
            p.Description = "csv: guarded against formulas, with an apostrophe that the import takes away again. ndjson: one JSON object a line.";
            (s.Enum, s.Default) = (["csv", "ndjson"], "csv");
        },
        ["override_suppression"] = (p, s) =>
        {
            p.Description = "true: the mail goes to suppressed addresses too. Needs the scope override_suppression.";
            (s.Enum, s.Default) = (["true", "false"], "false");
        },
        ["listSuppressions.address"] = (p, _) => p.Description = "Only of this address, however it is spelt.",
        ["listSuppressions.stream"] = (p, _) => p.Description = "Only those of this stream; those of the whole project are not among them.",
        ["listSuppressions.reason"] = (p, s) => (p.Description, s.Enum) = ("Only for this reason.", [.. Suppression.Reasons.Select(r => JsonValue.Create(r))]),
        ["listSuppressions.source"] = (p, s) => OneOf<SuppressionSource>(p, s, "Only from this source."),
        ["deleteSuppression.stream"] = (p, _) => p.Description = "The one of this stream; left out: that of the whole project, and those of streams stay.",
        ["conversation"] = (p, _) => p.Description = "true: with the lines of the SMTP dialogue, where they were kept.",
        ["dry_run"] = (p, s) =>
        {
            p.Description = "true: only reads and answers; nothing is changed.";
            s.Default = false;
        },
        ["listCaptured.to"] = (p, _) => p.Description = "Only mail to this address.",
        ["getLedger.from"] = (p, s) => Time(p, s, "Mail accepted from then on; left out: 30 days before to."),
        ["getLedger.to"] = (p, s) => Time(p, s, "Mail accepted before then; left out: now."),
        ["getUsage.from"] = (p, s) => Day(p, s, "The first day; left out: the first of the month of to."),
        ["getUsage.to"] = (p, s) => Day(p, s, "The last day; left out: today. At most 400 days are shown."),
        ["getStats.from"] = (p, s) => Time(p, s, "From then on, rounded down to an interval; left out: 7 days before to."),
        ["getStats.to"] = (p, s) => Time(p, s, "Up to then, rounded up; left out: now."),
        ["getStats.interval"] = (p, s) => OneOf<StatsInterval>(p, s, "How long a point is. Left out: hours for up to 2 days, else days; with by other than time one point for all of it."),
        ["getStats.by"] = (p, s) => OneOf<StatsBy>(p, s, "What the numbers are by; left out: time. domain is that of the recipient."),
        ["getStats.value"] = (p, _) => p.Description = "Only this stream, domain, relay or tag:value.",
        ["getStats.time_zone"] = (p, _) => p.Description = "Whose days and months, by a name of the IANA database such as Asia/Tokyo; left out: UTC.",
        ["getStats.limit"] = (p, s) => Number(p, s, 1, 1000, 100, "Values, those with most mail first."),
        ["event_id"] = (p, _) => p.Description = "Only calls for this event, ev_….",
        ["outcome"] = (p, s) => OneOf<CallOutcome>(p, s, "Only calls that ended so."),
        ["getCaptured.id"] = (_, s) => s.Pattern = "^cap_[0-9a-f]{32}$",
        ["getCapturedRaw.id"] = (_, s) => s.Pattern = "^cap_[0-9a-f]{32}$",
        ["getWebhook.id"] = WebhookId,
        ["changeWebhook.id"] = WebhookId,
        ["deleteWebhook.id"] = WebhookId,
        ["rotateWebhookSecret.id"] = WebhookId,
        ["testWebhook.id"] = WebhookId,
        ["listWebhookDeliveries.id"] = WebhookId,
        ["replayWebhook.id"] = WebhookId,
        ["id"] = (_, s) => s.Pattern = "^em_[0-9a-f]{32}$",
    };

    /// <summary>What an answer means, by status; the problem's code says which of several it is.</summary>
    static readonly Dictionary<string, string> Meanings = new(StringComparer.Ordinal)
    {
        ["200"] = "As asked.",
        ["201"] = "It is made.",
        ["202"] = "Stored: it is committed, and delivery follows.",
        ["replayWebhook.202"] = "They are queued.",
        ["204"] = "Done; there is nothing to show.",
        ["400"] = "The JSON, a parameter or the cursor cannot be understood.",
        ["401"] = "No key, or one that is unknown, expired or revoked.",
        ["403"] = "The key lacks the scope, or is bound to something else.",
        ["404"] = "Unknown, malformed or another project's.",
        ["408"] = "The body came too slowly while others waited; send it again.",
        ["409"] = "What there is does not allow it now, or the first request with the idempotency key is still under way.",
        ["413"] = "More than 40 MB.",
        ["importSuppressions.413"] = "More than 256 MB.",
        ["415"] = "The body is of a media type that is not taken here.",
        ["importSuppressions.422"] = "Lines are wrong, and errors names the first 1,000; nothing was taken.",
        ["422"] = "Fields are wrong, and errors names each; or the idempotency key was used for another request.",
        ["429"] = "Too many requests, or too many wrong keys from this address; Retry-After says when to come again.",
        ["500"] = "A fault of the server's; its log has it under the trace_id.",
        ["503"] = "The database is away; nothing was stored unless an earlier answer said so.",
    };

    public void Apply(OpenApiOperation operation, OperationFilterContext context)
    {
        foreach (var parameter in operation.Parameters?.OfType<OpenApiParameter>() ?? [])
            if ((Parameters.GetValueOrDefault($"{operation.OperationId}.{parameter.Name}") ?? Parameters.GetValueOrDefault(parameter.Name!)) is { } tell)
                tell(parameter, (OpenApiSchema)parameter.Schema!);

        var metadata = context.ApiDescription.ActionDescriptor.EndpointMetadata;
        if (metadata.OfType<IdempotentMetadata>().FirstOrDefault() is { } idempotent) AddIdempotency(operation, idempotent);
        if (metadata.OfType<LimitedMetadata>().Any()) AddLimits(operation);
        if (metadata.OfType<StreamedBodyMetadata>().FirstOrDefault() is { } streamed) AddBody(operation, streamed);
        if (!metadata.OfType<ScopeMetadata>().Any()) operation.Security = [];
        if (Media(operation.RequestBody?.Content, "application/json") is { } body) body.Example = OpenApiExamples.Request(operation.OperationId!);
        if (operation.Responses is not { } responses) return;

        var sorted = responses.OrderBy(r => r.Key, StringComparer.Ordinal).ToList();
        responses.Clear();
        foreach (var (status, response) in sorted)
        {
            responses[status] = response;
            if (response is OpenApiResponse told) Tell(told, status, operation.OperationId!);
            if ((status is "408" or "429" or "503" || status is "409" && operation.OperationId is "sendEmail" or "sendBatch") && response is OpenApiResponse waits) AddHeader(waits, "Retry-After", "Seconds after which a repeat makes sense.");
            if (Media(response.Content, RawMessage.MediaType) is { } raw) raw.Schema = new OpenApiSchema { Type = JsonSchemaType.String, Format = "binary" };
        }
    }

    static void Tell(OpenApiResponse response, string status, string operationId)
    {
        if (operationId is not "ready" && (Meanings.GetValueOrDefault($"{operationId}.{status}") ?? Meanings.GetValueOrDefault(status)) is { } meaning) response.Description = meaning;
        if (Media(response.Content, "application/problem+json") is { } problem) problem.Example = OpenApiExamples.Problem(KindOf(status));
        else if (Media(response.Content, "application/json") is { } answer) answer.Example = OpenApiExamples.Answer(operationId);
    }

    static OpenApiMediaType? Media(IDictionary<string, IOpenApiMediaType>? content, string type) =>
        content is not null && content.TryGetValue(type, out var media) ? media as OpenApiMediaType : null;

    static ProblemKind KindOf(string status) => status switch
    {
        "409" => ProblemKind.WrongState,
        "422" => ProblemKind.Validation,
        "429" => ProblemKind.TooManyFailures,
        _ => ProblemKind.OfStatus(int.Parse(status, CultureInfo.InvariantCulture)),
    };

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

    static void AddBody(OpenApiOperation operation, StreamedBodyMetadata streamed) => operation.RequestBody = new OpenApiRequestBody
    {
        Required = true,
        Content = streamed.MediaTypes.ToDictionary(type => type, IOpenApiMediaType (type) => new OpenApiMediaType
        {
            Schema = new OpenApiSchema { Type = JsonSchemaType.String },
            Example = OpenApiExamples.Lines(operation.OperationId!, type),
        }),
    };

    static void AddHeader(OpenApiResponse response, string name, string description) =>
        (response.Headers ??= new Dictionary<string, IOpenApiHeader>())[name] = new OpenApiHeader { Description = description, Schema = new OpenApiSchema { Type = JsonSchemaType.String } };

    static void Number(OpenApiParameter parameter, OpenApiSchema schema, int min, int max, int usual, string description)
    {
        parameter.Description = description;
        (schema.Minimum, schema.Maximum, schema.Default) = (min.ToString(CultureInfo.InvariantCulture), max.ToString(CultureInfo.InvariantCulture), JsonValue.Create(usual));
    }

    static void WebhookId(OpenApiParameter parameter, OpenApiSchema schema) => schema.Pattern = "^wh_[0-9a-f]{32}$";

    static void Day(OpenApiParameter parameter, OpenApiSchema schema, string description) => (parameter.Description, schema.Format) = (description, "date");

    static void OneOf<T>(OpenApiParameter parameter, OpenApiSchema schema, string description) where T : struct, Enum =>
        (parameter.Description, schema.Enum) = (description, [.. Words.All<T>().Select(w => JsonValue.Create(w))]);

    static void Time(OpenApiParameter parameter, OpenApiSchema schema, string description) => (parameter.Description, schema.Format) = (description, "date-time");
}
