using EmailApi.Bounces;
using EmailApi.Emails;

namespace EmailApi.Tracking;

/// <summary>Makes a recipient's own copy of what a mail says: with its links, its pixel and its header fields. The same each time, on every node.</summary>
public sealed class TrackedCopies(TrackingTokens tokens, ReturnPath returnPath)
{
    /// <param name="date">Of the mail.</param>
    public EmailContent Of(EmailContent content, Tracked tracked, CopyId copy, DateTimeOffset date)
    {
        if (tracked.HasFlag(Tracked.ReturnReceipt))
            content = content with { ReceiptTo = returnPath.IsOn ? returnPath.Of(returnPath.TagOf(copy.EmailId, copy.N, date)) : content.From.Email };
        if (content.Plan is not { } plan) return content;

        return content with
        {
            Headers = tracked.Scope() is not UnsubscribeScope.None and var scope
                ? [.. content.Headers, new("List-Unsubscribe", $"<{plan.Root}/t/u/{tokens.Unsubscribe(copy, scope)}>"), new("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")]
                : content.Headers,
            Html = content.Html is { } html ? plan.Apply(html, Link, () => $"{plan.Root}/t/o/{tokens.Open(copy)}.gif") : null,
            Text = content.Text is { } text ? plan.ApplyToText(text, Link) : null,
        };

        string Link(int number, PlannedLink link) => $"{plan.Root}/t/c/{tokens.Click(copy, number, link.Target)}";
    }
}
