using EmailApi.Emails;
using EmailApi.Suppressions;

namespace EmailApi.Bounces;

/// <summary>What a report makes of a recipient.</summary>
/// <param name="From">The states that it may follow.</param>
/// <param name="Said">Null where the report says nothing of the recipient.</param>
sealed record Change(RecipientState State, RecipientState[] From, BounceReason Reason, ReportedRecipient? Said)
{
    /// <summary>Every case in one place.</summary>
    /// <returns>Null when nothing becomes of it: a notice of delay or of handing on, an automatic reply, a receipt, which is told and changes no state.</returns>
    public static Change? Of(ReportKind kind, ReportedRecipient? said) => (kind, said) switch
    {
        (ReportKind.Complaint, _) => new(RecipientState.Complained, [RecipientState.Sent, RecipientState.Delivered], BounceReason.Complaint, said),
        (ReportKind.Bounce, null or { IsInterim: true }) => null,
        (ReportKind.Bounce, { Type: ReportType.Delivered }) => new(RecipientState.Delivered, [RecipientState.Sent], BounceReason.Delivered, said),
        (ReportKind.Bounce, _) => new(RecipientState.Bounced, [RecipientState.Sent, RecipientState.Delivered], said.Reason, said),
        _ => null,
    };

    /// <summary>The address must not be mailed again. Where a server gives no code of its own, the reason that its words stand for decides.</summary>
    public bool Suppresses => State is RecipientState.Complained || (State is RecipientState.Bounced && Said is { Type: ReportType.Permanent } && (Said.Status is null or "5.0.0" or "5.1.0"
        ? Said.Reason is BounceReason.UnknownUser or BounceReason.UnknownHost or BounceReason.MailboxDisabled or BounceReason.Moved
        : RelayVerdict.ReasonOf(Said.Status) is not null));
}
