using System.Diagnostics;
using System.Text.RegularExpressions;
using EmailApi.Emails;
using EmailApi.Tracking;

namespace EmailApi.Tests.Tracking;

/// <summary>What is replaced in a mail, and that all else stays byte for byte.</summary>
public sealed partial class TrackingPlanTests
{
    const string Root = "https://t.example";
    const Tracked All = Tracked.Opens | Tracked.Clicks | Tracked.ClicksInText;

    [Theory]
    [InlineData("""<a href="http://a.example/">x</a>""", "http://a.example/")]
    [InlineData("""<a href='https://a.example/?q=1&amp;r=2'>x</a>""", "https://a.example/?q=1&r=2")]
    [InlineData("""<a href=http://a.example/x?y=1>x</a>""", "http://a.example/x?y=1")]
    [InlineData("<A\r\nclass=b\tHREF\n=\n'HTTP://a.example/\r\n b'>x</A>", "http://a.example/%20b")]
    [InlineData("""<a href=" http://a.example/ ">x</a>""", "http://a.example/")]
    [InlineData("""<a title=">" href="http://a.example/">x</a>""", "http://a.example/")]
    [InlineData("""<a href="http://a.example/" href="http://b.example/">x</a>""", "http://a.example/")]
    [InlineData("""<a data-x="<a href='http://b.example/'>" href="http://a.example/">x</a>""", "http://a.example/")]
    [InlineData("""<map><area shape="default" href="http://a.example/"></map>""", "http://a.example/")]
    [InlineData("""<a href="http://例え.jp/日本?q=語">x</a>""", "http://xn--r8jz45g.jp/%E6%97%A5%E6%9C%AC?q=%E8%AA%9E")]
    [InlineData("""<a href="http://a.example/%e3%81%82?x=[1]|2">x</a>""", "http://a.example/%e3%81%82?x=[1]|2")]
    [InlineData("""<a href="http://user@a.example:8080/#f">x</a>""", "http://user@a.example:8080/#f")]
    [InlineData("""<!--[if !mso]><!--><a href="http://a.example/">x</a><!--<![endif]-->""", "http://a.example/")]
    [InlineData("""<![if !mso]><a href="http://a.example/">x</a><![endif]>""", "http://a.example/")]
    [InlineData("""<svg><a href="http://a.example/"><text>x</text></a></svg>""", "http://a.example/")]
    [InlineData("""<a href="http://a.example/"><img src="http://i.example/x.png"></a>""", "http://a.example/")]
    [InlineData("""<div <a href="http://b.example/"><a href="http://a.example/">""", "http://a.example/")]
    public void A_link_is_found_as_a_browser_finds_it(string html, string target) => Assert.Equal([target], Html(html));

    [Theory]
    [InlineData("""<a href="mailto:a@example.jp">x</a>""")]
    [InlineData("""<a href="tel:+81-3-0000-0000">x</a>""")]
    [InlineData("""<a href="#top">x</a>""")]
    [InlineData("""<a href="/relative">x</a>""")]
    [InlineData("""<a href="//host.example/">x</a>""")]
    [InlineData("""<a href="javascript:alert(1)">x</a>""")]
    [InlineData("""<a href="java&#x0A;script:alert(1)">x</a>""")]
    [InlineData("""<a href="ftp://a.example/">x</a>""")]
    [InlineData("""<a href="data:text/html,x">x</a>""")]
    [InlineData("""<a href="cid:logo">x</a>""")]
    [InlineData("""<a href="{{url}}">x</a>""")]
    [InlineData("""<a href="">x</a>""")]
    [InlineData("""<a href>x</a>""")]
    [InlineData("""<a>x</a>""")]
    [InlineData("""<a href="http://">x</a>""")]
    [InlineData("""<a href="http://a.example/" data-no-track>x</a>""")]
    [InlineData("""<a DATA-NO-TRACK="" href="http://a.example/">x</a>""")]
    [InlineData("""<a href="http://a.example/unsubscribe?u=1">x</a>""")]
    [InlineData("""<a href="http://a.example/u/1">Click here to <b>Unsubscribe</b></a>""")]
    [InlineData("""<a href="http://a.example/u/1">配信停止はこちら</a>""")]
    [InlineData("""<a href="http://a.example/opt-out">x</a>""")]
    [InlineData("""<!-- <a href="http://a.example/">x</a> -->""")]
    [InlineData("""<!--[if mso]><a href="http://a.example/">x</a><![endif]-->""")]
    [InlineData("""<script>"<a href='http://a.example/'>"</script>""")]
    [InlineData("""<style>/* <a href="http://a.example/"> */</style>""")]
    [InlineData("""<textarea><a href="http://a.example/">x</a></textarea>""")]
    [InlineData("""<title><a href="http://a.example/">x</a></title>""")]
    [InlineData("""<img src="http://a.example/x.png"><link href="http://a.example/x.css"><form action="http://a.example/"><base href="http://a.example/">""")]
    [InlineData("""<p title='<a href="http://a.example/">'>x</p>""")]
    [InlineData("""<a href="http://a.example/""")]
    [InlineData("""&lt;a href="http://a.example/"&gt;""")]
    public void What_is_no_link_over_the_web_or_asks_to_be_left_alone_is(string html) => Assert.Empty(Html(html));

    [Fact]
    public void A_link_that_the_mail_itself_gives_for_unsubscribing_is_left_alone()
    {
        var content = Content("""<a href="http://a.example/bye">x</a>""") with { Headers = [new("List-Unsubscribe", "<mailto:x@a.example>, <http://a.example/bye>")] };

        Assert.Empty(TrackingPlan.Of(content, Tracked.Clicks, Root)!.Html);
    }

    [Fact]
    public void A_link_that_would_get_too_long_is_left_alone() => Assert.Empty(Html($"""<a href="http://a.example/{new string('x', 1500)}">x</a>"""));

    [Theory]
    [InlineData("<html><body><p>x</p></body></html>", "<html><body><p>x</p>@</body></html>")]
    [InlineData("<p>x", "<p>x@")]
    [InlineData("<html><p>x</html>\r\n", "<html><p>x@</html>\r\n")]
    [InlineData("<body>a</body><body>b</BODY >", "<body>a</body><body>b@</BODY >")]
    [InlineData("<body>a<!-- </body> --></body>", "<body>a<!-- </body> -->@</body>")]
    [InlineData("<body><script>'</body>'</script>b", "<body><script>'</body>'</script>b@")]
    public void The_pixel_stands_before_the_end_of_the_body(string html, string expected)
    {
        var plan = TrackingPlan.Of(Content(html), Tracked.Opens, Root)!;

        Assert.Equal(expected, Pixel().Replace(plan.Apply(html, (_, _) => throw new InvalidOperationException(), () => "https://t.example/p.gif"), "@"));
    }

    public static TheoryData<string> Ugly =>
    [
        "<!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0 Transitional//EN\" \"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd\">\r\n<html xmlns=\"http://www.w3.org/1999/xhtml\" xmlns:v=\"urn:schemas-microsoft-com:vml\">\r\n<head><!--[if gte mso 9]><xml><o:OfficeDocumentSettings/></xml><![endif]--></head><BODY bgcolor=#fff>\r\n<!--[if mso]><v:roundrect href=\"http://m.example/\"><w:anchorlock/></v:roundrect><![endif]-->\r\n<!--[if !mso]><!-- --><a href=\"http://a.example/?a=1&amp;b=2&copy=3\" style='color:RED'>Go&nbsp;&#8594;</a><!--<![endif]-->\r\n</BODY></html>\r\n",
        "<p>unclosed <b>and <i>crossed</b></i> <a href=http://a.example/1>one<a href=\"http://a.example/2\">two</a></a><table><a href='http://a.example/3'>three</a><tr><td></table>",
        "\uFEFF<html>\r\r\n\n<a\thref = \"http://a.example/\"\r\n>日本語😀\u0301</a>&amp;&ampx&#0;&#x110000;\u2028<a href='http://a.example/'/>",
        "<a href=\"http://a.example/\"><a href=\"http://a.example/\" data-no-track><a href=\"http://a.example/\"></body></body></html></html>   trailing",
        "<<<a href=\"http://a.example/\">></a><//a><!><!-><!--><a href='http://b.example/'>-->",
        "<svg><style><a href=\"http://a.example/\"></style></svg><math><annotation-xml encoding='text/html'><a href='http://b.example/'></a></math><template><a href=\"http://c.example/\"></a></template><noscript><a href=\"http://d.example/\"></a></noscript>",
        "<![CDATA[<a href=\"http://a.example/\">]]><?php <a href='http://b.example/'> ?><a href=\"http://c.example/\">",
        "<a href=\"http://a.example/?x='y'&quot;\" onclick='go(\"http://b.example/\")'>x</a>",
    ];

    [Theory]
    [MemberData(nameof(Ugly))]
    public void All_else_stays_byte_for_byte(string html)
    {
        var plan = TrackingPlan.Of(Content(html), All, Root)!;

        var copy = plan.Apply(html, (i, _) => $"https://t.example/c/{i}~", () => "https://t.example/p.gif");

        Assert.NotEmpty(plan.Html);
        // The original with its addresses cut out, and the copy with its own cut out and without the pixel.
        var cut = html;
        foreach (var link in plan.Html.Reverse()) cut = cut.Remove(link.At, link.Length);
        Assert.Equal(cut, Bare().Replace(Link().Replace(Pixel().Replace(copy, "", 1), ""), "="));
        Assert.Equal(plan.Html.Count, Link().Count(copy));
        Assert.Single(Pixel().Matches(copy));
        Assert.Equal(plan.Html.Select(l => l.Target), HtmlTargetsOf(html, plan));
    }

    [Theory]
    [InlineData("See http://a.example/x?y=1&z=2.", "See @.")]
    [InlineData("(http://a.example/a_(b)), http://a.example/!", "(@), @!")]
    [InlineData("<https://a.example/>\r\n[https://a.example/]", "<@>\r\n[@]")]
    [InlineData("詳しくは http://a.example/をご覧ください", "詳しくは @をご覧ください")]
    [InlineData("配信停止はこちら\r\nhttp://a.example/u\r\n\r\nお店はこちら\r\nhttp://a.example/", "配信停止はこちら\r\nhttp://a.example/u\r\n\r\nお店はこちら\r\n@")]
    [InlineData("xhttp://a.example/ http:// https httphttp ftp://a.example/", "xhttp://a.example/ http:// https httphttp ftp://a.example/")]
    public void Links_of_the_text_part_are_replaced_where_that_is_asked(string text, string expected)
    {
        var content = Content(null) with { Text = text };

        Assert.Equal(expected, TrackingPlan.Of(content, Tracked.ClicksInText, Root)!.ApplyToText(text, (_, _) => "@"));
        Assert.Equal(text, TrackingPlan.Of(content, Tracked.Clicks | Tracked.Opens, Root)!.ApplyToText(text, (_, _) => "@"));
    }

    [Fact]
    public void Nothing_is_looked_at_where_nothing_is_asked() =>
        Assert.Equal(new PlanFacts(0, 0, null), FactsOf(TrackingPlan.Of(Content("<a href='http://a.example/'>") with { Text = "http://a.example/" }, Tracked.ReturnReceipt | Tracked.UnsubscribeProject, Root)!));

    [Fact]
    public void A_mail_without_addresses_at_this_server_has_no_plan() => Assert.Null(TrackingPlan.Of(Content("<a href='http://a.example/'>"), Tracked.ReturnReceipt, Root));

    sealed record PlanFacts(int Html, int Text, int? Pixel);

    static PlanFacts FactsOf(TrackingPlan plan) => new(plan.Html.Count, plan.Text.Count, plan.Pixel);

    public static TheoryData<string, string> Hostile => new()
    {
        { "deep", string.Concat(Enumerable.Repeat("<div>", 300_000)) },
        { "brackets", new string('<', 1_500_000) },
        { "attributes", $"<a {string.Concat(Enumerable.Range(0, 100_000).Select(i => $"a{i}=1 "))} href='http://a.example/'>" },
        { "comment", "<!--" + new string('-', 1_500_000) },
        { "quote", "<a href='" + new string('&', 1_500_000) },
        { "links", string.Concat(Enumerable.Repeat("<a href='http://a.example/'>", 60_000)) },
        { "text", string.Concat(Enumerable.Repeat("http", 400_000)) },
        { "schemes in text", string.Concat(Enumerable.Repeat("http://", 250_000)) },
        { "brackets in text", "http://a.example/" + new string(')', 1_500_000) },
        { "links in text", string.Concat(Enumerable.Repeat("http://a.example/ ", 100_000)) },
    };

    [Theory]
    [MemberData(nameof(Hostile))]
    public void Hostile_input_costs_little(string name, string html)
    {
        var startedAt = Stopwatch.GetTimestamp();

        var plan = TrackingPlan.Of(Content(html) with { Text = html }, All, Root);

        Assert.True(Stopwatch.GetElapsedTime(startedAt) < TimeSpan.FromSeconds(20), name);
        Assert.InRange(plan!.Html.Count, 0, 5000);
    }

    static List<string> Html(string html) => [.. TrackingPlan.Of(Content(html), Tracked.Clicks, Root)!.Html.Select(l => l.Target)];

    static IEnumerable<string> HtmlTargetsOf(string html, TrackingPlan plan) =>
        plan.Html.Select(l => System.Net.WebUtility.HtmlDecode(html.Substring(l.At, l.Length)).Trim());

    static EmailContent Content(string? html) => new() { From = new("orders@shop.example"), Subject = "x", Html = html };

    [GeneratedRegex("<img src=\"https://t.example/p.gif\"[^>]*>")]
    private static partial Regex Pixel();

    [GeneratedRegex("https://t.example/c/[0-9]+~")]
    private static partial Regex Link();

    /// <summary>Quotes that an address without any got.</summary>
    [GeneratedRegex("=\"\"(?=>one)")]
    private static partial Regex Bare();
}
