using System.Text.Json.Serialization;

namespace EmailApi.Events;

/// <summary>A relay's answer as JSON shows it.</summary>
/// <param name="Code">Null when there was none: the text then says what happened.</param>
public sealed record ReplyResponse(int? Code, string? Enhanced, string Text);

/// <summary>What a bounce means.</summary>
/// <param name="Type"><c>permanent</c>, <c>temporary</c> or <c>unknown</c>.</param>
/// <param name="Reason">One of the reason words of docs/bounces.md.</param>
public sealed record BounceResponse(string Type, string Reason);

/// <summary>What became of a mail at its reader's (RFC 8098 §3.2.6).</summary>
/// <param name="Disposition"><c>displayed</c>, <c>deleted</c>, <c>dispatched</c> or <c>processed</c>, or what else the program says.</param>
/// <param name="Action"><c>manual</c>: a person did it; <c>automatic</c>: a program.</param>
/// <param name="Sending"><c>manual</c>: a person let the notice go; <c>automatic</c>: a program.</param>
public sealed record ReceiptResponse(string Disposition, string? Action, string? Sending);

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
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ReceiptResponse? Receipt { get; init; }
    /// <summary>Of an unsubscription: <c>stream</c> or <c>project</c>.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Scope { get; init; }

    // Of an open or a click; statistics read first and class in SQL.
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public bool? First { get; init; }
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Class { get; init; }
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? Confidence { get; init; }
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<string>? Reasons { get; init; }
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? UserAgentFamily { get; init; }
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Ip { get; init; }
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Url { get; init; }
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? Link { get; init; }
    /// <summary>Of <c>webhook.disabled</c>: which one.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Webhook { get; init; }
}
