using EmailApi.Emails;
using EmailApi.Projects;

namespace EmailApi.Delivery;

/// <summary>What an outcome makes of a recipient.</summary>
/// <param name="Wait">Until it is due again; zero: at once, in its old place before what came later; null when it is final or held. The database gives up when that is past
/// <c>expires_at</c>.</param>
public sealed record Transition(RecipientState State, TimeSpan? Wait = null, string? Reason = null)
{
    /// <summary>Claims in a row that threw, hung or ended with their node.</summary>
    public const int PoisonClaims = 3;

    public static readonly Transition Poison = new(RecipientState.Failed, Reason: "poison");

    /// <summary>Every case in one place.</summary>
    /// <param name="attempts">Made so far, this one included.</param>
    /// <param name="doubts">How often it was in doubt before.</param>
    /// <param name="waits">The stream's own waits between tries; null: the server's.</param>
    /// <param name="hasStandIn">Another relay takes this one's mail as soon as its breaker is open.</param>
    /// <param name="claims">How many in a row broke, this one included.</param>
    public static Transition Of(Outcome outcome, int attempts, int doubts, InDoubtRule inDoubt, TimeSpan[]? waits, bool hasStandIn = false, int claims = 1) => outcome switch
    {
        Outcome.Replied { Reply.Code: >= 200 and < 300 } => new(RecipientState.Sent),
        Outcome.Replied { Reply: { IsPermanent: true } reply, Step: var step } when IsVerdict(step, reply) =>
            step is SmtpStep.Mail ? new(RecipientState.Failed, Reason: "sender_refused") : new(RecipientState.Bounced),
        Outcome.Failed failed => new(RecipientState.Failed, Reason: failed.Reason),
        Outcome.InDoubt => OfDoubt(doubts, inDoubt),
        Outcome.Broken => claims >= PoisonClaims ? Poison : new(RecipientState.Deferred, RetrySchedule.NextWait(waits, attempts, Random.Shared.NextDouble())),
        { Step: < SmtpStep.Mail } when hasStandIn => new(RecipientState.Deferred, UntilStandIn),
        Outcome.Replied { Reply: var reply } when RetryHint.Of(reply) is { } hint => new(RecipientState.Deferred, hint * (1 + 0.15 * Random.Shared.NextDouble())),
        _ => new(RecipientState.Deferred, RetrySchedule.NextWait(waits, attempts, Random.Shared.NextDouble())),
    };

    /// <summary>Long enough that the breaker is open by then, or the relay back.</summary>
    static readonly TimeSpan UntilStandIn = TimeSpan.FromSeconds(1);

    /// <summary>The relay may have it: the stream's rule decides. In doubt a second time it is held.</summary>
    static Transition OfDoubt(int doubts, InDoubtRule rule) => rule switch
    {
        InDoubtRule.Stop => new(RecipientState.Failed, Reason: "in_doubt"),
        InDoubtRule.Retry when doubts == 0 => new(RecipientState.InDoubt, TimeSpan.Zero),
        _ => new(RecipientState.Held, Reason: "in_doubt"),
    };

    /// <summary>A 5yz before MAIL is the relay's trouble and not the mail's; a 552 to RCPT
    /// means what 452 means (RFC 5321 §4.5.3.1.10).</summary>
    static bool IsVerdict(SmtpStep step, RelayReply reply) => step >= SmtpStep.Mail && !(step is SmtpStep.Rcpt && reply.Code == 552);
}
