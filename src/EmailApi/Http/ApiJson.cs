using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using EmailApi.Bounces;
using EmailApi.Capture;
using EmailApi.Delivery;
using EmailApi.Emails;
using EmailApi.Events;
using EmailApi.Limits;
using EmailApi.Operations;
using EmailApi.Pauses;
using EmailApi.Projects;
using EmailApi.Statistics;
using EmailApi.Suppressions;
using EmailApi.Webhooks;

namespace EmailApi.Http;

/// <summary>How JSON looks at every door: snake_case, source-generated, no property twice.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    AllowDuplicateProperties = false,
    NumberHandling = JsonNumberHandling.Strict)]
[JsonSerializable(typeof(Problem))]
[JsonSerializable(typeof(SendEmailRequest))]
[JsonSerializable(typeof(SendBatchRequest))]
[JsonSerializable(typeof(SendEmailResponse))]
[JsonSerializable(typeof(SendBatchResponse))]
[JsonSerializable(typeof(GetEmailResponse))]
[JsonSerializable(typeof(ContentDocument))]
[JsonSerializable(typeof(GetContentResponse))]
[JsonSerializable(typeof(Page<EventResponse>))]
[JsonSerializable(typeof(Page<AttemptResponse>))]
[JsonSerializable(typeof(Page<CapturedResponse>))]
[JsonSerializable(typeof(CapturedDetailResponse))]
[JsonSerializable(typeof(LedgerResponse))]
[JsonSerializable(typeof(Page<ListedEmail>))]
[JsonSerializable(typeof(CancelEmailsResponse))]
[JsonSerializable(typeof(RescheduleRequest))]
[JsonSerializable(typeof(ResolveRequest))]
[JsonSerializable(typeof(CreateKeyRequest))]
[JsonSerializable(typeof(ChangeKeyRequest))]
[JsonSerializable(typeof(KeyResponse))]
[JsonSerializable(typeof(Page<KeyResponse>))]
[JsonSerializable(typeof(ProjectRequest))]
[JsonSerializable(typeof(ProjectResponse))]
[JsonSerializable(typeof(Page<ProjectResponse>))]
[JsonSerializable(typeof(StreamRequest))]
[JsonSerializable(typeof(StreamResponse))]
[JsonSerializable(typeof(Page<StreamResponse>))]
[JsonSerializable(typeof(UsageResponse))]
[JsonSerializable(typeof(StatsResponse))]
[JsonSerializable(typeof(PauseRequest))]
[JsonSerializable(typeof(PauseResponse))]
[JsonSerializable(typeof(Page<PauseResponse>))]
[JsonSerializable(typeof(SuppressionRequest))]
[JsonSerializable(typeof(SuppressionResponse))]
[JsonSerializable(typeof(Page<SuppressionResponse>))]
[JsonSerializable(typeof(ImportResponse))]
[JsonSerializable(typeof(JsonLine))]
[JsonSerializable(typeof(EventData))]
[JsonSerializable(typeof(TakenBounceResponse))]
[JsonSerializable(typeof(WebhookRequest))]
[JsonSerializable(typeof(WebhookResponse))]
[JsonSerializable(typeof(Page<WebhookResponse>))]
[JsonSerializable(typeof(DeliveryResponse))]
[JsonSerializable(typeof(Page<DeliveryResponse>))]
[JsonSerializable(typeof(ReplayRequest))]
[JsonSerializable(typeof(ReplayResponse))]
[JsonSerializable(typeof(ReadinessResponse))]
[JsonSerializable(typeof(Dictionary<string, string>))]
[JsonSerializable(typeof(string))]
[JsonSerializable(typeof(JsonElement))]
public sealed partial class ApiJson : JsonSerializerContext
{
    /// <summary>Writes every character as itself, so that Japanese stays readable and takes half the room. Safe because JSON is never served as HTML.</summary>
    public static ApiJson Wire => field ??= new(new JsonSerializerOptions(Default.Options) { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping });
}
