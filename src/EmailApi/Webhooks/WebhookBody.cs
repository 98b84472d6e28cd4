using System.Globalization;
using System.Text.Json;
using EmailApi.Emails;
using EmailApi.Http;

namespace EmailApi.Webhooks;

/// <summary>An event as it is to be told.</summary>
/// <param name="N">The recipient's number; 0: the event is about no mail.</param>
/// <param name="Data">What it says beside its type, as a JSON object.</param>
public sealed record ToldEvent(Guid EmailId, int N, int Sequence, string Type, DateTimeOffset At, string? Data, string? Recipient, string? Stream, string? Tags, string? Metadata)
{
    /// <summary>Of the mail, so that its trace goes on in the call; null: it has none.</summary>
    public string? TraceParent { get; init; }
    public string Id { get; init; } = Emails.EmailId.OfEvent(EmailId, N, Sequence);
}

/// <summary>The body of a call: <c>{"type", "timestamp", "data": {"event_id", "sequence", "email_id", "recipient", …}}</c>. What an event says of its own stands in <c>data</c> as the feed has it.</summary>
static class WebhookBody
{
    static readonly JsonWriterOptions Options = new() { Encoder = ApiJson.Wire.Options.Encoder };

    public static byte[] Of(ToldEvent told)
    {
        using var bytes = new MemoryStream(512);
        using (var json = new Utf8JsonWriter(bytes, Options))
        {
            json.WriteStartObject();
            json.WriteString("type", told.Type);
            json.WriteString("timestamp", told.At.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture));
            json.WriteStartObject("data");
            json.WriteString("event_id", told.Id);
            json.WriteNumber("sequence", told.Sequence);
            json.WriteString("email_id", told.N == 0 ? null : EmailId.Format(told.EmailId));
            json.WriteString("recipient", told.Recipient);
            if (told.Stream is not null) json.WriteString("stream", told.Stream);
            Copy(json, "tags", told.Tags);
            Copy(json, "metadata", told.Metadata);
            if (told.Data is not null)
            {
                using var said = JsonDocument.Parse(told.Data);
                foreach (var property in said.RootElement.EnumerateObject()) property.WriteTo(json);
            }

            json.WriteEndObject();
            json.WriteEndObject();
        }

        return bytes.ToArray();
    }

    static void Copy(Utf8JsonWriter json, string name, string? stored)
    {
        if (stored is null) return;
        json.WritePropertyName(name);
        using var value = JsonDocument.Parse(stored);
        value.RootElement.WriteTo(json);
    }
}
