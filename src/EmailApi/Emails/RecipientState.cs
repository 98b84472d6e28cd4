using EmailApi.Http;

namespace EmailApi.Emails;

/// <summary>Where a recipient is. The first six are open, in the order from least to most advanced; the others are final for
/// sending, though <see cref="Delivered"/>, <see cref="Bounced"/> and <see cref="Complained"/> may still follow <see cref="Sent"/>.</summary>
public enum RecipientState
{
    Scheduled,
    Held,
    Queued,
    Sending,
    Deferred,
    InDoubt,
    Sent,
    Delivered,
    Bounced,
    Complained,
    Failed,
    Expired,
    Suppressed,
    Canceled,
    Rejected,
}

public static class RecipientStates
{
    public static bool IsOpen(this RecipientState state) => state <= RecipientState.InDoubt;

    /// <summary>An email's status, derived: the least advanced open state; then <c>delivered</c> if all are, <c>sent</c> if all are
    /// sent or delivered, the failure that all share, else <c>partial</c>.</summary>
    public static string EmailStatus(IEnumerable<RecipientState> recipients)
    {
        var states = recipients.Distinct().Order().ToList();
        if (states.Count == 0 || states[0].IsOpen() || states.Count == 1) return states.Count == 0 ? "partial" : states[0].Word();
        return states is [RecipientState.Sent, RecipientState.Delivered] ? RecipientState.Sent.Word() : "partial";
    }
}
