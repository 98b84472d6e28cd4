using EmailApi.Tracking;

namespace EmailApi.Tests.Tracking;

/// <summary>Who or what loaded a pixel or followed a link, as far as it can be told.</summary>
public sealed class HitVerdictTests
{
    const string Chrome = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36";
    static readonly TimeSpan Later = TimeSpan.FromHours(1);

    [Theory]
    [InlineData(Chrome, HitClass.Human, "Chrome", "browser")]
    [InlineData(Chrome + " Edg/142.0.0.0", HitClass.Human, "Edge", "browser")]
    [InlineData("Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0", HitClass.Human, "Firefox", "browser")]
    [InlineData("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Thunderbird/140.5.0", HitClass.Human, "Thunderbird", "mail_program")]
    [InlineData("Mozilla/5.0 (iPhone; CPU iPhone OS 26_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.1 Mobile/15E148 Safari/604.1", HitClass.Human, "Safari", "browser")]
    [InlineData("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)", HitClass.Human, "Apple Mail", "browser")]
    [InlineData("Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 10.0; WOW64; Trident/8.0; ms-office; MSOffice 16)", HitClass.Human, "Outlook", "mail_program")]
    [InlineData("Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)", HitClass.Proxy, "Gmail image proxy", "image_proxy")]
    [InlineData("YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html", HitClass.Proxy, "Yahoo image proxy", "image_proxy")]
    [InlineData("Mozilla/5.0", HitClass.Proxy, "Apple Mail privacy proxy", "apple_mail_privacy")]
    [InlineData("Mozilla/5.0 (compatible; Barracuda Sentinel)", HitClass.Scanner, "Barracuda", "security_scanner")]
    [InlineData("Mimecast-Scanner/1.0", HitClass.Scanner, "Mimecast", "security_scanner")]
    [InlineData("Proofpoint URL Defense", HitClass.Scanner, "Proofpoint", "security_scanner")]
    [InlineData("Mozilla/5.0 (Windows NT 10.0) SafeLinks", HitClass.Scanner, "Microsoft Safe Links", "security_scanner")]
    [InlineData("curl/8.5.0", HitClass.Scanner, "curl", "no_browser")]
    [InlineData("python-requests/2.32", HitClass.Scanner, "Python", "no_browser")]
    [InlineData("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/142.0.0.0 Safari/537.36", HitClass.Scanner, "headless browser", "no_browser")]
    [InlineData("Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)", HitClass.Prefetch, "Slack preview", "link_preview")]
    [InlineData("something else", HitClass.Scanner, "other", "unknown_agent")]
    [InlineData("", HitClass.Scanner, "none", "no_user_agent")]
    [InlineData(null, HitClass.Scanner, "none", "no_user_agent")]
    public void What_a_program_says_it_is(string? agent, HitClass expected, string family, string reason)
    {
        var verdict = HitVerdict.Of(new(IsClick: false, agent, SinceSent: Later));

        Assert.Equal((expected, family), (verdict.Class, verdict.Family));
        Assert.Equal([reason], verdict.Reasons);
        Assert.InRange(verdict.Confidence, 0.5, 1);
    }

    [Fact]
    public void A_fetch_in_advance_says_so()
    {
        var verdict = HitVerdict.Of(new(IsClick: true, Chrome, IsPrefetch: true, SinceSent: Later));

        Assert.Equal(HitClass.Prefetch, verdict.Class);
        Assert.Equal(["prefetch_header"], verdict.Reasons);
    }

    [Fact]
    public void Nobody_asks_for_the_header_alone() => Assert.Equal((HitClass.Scanner, "head_request"), ClassOf(new(IsClick: true, Chrome, IsHead: true, SinceSent: Later)));

    [Theory]
    [InlineData(1, HitClass.Scanner)]
    [InlineData(60, HitClass.Human)]
    public void Nobody_reads_within_a_moment(int seconds, HitClass expected)
    {
        Assert.Equal(expected, HitVerdict.Of(new(IsClick: false, Chrome, SinceSent: TimeSpan.FromSeconds(seconds))).Class);
        Assert.Equal(expected, HitVerdict.Of(new(IsClick: true, Chrome, SinceSent: TimeSpan.FromSeconds(seconds))).Class);
    }

    [Theory]
    [InlineData(2, HitClass.Human)]
    [InlineData(3, HitClass.Scanner)]
    public void Nobody_follows_many_links_at_once(int links, HitClass expected) => Assert.Equal(expected, HitVerdict.Of(new(IsClick: true, Chrome, SinceSent: Later, Links: links)).Class);

    [Fact]
    public void Signs_of_one_kind_add_up()
    {
        var one = HitVerdict.Of(new(IsClick: true, Chrome, SinceSent: TimeSpan.Zero));
        var three = HitVerdict.Of(new(IsClick: true, Chrome, IsHead: true, SinceSent: TimeSpan.Zero, Links: 5));

        Assert.True(three.Confidence > one.Confidence);
        Assert.Equal(["head_request", "many_links_at_once", "soon_after_sending"], three.Reasons);
    }

    [Fact]
    public void A_proxy_that_comes_at_once_is_still_one()
    {
        var verdict = HitVerdict.Of(new(IsClick: false, "GoogleImageProxy", SinceSent: TimeSpan.Zero));

        Assert.Equal(HitClass.Proxy, verdict.Class);
        Assert.Equal(["image_proxy", "soon_after_sending"], verdict.Reasons);
    }

    [Fact]
    public void A_long_user_agent_costs_no_more_than_a_short_one() => Assert.Equal(HitClass.Scanner, HitVerdict.Of(new(IsClick: false, new string('x', 1_000_000) + Chrome, SinceSent: Later)).Class);

    static (HitClass, string) ClassOf(HitFacts facts) => HitVerdict.Of(facts) is var verdict ? (verdict.Class, verdict.Reasons[0]) : default;
}
