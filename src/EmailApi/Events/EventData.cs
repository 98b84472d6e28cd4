using System.Text.Json.Serialization;

namespace EmailApi.Events;

/// <summary>A relay's answer as JSON shows it.</summary>
/// <param name="Code">Null when there was none: the text then says what happened.</param>
public sealed record ReplyResponse(int? Code, string? Enhanced, string Text);

/// <summary>What a bounce means.</summary>
/// <param name="Type"><c>permanent</c>, <c>temporary</c> or <c>unknown</c>.</param>
/// <param name="Reason">One of the reason words of docs/bounces.md.</param>
public sealed record BounceResponse(string Type, string Reason);

/// <summary>What an event says beside its type.</summary>
public sealed record EventData
{
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ReplyResponse? Reply { get; init; }
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public BounceResponse? Bounce { get; init; }
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Reason { get; init; }
    /// <summary>What a person said to it.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Note { get; init; }
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Relay { get; init; }
    /// <summary>Of a suppression: who or what made it, and when.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Source { get; init; }
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public DateTimeOffset? Since { get; init; }
    /// <summary>Of <c>webhook.disabled</c>: which one.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Webhook { get; init; }
}
