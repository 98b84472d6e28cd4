using EmailApi.Emails;

namespace EmailApi.Tests.Emails;

public class HeaderRulesTests
{
    [Theory]
    [InlineData("From")]
    [InlineData("from")]
    [InlineData("SENDER")]
    [InlineData("To")]
    [InlineData("Cc")]
    [InlineData("Bcc")]
    [InlineData("Reply-To")]
    [InlineData("Subject")]
    [InlineData("Date")]
    [InlineData("Message-Id")]
    [InlineData("Return-Path")]
    [InlineData("Received")]
    [InlineData("Received-SPF")]
    [InlineData("DKIM-Signature")]
    [InlineData("ARC-Seal")]
    [InlineData("ARC-Message-Signature")]
    [InlineData("Authentication-Results")]
    [InlineData("Mime-Version")]
    [InlineData("Content-Type")]
    [InlineData("Content-Transfer-Encoding")]
    [InlineData("content-anything")]
    [InlineData("Resent-Bcc")]
    [InlineData("X-EmailApi-Id")]
    [InlineData("Delivered-To")]
    [InlineData("Disposition-Notification-To")]
    [InlineData("Return-Receipt-To")]
    [InlineData("Errors-To")]
    [InlineData("")]
    [InlineData("X Order")]
    [InlineData("X-Order:")]
    [InlineData("X-Order\r\nBcc")]
    [InlineData("X-Örder")]
    [InlineData("X-Order\0")]
    [InlineData("X-Order\t")]
    public void The_servers_own_headers_and_bad_names_are_refused(string name)
    {
        Assert.NotNull(HeaderRules.NameRefusal(name));
        Assert.NotNull(HeaderRules.Refusal(name, "value"));
    }

    [Theory]
    [InlineData("X-Order")]
    [InlineData("In-Reply-To")]
    [InlineData("References")]
    [InlineData("List-Unsubscribe")]
    [InlineData("List-Unsubscribe-Post")]
    [InlineData("Precedence")]
    [InlineData("Importance")]
    [InlineData("Auto-Submitted")]
    [InlineData("Feedback-ID")]
    [InlineData("Topic")]
    public void Other_headers_are_allowed(string name) => Assert.Null(HeaderRules.Refusal(name, "a value\twith a tab, 日本語 and 👍"));

    [Theory]
    [InlineData("a\r\nBcc: x@example.com")]
    [InlineData("a\r\n folded")]
    [InlineData("a\nb")]
    [InlineData("a\rb")]
    [InlineData("a\0b")]
    [InlineData("a\u0085b")]
    [InlineData("a\u2028b")]
    [InlineData("a\u2029b")]
    [InlineData("a\u001Bb")]
    [InlineData("a\u007Fb")]
    [InlineData("a\vb")]
    [InlineData("a\fb")]
    public void A_value_is_one_line_of_characters(string value) => Assert.NotNull(HeaderRules.ValueRefusal(value));

    [Fact]
    public void Names_and_values_are_bounded()
    {
        Assert.Null(HeaderRules.Refusal("X-" + new string('a', 74), new string('v', 998)));
        Assert.NotNull(HeaderRules.NameRefusal("X-" + new string('a', 75)));
        Assert.NotNull(HeaderRules.ValueRefusal(new string('v', 999)));
    }

    [Fact]
    public void Half_a_character_is_refused() => Assert.NotNull(HeaderRules.ValueRefusal("a\uD83D"));
}
