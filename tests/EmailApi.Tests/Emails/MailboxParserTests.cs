using EmailApi.Emails;

namespace EmailApi.Tests.Emails;

public class MailboxParserTests
{
    [Theory]
    [InlineData("taro@example.jp", null, "taro@example.jp")]
    [InlineData(" taro@example.jp ", null, "taro@example.jp")]
    [InlineData("<taro@example.jp>", null, "taro@example.jp")]
    [InlineData("Shop <orders@Shop.example>", "Shop", "orders@shop.example")]
    [InlineData("Shop<orders@shop.example>", "Shop", "orders@shop.example")]
    [InlineData("John Q. Public <john@example.com>", "John Q. Public", "john@example.com")]
    [InlineData("O'Brien & Sons <o@example.ie>", "O'Brien & Sons", "o@example.ie")]
    [InlineData("\"Shop, Inc.\" <orders@shop.example>", "Shop, Inc.", "orders@shop.example")]
    [InlineData("\"a \\\"b\\\" \\\\c\" <x@example.jp>", "a \"b\" \\c", "x@example.jp")]
    [InlineData("\"Shop\" Tokyo <x@example.jp>", "Shop Tokyo", "x@example.jp")]
    [InlineData("\"<evil@example.com>\" <x@example.jp>", "<evil@example.com>", "x@example.jp")]
    [InlineData("\"\" <x@example.jp>", null, "x@example.jp")]
    [InlineData("山田 太郎 <taro@日本語.jp>", "山田 太郎", "taro@日本語.jp")]
    [InlineData("=?utf-8?Q?x?= <x@example.jp>", "=?utf-8?Q?x?=", "x@example.jp")]
    [InlineData("\"a<b\"@example.jp", null, "\"a<b\"@example.jp")]
    [InlineData("X <\"a>b\"@example.jp>", "X", "\"a>b\"@example.jp")]
    [InlineData("👩‍💻 Dev <dev@example.jp>", "👩‍💻 Dev", "dev@example.jp")]
    public void A_mailbox_is_read_as_people_write_it(string text, string? name, string email)
    {
        Assert.True(MailboxParser.TryParse(text, out var mailbox, out var error), error);

        Assert.Equal(new Mailbox(email, name), mailbox);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("   ")]
    [InlineData(">")]
    [InlineData("<>")]
    [InlineData("Shop <>")]
    [InlineData("Shop")]
    [InlineData("Shop orders@shop.example")]
    [InlineData("Shop <orders@shop.example")]
    [InlineData("Shop orders@shop.example>")]
    [InlineData("Shop, Inc. <orders@shop.example>")]
    [InlineData("a@example.jp, B <b@example.jp>")]
    [InlineData("a@example.jp <b@example.jp>")]
    [InlineData("A <a@example.jp> B <b@example.jp>")]
    [InlineData("A <<a@example.jp>>")]
    [InlineData("A <a@example.jp> x")]
    [InlineData("Friends: a@example.jp, b@example.jp;")]
    [InlineData("Friends: <a@example.jp>")]
    [InlineData("Shop (Tokyo) <a@example.jp>")]
    [InlineData("\"Shop <a@example.jp>")]
    [InlineData("\"Shop\\\" <a@example.jp>")]
    [InlineData("<@relay.example:a@example.jp>")]
    [InlineData("Shop\r\nBcc: x@example.com <a@example.jp>")]
    [InlineData("Shop <a@example.jp>\r\n")]
    [InlineData("Sh\u0000op <a@example.jp>")]
    [InlineData("Sh\u0085op <a@example.jp>")]
    [InlineData("Sh\u202Eop <a@example.jp>")]
    [InlineData("Sh\top <a@example.jp>")]
    public void Anything_else_is_refused_with_a_sentence(string? text)
    {
        Assert.False(MailboxParser.TryParse(text, out var mailbox, out var error));

        Assert.Null(mailbox);
        Assert.EndsWith(".", error.TrimEnd('>'), StringComparison.Ordinal);
    }

    [Fact]
    public void A_name_of_more_than_256_characters_is_refused()
    {
        Assert.True(MailboxParser.TryCreate("a@example.jp", new string('x', 256), out _, out _));
        Assert.False(MailboxParser.TryCreate("a@example.jp", new string('x', 257), out _, out _));
    }
}
