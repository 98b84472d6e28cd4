using EmailApi.Emails;

namespace EmailApi.Bounces;

/// <summary>What a report makes of a recipient.</summary>
/// <param name="From">The states that it may follow.</param>
/// <param name="Said">Null where the report says nothing of the recipient.</param>
sealed record Change(RecipientState State, RecipientState[] From, BounceReason Reason, ReportedRecipient? Said)
{
    /// <summary>Codes of an address that will never take mail (RFC 3463 §3.2, §3.3; RFC 7505 §4.1).</summary>
    static readonly string[] Suppressing = ["5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1"];

    /// <summary>Every case in one place.</summary>
    /// <returns>Null when nothing becomes of it: a notice of delay, an automatic reply, a receipt.</returns>
    public static Change? Of(ReportKind kind, ReportedRecipient? said) => (kind, said) switch
    {
        (ReportKind.Complaint, _) => new(RecipientState.Complained, [RecipientState.Sent, RecipientState.Delivered], BounceReason.Complaint, said),
        (ReportKind.Bounce, null or { IsStillTried: true }) => null,
        (ReportKind.Bounce, { Type: ReportType.Delivered }) => new(RecipientState.Delivered, [RecipientState.Sent], BounceReason.Delivered, said),
        (ReportKind.Bounce, _) => new(RecipientState.Bounced, [RecipientState.Sent, RecipientState.Delivered], said.Reason, said),
        _ => null,
    };

    /// <summary>The address must not be mailed again. Where a server gives no code of its own, the reason that its words stand for decides.</summary>
    public bool Suppresses => State is RecipientState.Complained || (State is RecipientState.Bounced && Said is { Type: ReportType.Permanent } && DoesSuppress(Said.Status, Said.Reason));

    /// <summary>Whether a refusal for good means that the address must not be mailed again.</summary>
    public static bool DoesSuppress(string? enhanced, BounceReason reason) =>
        enhanced is null or "5.0.0" or "5.1.0" ? reason is BounceReason.UnknownUser or BounceReason.UnknownHost or BounceReason.MailboxDisabled or BounceReason.Moved : Suppressing.Contains(enhanced);
}
