namespace EmailApi.Tests.Faults;

/// <summary>The short form; <c>tests/faults/run</c> is the long one.</summary>
public sealed class FaultRunTests
{
    [Fact]
    public async Task Kills_lose_no_answered_mail_and_double_none_unmarked()
    {
        var figures = await FaultRun.RunAsync(new FaultParameters(Mails: 600, Kills: 3, Senders: 8, Wait: false));

        Assert.Equal((600, 600), (figures.Answered, figures.Emails));
        Assert.True(figures is { Lost: 0, Unmarked: 0, Tripled: 0, Stuck: 0, OtherAnswers: 0, Balanced: true }, figures.ToString());
    }
}
