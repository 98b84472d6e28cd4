using System.Text.Json;
using System.Text.Json.Serialization;

namespace EmailApi.Client;

/// <summary>Where a recipient or a mail is: one of the words below, or one that a newer server has and this client does not know.</summary>
/// <param name="word">The word on the wire.</param>
[JsonConverter(typeof(EmailStatusConverter))]
public readonly struct EmailStatus(string word) : IEquatable<EmailStatus>
{
    /// <summary>Its <c>send_at</c> lies ahead.</summary>
    public static EmailStatus Scheduled => new("scheduled");
    /// <summary>Waits for a decision or the end of its time.</summary>
    public static EmailStatus Held => new("held");
    /// <summary>Due; waits for a connection to the relay.</summary>
    public static EmailStatus Queued => new("queued");
    public static EmailStatus Sending => new("sending");
    /// <summary>The last attempt failed for now; it is tried again.</summary>
    public static EmailStatus Deferred => new("deferred");
    /// <summary>The relay may have taken it: the connection was lost before its reply.</summary>
    public static EmailStatus InDoubt => new("in_doubt");
    /// <summary>The relay took responsibility. <see cref="Delivered"/>, <see cref="Bounced"/> or <see cref="Complained"/> may follow.</summary>
    public static EmailStatus Sent => new("sent");
    public static EmailStatus Delivered => new("delivered");
    /// <summary>Refused for good.</summary>
    public static EmailStatus Bounced => new("bounced");
    public static EmailStatus Complained => new("complained");
    /// <summary>The sending side is at fault; the recipient's reason says how.</summary>
    public static EmailStatus Failed => new("failed");
    /// <summary>Its time ran out.</summary>
    public static EmailStatus Expired => new("expired");
    public static EmailStatus Suppressed => new("suppressed");
    public static EmailStatus Canceled => new("canceled");
    public static EmailStatus Rejected => new("rejected");
    /// <summary>Of a mail only: all recipients are final, in different ways.</summary>
    public static EmailStatus Partial => new("partial");

    /// <summary>The word on the wire, also one that this client does not know; empty for <c>default</c>.</summary>
    public string Word => word ?? "";

    /// <summary>Whether more is to come: scheduled, held, queued, sending, deferred, in_doubt.</summary>
    public bool IsOpen => Word is "scheduled" or "held" or "queued" or "sending" or "deferred" or "in_doubt";

    /// <summary>Whether sending is over. A word that this client does not know is neither open nor final.</summary>
    public bool IsFinal => Word is "sent" or "delivered" or "bounced" or "complained" or "failed" or "expired" or "suppressed" or "canceled" or "rejected" or "partial";

    /// <summary>Whether the word is one of those above.</summary>
    public bool IsKnown => IsOpen || IsFinal;

    public bool Equals(EmailStatus other) => Word == other.Word;
    public override bool Equals(object? obj) => obj is EmailStatus other && Equals(other);
    public override int GetHashCode() => Word.GetHashCode(StringComparison.Ordinal);
    public override string ToString() => Word;
    public static bool operator ==(EmailStatus left, EmailStatus right) => left.Equals(right);
    public static bool operator !=(EmailStatus left, EmailStatus right) => !left.Equals(right);
}

sealed class EmailStatusConverter : JsonConverter<EmailStatus>
{
    public override EmailStatus Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => new(reader.GetString() ?? "");

    public override void Write(Utf8JsonWriter writer, EmailStatus value, JsonSerializerOptions options) => writer.WriteStringValue(value.Word);
}
