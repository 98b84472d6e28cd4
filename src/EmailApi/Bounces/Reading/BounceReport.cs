namespace EmailApi.Bounces;

/// <summary>What a returned message says: what it is, of whom it speaks, and of which mail.</summary>
/// <param name="Recipients">One entry for each recipient that is spoken of, in the message's order, at most <see cref="MaxRecipients"/>;
/// empty for automatic replies, receipts and everything else that reports no delivery.</param>
public sealed record BounceReport(ReportKind Kind, IReadOnlyList<ReportedRecipient> Recipients, ReturnedMail Original)
{
    /// <summary>Recipients read of one message; as many as a mail may have. What follows is not read.</summary>
    public const int MaxRecipients = 1000;
}

/// <summary>What kind of message came back.</summary>
public enum ReportKind
{
    /// <summary>A delivery report (RFC 3464) or a server's own text: failed, delayed, relayed or delivered.</summary>
    Bounce,

    /// <summary>An abuse report (RFC 5965) by a recipient or on a recipient's behalf.</summary>
    Complaint,

    /// <summary>An automatic reply (RFC 3834), such as a notice of absence. Never a bounce.</summary>
    AutoReply,

    /// <summary>A message disposition notification (RFC 8098).</summary>
    ReadReceipt,

    /// <summary>Anything else, people's own replies among them.</summary>
    Other,
}
