using System.Globalization;

namespace EmailApi.Client;

/// <summary>Which mails are meant: every part that is given must hold.</summary>
public sealed record EmailFilter
{
    public EmailStatus? Status { get; init; }
    /// <summary>A recipient's whole address.</summary>
    public string? Address { get; init; }
    public string? Stream { get; init; }
    /// <summary>A tag's <c>name:value</c>, or its name alone for any value.</summary>
    public string? Tag { get; init; }
    /// <summary>The id of the key that sent it.</summary>
    public string? Key { get; init; }
    /// <summary>A part of the subject, in any case; one or two letters or digits of ASCII are found where a word begins.</summary>
    public string? Subject { get; init; }
    /// <summary>Accepted at this time or later.</summary>
    public DateTimeOffset? From { get; init; }
    /// <summary>Accepted before this time.</summary>
    public DateTimeOffset? To { get; init; }

    /// <summary>As a query, each part with an ampersand before it.</summary>
    internal string ToQuery()
    {
        return string.Concat(
            Part("status", Status?.Word), Part("address", Address), Part("stream", Stream), Part("tag", Tag), Part("key", Key), Part("subject", Subject),
            Part("from", Time(From)), Part("to", Time(To)));

        static string Part(string name, string? value) => value is null ? "" : $"&{name}={Uri.EscapeDataString(value)}";
        static string? Time(DateTimeOffset? at) => at?.ToString("O", CultureInfo.InvariantCulture);
    }
}

/// <summary>A mail in the log.</summary>
/// <param name="Subject">Null for a sensitive mail.</param>
/// <param name="Key">The id of the key that sent it.</param>
/// <param name="Recipients">The first five addresses; <see cref="EmailApiClient.GetAsync"/> has all.</param>
/// <param name="RecipientCount">How many there are in all.</param>
public sealed record ListedEmail(
    string Id, EmailStatus Status, string From, string? Subject, string Stream, string Key, IReadOnlyDictionary<string, string> Tags, DateTimeOffset CreatedAt,
    DateTimeOffset? SendAt, DateTimeOffset ExpiresAt, IReadOnlyList<string> Recipients, int RecipientCount);

/// <summary>A page of the log.</summary>
/// <param name="NextCursor">What to give as <c>after</c> for the next page; null when this is the last.</param>
public sealed record ListedEmailPage(IReadOnlyList<ListedEmail> Data, string? NextCursor);
