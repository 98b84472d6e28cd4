using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace EmailApi.Client;

/// <summary>How JSON is read and written, generated at build: no reflection, so trimming and AOT keep all that is needed. Fields that a newer
/// server adds are passed over.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(SendEmailRequest))]
[JsonSerializable(typeof(IReadOnlyList<SendEmailRequest>))]
[JsonSerializable(typeof(RescheduleRequest))]
[JsonSerializable(typeof(SendEmailResponse))]
[JsonSerializable(typeof(SendBatchResponse))]
[JsonSerializable(typeof(Email))]
[JsonSerializable(typeof(ListedEmailPage))]
[JsonSerializable(typeof(EventPage))]
[JsonSerializable(typeof(EmailEvent))]
[JsonSerializable(typeof(EmailContent))]
[JsonSerializable(typeof(SuppressionRequest))]
[JsonSerializable(typeof(Suppression))]
[JsonSerializable(typeof(SuppressionPage))]
[JsonSerializable(typeof(Problem))]
sealed partial class EmailApiJson : JsonSerializerContext
{
    /// <summary>Writes every character as itself, as the server does: Japanese takes half the room.</summary>
    public static EmailApiJson Wire => field ??= new(new JsonSerializerOptions(Default.Options) { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping });
}

sealed record RescheduleRequest(DateTimeOffset SendAt, DateTimeOffset? ExpiresAt);

/// <summary>An error answer (RFC 9457).</summary>
sealed record Problem(string? Code, string? Title, string? Detail, IReadOnlyList<FieldError>? Errors, string? TraceId);
