using EmailApi.Delivery;
using EmailApi.Relays;

namespace EmailApi.Suppressions;

/// <summary>Which refusals of a relay are about the address and for good, so that it is mailed no more.</summary>
static class RelayVerdict
{
    /// <summary>A 5yz to RCPT with one of the enhanced codes (RFC 3463 §3.2, RFC 7505 §4.2) that leave no doubt; others may speak of the sender or of today.</summary>
    /// <returns>The reason; null when it suppresses nothing. What the capture relay takes says nothing of an address.</returns>
    public static string? Suppresses(Outcome outcome, string relay) =>
        relay != RelayCatalog.Capture && outcome is Outcome.Replied { Step: SmtpStep.Rcpt, Reply: { IsPermanent: true, Enhanced: { } enhanced } } ? ReasonOf(enhanced) : null;

    /// <summary>What an enhanced code says of the address; null when it does not say that it must not be mailed again.</summary>
    public static string? ReasonOf(string enhanced) => enhanced switch
    {
        "5.1.1" or "5.1.3" => "unknown_user",
        "5.1.2" or "5.1.10" => "unknown_host",   // 5.1.10: the domain's null MX says that it takes no mail
        "5.1.6" => "moved",
        "5.2.1" => "mailbox_disabled",
        _ => null,
    };
}
