using System.Text.Json;
using System.Text.Json.Serialization;
using EmailApi.Http;

namespace EmailApi.Emails;

/// <summary>What an accepted send is told.</summary>
public sealed record SendEmailResponse(string Id, string Status, IReadOnlyList<AcceptedRecipient> Recipients, IReadOnlyList<Finding> Findings)
{
    public static SendEmailResponse Of(EmailDraft draft)
    {
        var status = draft.State.Word();
        return new(EmailId.Format(draft.Id), draft.Status,
            [.. draft.Recipients.Select(r => draft.Suppressed.TryGetValue(r.N, out var suppressed)
                ? new AcceptedRecipient(EmailId.OfRecipient(draft.Id, r.N), r.Address, RecipientState.Suppressed.Word()) { Reason = suppressed.Reason }
                : new(EmailId.OfRecipient(draft.Id, r.N), r.Address, status))], []);
    }
}

public sealed record AcceptedRecipient(string Id, string Email, string Status)
{
    /// <summary>Why it is suppressed.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Reason { get; init; }
}

/// <summary>What a rule saw in a mail.</summary>
public sealed record Finding(string Rule, int RuleVersion, string Policy, string Action, string Severity, string? Evidence, string Mode);

/// <summary>One answer per mail of a batch, in its order: id and status, or an error.</summary>
public sealed record SendBatchResponse(IReadOnlyList<BatchItem> Data);

public sealed record BatchItem(int Index)
{
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Id { get; init; }
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Status { get; init; }
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public BatchItemError? Error { get; init; }
}

/// <param name="Errors">Where in the item: pointers start at the batch, e.g. <c>#/3/to/0</c>.</param>
public sealed record BatchItemError(string Code, string Message, IReadOnlyList<FieldError> Errors)
{
    /// <summary>How many of the mail's errors, of which 100 are counted at most, are not named because the answer names enough.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? ErrorsLeftOut { get; init; }

    /// <param name="room">How many errors the answer may still name beside the first of each mail.</param>
    internal static BatchItemError Of(ProblemException refusal, ref int room)
    {
        var errors = refusal.Errors!;
        var shown = Math.Min(errors.Count, 1 + room);
        room -= shown - 1;
        return new(refusal.Kind.Code, errors[0].Detail, [.. errors.Take(shown)]) { ErrorsLeftOut = shown < errors.Count ? errors.Count - shown : null };
    }
}

/// <summary>A JSON array of mails; each is read on its own, so that one of a wrong type can fail alone.</summary>
[JsonConverter(typeof(SendBatchRequestConverter))]
public sealed record SendBatchRequest(IReadOnlyList<JsonElement> Items);

sealed class SendBatchRequestConverter : JsonConverter<SendBatchRequest>
{
    public override SendBatchRequest Read(ref Utf8JsonReader reader, Type type, JsonSerializerOptions options)
    {
        if (reader.TokenType is not JsonTokenType.StartArray) throw new JsonException("A batch is a JSON array of mails.");
        var items = new List<JsonElement>();
        while (reader.Read() && reader.TokenType is not JsonTokenType.EndArray) items.Add(JsonElement.ParseValue(ref reader));
        return new(items);
    }

    public override void Write(Utf8JsonWriter writer, SendBatchRequest value, JsonSerializerOptions options)
    {
        writer.WriteStartArray();
        foreach (var item in value.Items) item.WriteTo(writer);
        writer.WriteEndArray();
    }
}
