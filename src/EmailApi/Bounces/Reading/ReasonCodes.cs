using System.Collections.Frozen;

namespace EmailApi.Bounces;

/// <summary>Reasons by code. Enhanced codes without their class (RFC 3463, the IANA registry, and Microsoft's own above x.7.500).</summary>
static class ReasonCodes
{
    /// <summary>Codes that mean one thing, so that no words are asked.</summary>
    public static readonly FrozenDictionary<string, BounceReason> Certain = new Dictionary<string, BounceReason>
    {
        ["1.2"] = BounceReason.UnknownHost,
        ["1.6"] = BounceReason.Moved,
        ["1.90"] = BounceReason.RateLimited,     // Exchange Online: what a sender may send in a day
        ["2.2"] = BounceReason.MailboxFull,
        ["2.121"] = BounceReason.RateLimited,    // 121, 122: what a recipient may receive in an hour
        ["2.122"] = BounceReason.RateLimited,
        ["3.4"] = BounceReason.MessageTooBig,
        ["4.6"] = BounceReason.Network,          // a loop
        ["4.14"] = BounceReason.Network,         // Exchange: hop count
        ["4.310"] = BounceReason.UnknownHost,
        ["5.3"] = BounceReason.RateLimited,      // too many recipients
        ["7.5"] = BounceReason.Authentication,
        ["7.8"] = BounceReason.Authentication,
        ["7.13"] = BounceReason.MailboxDisabled,
        ["7.20"] = BounceReason.Authentication,  // 20 to 22: DKIM (RFC 7372)
        ["7.21"] = BounceReason.Authentication,
        ["7.22"] = BounceReason.Authentication,
        ["7.23"] = BounceReason.Authentication,  // 23, 24: SPF
        ["7.24"] = BounceReason.Authentication,
        ["7.25"] = BounceReason.Authentication,  // reverse DNS
        ["7.26"] = BounceReason.Authentication,  // several
        ["7.28"] = BounceReason.RateLimited,     // mail flood
        ["7.29"] = BounceReason.Authentication,  // ARC
        ["7.139"] = BounceReason.Authentication, // Exchange Online: a log-in that failed
        ["7.57"] = BounceReason.RelayDenied,
        ["7.64"] = BounceReason.RelayDenied,
        ["7.508"] = BounceReason.RateLimited,
        ["7.509"] = BounceReason.Authentication, // DMARC
        ["7.515"] = BounceReason.Authentication,
    }.ToFrozenDictionary();

    /// <summary>Codes that servers use loosely: asked after the words.</summary>
    public static readonly FrozenDictionary<string, BounceReason> Likely = new Dictionary<string, BounceReason>
    {
        ["1.1"] = BounceReason.UnknownUser,
        ["1.3"] = BounceReason.UnknownUser,
        ["1.4"] = BounceReason.UnknownUser,
        ["1.5"] = BounceReason.Delivered,
        ["1.7"] = BounceReason.Policy,           // 7, 8: the sender's address
        ["1.8"] = BounceReason.Policy,
        ["1.10"] = BounceReason.UnknownUser,
        ["2.0"] = BounceReason.UnknownUser,
        ["2.1"] = BounceReason.MailboxDisabled,
        ["2.3"] = BounceReason.MessageTooBig,
        ["2.4"] = BounceReason.System,
        ["3.0"] = BounceReason.System,
        ["3.1"] = BounceReason.MailboxFull,
        ["3.2"] = BounceReason.UnknownHost,
        ["4.3.2"] = BounceReason.System,         // takes nothing now; with class 5 nothing at all
        ["3.3"] = BounceReason.System,
        ["3.5"] = BounceReason.System,
        ["4.0"] = BounceReason.Network,
        ["4.1"] = BounceReason.Expired,
        ["4.2"] = BounceReason.Network,
        ["4.3"] = BounceReason.Network,
        ["4.4"] = BounceReason.UnknownHost,
        ["4.5"] = BounceReason.RateLimited,
        ["4.7"] = BounceReason.Expired,
        ["4.8"] = BounceReason.Network,
        ["4.316"] = BounceReason.Expired,
        ["5.1"] = BounceReason.System,
        ["5.2"] = BounceReason.System,
        ["5.4"] = BounceReason.System,
        ["5.5"] = BounceReason.System,
        ["6.0"] = BounceReason.Content,
        ["6.1"] = BounceReason.Content,
        ["6.2"] = BounceReason.Content,
        ["6.3"] = BounceReason.Content,
        ["6.5"] = BounceReason.Content,
        ["6.6"] = BounceReason.Content,
        ["6.7"] = BounceReason.Content,
        ["6.9"] = BounceReason.Content,
        ["7.0"] = BounceReason.Policy,
        ["7.1"] = BounceReason.Policy,
        ["7.2"] = BounceReason.Policy,
        ["7.3"] = BounceReason.Policy,
        ["7.4"] = BounceReason.Policy,
        ["7.6"] = BounceReason.Policy,
        ["7.7"] = BounceReason.Policy,
        ["7.9"] = BounceReason.Policy,
        ["7.27"] = BounceReason.Policy,          // the sender's domain has a null MX
        ["7.30"] = BounceReason.Policy,
    }.ToFrozenDictionary();

    /// <summary>Codes that speak of the sender: what does not exist is its address.</summary>
    public static readonly FrozenSet<string> OfSender = FrozenSet.Create("1.7", "1.8");

    /// <summary>Reply codes, asked last. 550, 551, 553 and 554 stand for everything, and a guess must not suppress an address.</summary>
    public static readonly FrozenDictionary<int, BounceReason> Replies = new Dictionary<int, BounceReason>
    {
        [421] = BounceReason.System,
        [422] = BounceReason.MailboxFull,
        [432] = BounceReason.System,
        [450] = BounceReason.RateLimited,
        [451] = BounceReason.System,
        [452] = BounceReason.MailboxFull,
        [454] = BounceReason.Authentication,
        [500] = BounceReason.System,
        [501] = BounceReason.System,
        [502] = BounceReason.System,
        [503] = BounceReason.System,
        [504] = BounceReason.System,
        [521] = BounceReason.Policy,             // RFC 7504: takes no mail; used by servers that refuse a client
        [523] = BounceReason.MessageTooBig,
        [525] = BounceReason.MailboxDisabled,
        [530] = BounceReason.RelayDenied,        // authentication required
        [535] = BounceReason.Authentication,
        [538] = BounceReason.Authentication,
        [541] = BounceReason.Spam,
        [552] = BounceReason.MailboxFull,
        [555] = BounceReason.System,
        [556] = BounceReason.UnknownHost,        // RFC 7504: null MX
        [571] = BounceReason.Policy,
    }.ToFrozenDictionary();

    /// <summary>Microsoft's ranges above x.7.500: blocked senders and addresses.</summary>
    public static BounceReason? InRange(ReadOnlySpan<char> subjectAndDetail) =>
        subjectAndDetail.StartsWith("7.") && int.TryParse(subjectAndDetail[2..], out var detail)
            ? detail switch
            {
                501 or 502 or 503 or 510 or 511 => BounceReason.Spam,
                >= 600 and <= 699 => BounceReason.Reputation,
                >= 700 and <= 750 => BounceReason.Reputation,
                >= 100 and <= 199 => BounceReason.Policy,   // Exchange: this sender may not write to this recipient
                _ => null,
            }
            : null;
}
