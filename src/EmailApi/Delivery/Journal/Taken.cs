using System.Text.Json.Serialization;

namespace EmailApi.Delivery.Journal;

/// <summary>A relay took an email for one recipient.</summary>
/// <param name="Token">Of the lease that it was sent under: by it the record finds the recipient.</param>
public sealed record Taken(
    Guid EmailId, int N, Guid Token, string Relay, DateTimeOffset StartedAt, DateTimeOffset EndedAt, RelayReply Reply, string? Tls);

[JsonSerializable(typeof(Taken))]
sealed partial class TakenJson : JsonSerializerContext;
