using System.Text.Json;
using System.Text.Json.Serialization;
using EmailApi.Tracking;

namespace EmailApi.Emails;

/// <summary>A mail to be sent.</summary>
public sealed record SendEmailRequest
{
    /// <summary>The author: <c>"Shop &lt;orders@shop.example&gt;"</c> or <c>{"email", "name"}</c>.</summary>
    public AddressInput? From { get; init; }
    /// <summary>At most 1,000 recipients over to, cc and bcc. A single string or object is taken for a list of one.</summary>
    public AddressListInput? To { get; init; }
    public AddressListInput? Cc { get; init; }
    /// <summary>They get the mail; no header names them.</summary>
    public AddressListInput? Bcc { get; init; }
    public AddressListInput? ReplyTo { get; init; }
    /// <summary>One line, at most 998 characters.</summary>
    public string? Subject { get; init; }
    public string? Html { get; init; }
    /// <summary>Give text, html or both.</summary>
    public string? Text { get; init; }
    /// <summary>Further header fields. Those that the server writes itself are refused.</summary>
    public Dictionary<string, string>? Headers { get; init; }
    /// <summary>At most 25 MB decoded over all of them.</summary>
    public IReadOnlyList<AttachmentInput>? Attachments { get; init; }
    /// <summary><c>transactional</c> when left out.</summary>
    public string? Stream { get; init; }
    /// <summary>Words to find and count mail by.</summary>
    public Dictionary<string, string>? Tags { get; init; }
    /// <summary>An object of the caller's own, returned with the mail and its events.</summary>
    public JsonElement? Metadata { get; init; }
    /// <summary>RFC 3339 with an offset; up to 5 minutes past means now, at most one year ahead.</summary>
    public string? SendAt { get; init; }
    /// <summary>RFC 3339 with an offset: after it, delivery is no longer tried.</summary>
    public string? ExpiresAt { get; init; }
    /// <summary><c>shared</c> (default): one mail for all. <c>separate</c>: one each, nobody sees the others.</summary>
    public string? Envelope { get; init; }
    /// <summary>The content is kept encrypted, and dropped when all recipients are final.</summary>
    public bool? Sensitive { get; init; }
    /// <summary>Sends to suppressed addresses too. Needs the scope <c>override_suppression</c>.</summary>
    public bool? OverrideSuppression { get; init; }

    /// <summary>Which visits are noticed; what is left out follows from the key, then from the stream.</summary>
    public TrackInput? Track { get; init; }
    /// <summary>Asks the reader's program for a notification (RFC 8098); left out: as the key, then the stream has it.</summary>
    public bool? ReturnReceipt { get; init; }
    /// <summary>Offers one-click unsubscribing (RFC 8058) from the <c>stream</c> or the <c>project</c>, or <c>none</c>; left out: as the stream has it.</summary>
    public string? Unsubscribe { get; init; }

    [JsonExtensionData]
    public Dictionary<string, JsonElement>? Unknown { get; set; }
}

/// <summary>A file to go along.</summary>
public sealed record AttachmentInput
{
    public string? Filename { get; init; }
    /// <summary>Base64.</summary>
    public Base64Input? Content { get; init; }
    /// <summary>E.g. <c>application/pdf</c>; told from the file name when left out.</summary>
    public string? ContentType { get; init; }
    /// <summary>Makes it an inline image that the HTML names as <c>cid:…</c>.</summary>
    public string? ContentId { get; init; }

    [JsonExtensionData]
    public Dictionary<string, JsonElement>? Unknown { get; set; }
}
