using EmailApi.Webhooks;

namespace EmailApi.Tests.Webhooks;

public sealed class WebhookRetryTests
{
    [Fact]
    public void Seven_waits_come_after_seven_failures_and_none_after_the_eighth()
    {
        var waits = Enumerable.Range(1, 8).Select(attempts => WebhookRetry.NextWait(attempts, null, 0.5)?.TotalSeconds);

        Assert.Equal([5, 300, 1800, 7200, 18_000, 36_000, 36_000, null], waits);
    }

    [Theory]
    [InlineData(0, 4)]
    [InlineData(1, 6)]
    public void A_wait_varies_by_a_fifth(double random, double seconds) => Assert.Equal(seconds, WebhookRetry.NextWait(1, null, random)!.Value.TotalSeconds, 6);

    [Theory]
    [InlineData(60, 60)]
    [InlineData(1, 5)]
    [InlineData(1_000_000, 86_400)]
    public void Retry_After_makes_it_later_and_never_earlier_a_day_at_most(int asked, int seconds) =>
        Assert.Equal(seconds, WebhookRetry.NextWait(1, TimeSpan.FromSeconds(asked), 0.5)!.Value.TotalSeconds);

    [Fact]
    public void There_is_no_wait_before_the_first() => Assert.Throws<ArgumentOutOfRangeException>(() => WebhookRetry.NextWait(0, null, 0));
}
