using EmailApi.Http;
using Microsoft.AspNetCore.Mvc;

namespace EmailApi.Emails;

/// <summary>Which emails of a project are meant: every part that is given must hold.</summary>
public sealed record EmailFilter
{
    public static readonly string[] Names = ["status", "address", "stream", "tag", "key", "subject", "from", "to"];
    const int MaxTextLength = 200;

    public string? Status { get; init; }
    public string? Address { get; init; }
    public string? Stream { get; init; }
    /// <summary>A tag's name, and its value unless any will do.</summary>
    public (string Name, string? Value)? Tag { get; init; }
    public string? Key { get; init; }
    public string? Subject { get; init; }
    public DateTimeOffset? From { get; init; }
    public DateTimeOffset? To { get; init; }

    /// <summary>It looks into tags or the subject.</summary>
    internal bool IsSearch => Tag is not null || Subject is not null;

    static readonly string[] Statuses = [.. Words.All<RecipientState>(), Partial];
    internal const string Partial = "partial";

    /// <exception cref="ProblemException">400, naming the parameter and what would be right.</exception>
    public static EmailFilter Read(EmailFilterQuery query) => new()
    {
        Status = Text(query.Status, "status") is not { } status ? null
            : Statuses.Contains(status) ? status : throw Wrong("status", $"is one of {string.Join(", ", Statuses)}", status),
        Address = Text(query.Address, "address") is not { } address ? null
            : Emails.Address.TryParse(address, out var parsed, out var error) ? parsed : throw new ProblemException(ProblemKind.BadRequest, $"address is a whole address ({error.TrimEnd('.')}); {address} is not."),
        Stream = Text(query.Stream, "stream"),
        Tag = Text(query.Tag, "tag") is { } tag ? tag.Split(':', 2) is [var name, var value] ? (name, value) : (tag, null) : null,
        Key = Text(query.Key, "key"),
        Subject = Text(query.Subject, "subject") is not { } subject || subject.Any(c => !char.IsAscii(c) || char.IsAsciiLetterOrDigit(c)) ? query.Subject
            : throw Wrong("subject", "has a letter or a digit", $"\"{subject}\""),
        From = Time(query.From, "from"),
        To = Time(query.To, "to"),
    };

    static string? Text(string? text, string name)
    {
        if (text is null) return null;
        if (text.Length is 0 or > MaxTextLength) throw Wrong(name, $"has 1 to {MaxTextLength} characters", $"\"{text}\"");
        return text.Contains('\0', StringComparison.Ordinal) ? throw new ProblemException(ProblemKind.BadRequest, $"{name} must not have the character U+0000.") : text;
    }

    static DateTimeOffset? Time(string? given, string name) => Text(given, name) is not { } text ? null
        : Instant.TryParse(text, out var at) && at.Year is > 1970 and < 9000 ? at
        : throw Wrong(name, "is a time with its offset (RFC 3339), such as 2026-12-01T09:00:00%2B09:00", text);

    static ProblemException Wrong(string name, string rule, string given) => new(ProblemKind.BadRequest, $"{name} {rule}; {given} is not.");
}

/// <summary>The filter as the query of a request gives it.</summary>
/// <param name="Status">An email's status, e.g. <c>deferred</c> or <c>partial</c>.</param>
/// <param name="Address">A recipient's whole address.</param>
/// <param name="Stream">The stream's name.</param>
/// <param name="Tag"><c>name:value</c>, or the name alone for any value.</param>
/// <param name="Key">The id of the key that sent it.</param>
/// <param name="Subject">A part of the subject, in any case; one or two letters or digits of ASCII are found where a word begins.</param>
/// <param name="From">Accepted at this time or later: RFC 3339 with an offset.</param>
/// <param name="To">Accepted before this time.</param>
public sealed record EmailFilterQuery(
    [FromQuery(Name = "status")] string? Status, [FromQuery(Name = "address")] string? Address, [FromQuery(Name = "stream")] string? Stream, [FromQuery(Name = "tag")] string? Tag,
    [FromQuery(Name = "key")] string? Key, [FromQuery(Name = "subject")] string? Subject, [FromQuery(Name = "from")] string? From, [FromQuery(Name = "to")] string? To);
