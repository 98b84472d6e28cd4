using EmailApi.Delivery;
using EmailApi.Emails;
using EmailApi.Projects;

namespace EmailApi.Tests.Delivery;

public sealed class RetryHintTests
{
    [Theory]
    [InlineData("Greylisted, please try again in 300 seconds", "00:05:00")]
    [InlineData("Greylisting in action, please come back in 00:04:50", "00:04:50")]
    [InlineData("Recipient address rejected: Greylisted for 5 minutes", "00:05:00")]
    [InlineData("Too many messages; retry after 90s", "00:01:30")]
    [InlineData("Rate limit exceeded, wait for 2 hours", "02:00:00")]
    [InlineData("Try again in about 10 min", "00:10:00")]
    [InlineData("Retry in 05:00", "00:05:00")]
    public void What_a_relay_says_in_words_is_understood(string text, string wait) =>
        Assert.Equal(TimeSpan.Parse(wait, System.Globalization.CultureInfo.InvariantCulture), RetryHint.Of(new(450, "4.7.1", text)));

    [Theory]
    [InlineData(450, "Greylisted, see http://example.org/help/300.html")]
    [InlineData(451, "Server busy, try again later")]
    [InlineData(450, "Mailbox full, 5 minutes of quota left")]
    [InlineData(450, "Try again in 0 seconds")]
    [InlineData(450, "Try again in 999999 hours")]
    [InlineData(550, "Refused; try again in 300 seconds")]
    public void What_is_no_hint_is_none(int code, string text) => Assert.Null(RetryHint.Of(new(code, null, text)));

    [Fact]
    public void The_hint_is_obeyed_and_never_undercut()
    {
        var transition = Transition.Of(new Outcome.Replied(SmtpStep.Rcpt, new(450, "4.7.1", "Try again in 300 seconds")), 1, 0, InDoubtRule.Retry, null);

        Assert.Equal(RecipientState.Deferred, transition.State);
        Assert.InRange(transition.Wait!.Value, TimeSpan.FromSeconds(300), TimeSpan.FromSeconds(345));
    }
}
