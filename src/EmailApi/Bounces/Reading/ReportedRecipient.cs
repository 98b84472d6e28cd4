namespace EmailApi.Bounces;

/// <summary>What a report says of one recipient.</summary>
/// <param name="Email">The address that was written to, as far as the report tells; null when it names none (a redacted complaint).</param>
/// <param name="Status">The enhanced code x.y.z (RFC 3463) that the server answered, else that the report gives; null when there is none.</param>
/// <param name="ReplyCode">The SMTP reply code (RFC 5321 §4.2), 200 to 599; null when the report gives none.</param>
/// <param name="Diagnostic">What the server said: one line of at most 1,000 printable characters; null when it said nothing.</param>
public sealed record ReportedRecipient(
    string? Email, ReportType Type, string? Status, int? ReplyCode, BounceReason Reason, string? Diagnostic)
{
    /// <summary>Not the last word: the server goes on trying, or has handed the mail on to where no report comes from, and nobody knows
    /// whether it arrived. A failure of a passing kind that was given up is <see cref="ReportType.Temporary"/> too, and this is false.</summary>
    public bool IsInterim { get; init; }

    /// <summary>Of a receipt: what became of the mail; null in all else.</summary>
    public Disposition? Disposition { get; init; }

    /// <summary>The same without what may name the recipient.</summary>
    public ReportedRecipient WithoutWords() => this with { Email = null, Diagnostic = null };
}

/// <summary>How it ended for a recipient, or stands.</summary>
public enum ReportType
{
    /// <summary>Class 5, and failures without a class; a complaint too.</summary>
    Permanent,

    /// <summary>Class 4 (RFC 3463): still being tried, or given up for a cause that passes; <see cref="ReportedRecipient.IsInterim"/> tells which.</summary>
    Temporary,

    /// <summary>Arrived, or handed on to where no report comes from.</summary>
    Delivered,

    /// <summary>The report does not tell.</summary>
    Unknown,
}
