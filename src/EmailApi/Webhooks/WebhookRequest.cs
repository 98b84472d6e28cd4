using System.Text.Json;
using System.Text.Json.Serialization;
using EmailApi.Emails;
using EmailApi.Events;
using EmailApi.Http;
using FluentValidation;

namespace EmailApi.Webhooks;

/// <summary>An endpoint to be told of events, or what is to change in one. What is left out stays as it is.</summary>
public sealed record WebhookRequest
{
    /// <summary>http or https, without user name and password; not in a private network.</summary>
    public string? Url { get; init; }
    /// <summary>Event types, or patterns: <c>email.*</c>, <c>webhook.*</c>, <c>*</c>. A new webhook that names none gets all.</summary>
    public IReadOnlyList<string>? Events { get; init; }
    /// <summary>Only events of mail in these streams; an empty list: of all.</summary>
    public IReadOnlyList<string>? Streams { get; init; }
    /// <summary>Only events of mail that has all these tags; an empty object: of any.</summary>
    public IReadOnlyDictionary<string, string>? Tags { get; init; }
    /// <summary>At most 500 characters, for people.</summary>
    public string? Description { get; init; }
    /// <summary>False switches it off; true on again, and what waited is told.</summary>
    public bool? Enabled { get; init; }

    [JsonExtensionData]
    public Dictionary<string, JsonElement>? Unknown { get; set; }

    internal void ApplyTo(Webhook webhook, DateTimeOffset now)
    {
        webhook.Url = Url ?? webhook.Url;
        if (Events is not null) webhook.Events = [.. Events.Distinct()];
        if (Streams is not null) webhook.Streams = Streams.Count == 0 ? null : [.. Streams.Distinct()];
        if (Tags is not null) webhook.Tags = Tags.Count == 0 ? null : JsonSerializer.Serialize(new Dictionary<string, string>(Tags), ApiJson.Wire.DictionaryStringString);
        webhook.Description = Description ?? webhook.Description;
        if (Enabled is true) (webhook.DisabledAt, webhook.DisabledReason, webhook.DisabledNote, webhook.FailingSince) = (null, null, null, null);
        else if (Enabled is false && webhook.IsEnabled) (webhook.DisabledAt, webhook.DisabledReason) = (now, WebhookOff.ByHand);
    }
}

public sealed class WebhookValidator : AbstractValidator<WebhookRequest>
{
    const int MaxEvents = 50;
    const int MaxStreams = 100;

    public WebhookValidator() => RuleFor(r => r).Custom((request, context) =>
    {
        context.RefuseUnknown(request.Unknown);
        if (request.Url is { } url && WebhookUrl.Fault(url) is { } fault) context.Add(fault.Code, fault.Detail, "url");
        if (request.Events?.Count is 0 or > MaxEvents) context.Add("invalid", $"Give 1 to {MaxEvents} event types.", "events");
        for (var i = 0; i < request.Events?.Count && i < MaxEvents; i++)
            if (!IsPattern(request.Events[i])) context.Add("unknown_value", $"There is no event type {JsonPointer.Short(request.Events[i] ?? "null")}; there are {string.Join(", ", (string[])[.. Patterns, .. EventFeed.Types])}.", "events", i);
        if (request.Streams?.Count > MaxStreams) context.Add("too_many", $"At most {MaxStreams} streams.", "streams");
        if (request.Tags?.Count > SendEmailValidator.MaxTags) context.Add("too_many", $"An email has at most {SendEmailValidator.MaxTags} tags.", "tags");
        foreach (var (name, value) in request.Tags ?? new Dictionary<string, string>())
            if (name.Length is 0 or > SendEmailValidator.MaxTagLength || value is null or { Length: 0 or > SendEmailValidator.MaxTagLength } || name.Contains('\0', StringComparison.Ordinal) || value.Contains('\0', StringComparison.Ordinal))
                context.Add("invalid", $"A tag's name and value have 1 to {SendEmailValidator.MaxTagLength} characters.", "tags", name);
        if (request.Description?.Length > Webhook.MaxDescriptionLength) context.Add("too_long", $"A description has at most {Webhook.MaxDescriptionLength} characters.", "description");
        else if (request.Description is { } text && MailText.ControlFault(text) is { } control) context.Add("invalid", control, "description");
    });

    static readonly string[] Patterns = ["*", .. EventFeed.Types.Select(t => t[..(t.IndexOf('.', StringComparison.Ordinal) + 1)] + "*").Distinct()];

    static bool IsPattern(string? type) => Patterns.Contains(type) || EventFeed.Types.Contains(type);
}

/// <summary>What a URL must be, before anybody asks where it leads.</summary>
static class WebhookUrl
{
    public static (string Code, string Detail)? Fault(string url)
    {
        if (url.Length > Webhook.MaxUrlLength) return ("too_long", $"A URL has at most {Webhook.MaxUrlLength} characters.");
        // Parsers differ in what they make of these; nobody needs them.
        if (url.Any(c => c <= ' ' || c is '\\' or '\u007f' || char.IsSurrogate(c) || char.IsWhiteSpace(c))) return ("invalid_url", "A URL has no spaces, control characters and backslashes.");
        if (!Uri.TryCreate(url, UriKind.Absolute, out var uri) || uri.Scheme is not ("http" or "https") || uri.HostNameType is UriHostNameType.Unknown || uri.Host.Length == 0)
            return ("invalid_url", "Give an http or https URL, such as https://shop.example/hooks/email.");
        if (uri.UserInfo.Length > 0) return ("invalid_url", "A URL with a user name or password is refused: both would be sent, and kept in the clear. The signature tells you who calls.");
        if (uri.Fragment.Length > 0) return ("invalid_url", "A URL with a # is refused: what follows it is never sent.");
        return null;
    }
}

/// <summary>An endpoint that is told of events.</summary>
/// <param name="Streams">Empty: of mail in all streams.</param>
/// <param name="Tags">Empty: of mail with any tags.</param>
/// <param name="FailingSince">The first failure since the last success; null: the last call succeeded, or there was none.</param>
/// <param name="DisabledReason"><c>by_hand</c>, <c>gone</c> (it answered 410) or <c>failing</c> (no call succeeded for 120 hours).</param>
/// <param name="DisabledNote">What the last call met with.</param>
public sealed record WebhookResponse(
    string Id, string Url, IReadOnlyList<string> Events, IReadOnlyList<string> Streams, IReadOnlyDictionary<string, string> Tags, string Description, bool Enabled,
    DateTimeOffset? FailingSince, DateTimeOffset? DisabledAt, string? DisabledReason, string? DisabledNote, DateTimeOffset CreatedAt)
{
    /// <summary>Shown once, when it is made.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Secret { get; init; }

    /// <summary>After a rotation: until when the secret before signs too.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public DateTimeOffset? PreviousSecretUntil { get; init; }

    internal static WebhookResponse Of(Webhook webhook) => new(
        Webhook.Format(webhook.Id), webhook.Url, webhook.Events, webhook.Streams ?? [], webhook.TagsByName, webhook.Description, webhook.IsEnabled,
        webhook.FailingSince, webhook.DisabledAt, webhook.DisabledReason?.Word(), webhook.DisabledNote, webhook.CreatedAt);
}
