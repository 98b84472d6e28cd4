using EmailApi.Emails;

namespace EmailApi.Tests.Emails;

public class AddressTests
{
    const string Label63 = "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijk";

    /// <summary>What is given and what is kept; one column when they are the same.</summary>
    public static TheoryData<string, string> Valid { get; } = new()
    {
        { "test@iana.org", "test@iana.org" },
        { "test@nominet.org.uk", "test@nominet.org.uk" },
        { "test@about.museum", "test@about.museum" },
        { "a@iana.org", "a@iana.org" },
        { "test.test@iana.org", "test.test@iana.org" },
        { "!#$%&`*+/=?^`{|}~@iana.org", "!#$%&`*+/=?^`{|}~@iana.org" },
        { "123@iana.org", "123@iana.org" },
        { "test@123.com", "test@123.com" },
        { "test@mason-dixon.com", "test@mason-dixon.com" },
        { "test@g--a.com", "test@g--a.com" },
        { "test@iana.co-uk", "test@iana.co-uk" },
        { "xn--test@iana.org", "xn--test@iana.org" },
        { "test@xn--hxajbheg2az3al.xn--jxalpdlp", "test@παράδειγμα.δοκιμή" },
        { "test@παράδειγμα.δοκιμή", "test@παράδειγμα.δοκιμή" },
        { $"{Label63}l@iana.org", $"{Label63}l@iana.org" },
        { $"a@{Label63}.com", $"a@{Label63}.com" },
        { "Taro.Yamada@Example.JP", "Taro.Yamada@example.jp" },
        { "o'brien@example.ie", "o'brien@example.ie" },
        { "a+tag@example.jp", "a+tag@example.jp" },
        { "\"test\"@iana.org", "\"test\"@iana.org" },
        { "\"two words\"@example.jp", "\"two words\"@example.jp" },
        { "\"a@b\"@example.jp", "\"a@b\"@example.jp" },
        { "\"a..b\"@example.jp", "\"a..b\"@example.jp" },
        { "\"\\\"\"@iana.org", "\"\\\"\"@iana.org" },
        { "\"\\\\\"@iana.org", "\"\\\\\"@iana.org" },
        { "\"test\\ test\"@iana.org", "\"test\\ test\"@iana.org" },
        { "\"<>,;:()[]\"@example.jp", "\"<>,;:()[]\"@example.jp" },
        { "taro@[192.0.2.1]", "taro@[192.0.2.1]" },
        { "test@[255.255.255.255]", "test@[255.255.255.255]" },
        { "test@[IPv6:2001:DB8::1]", "test@[IPv6:2001:db8::1]" },
        { "test@[IPv6:1111:2222:3333:4444:5555:6666:7777:8888]", "test@[IPv6:1111:2222:3333:4444:5555:6666:7777:8888]" },
        { "test@[ipv6:::1]", "test@[IPv6:::1]" },
        { "taro@日本語.jp", "taro@日本語.jp" },
        { "taro@xn--wgv71a119e.jp", "taro@日本語.jp" },
        { "taro@Bücher.example", "taro@bücher.example" },
        { "taro@ＥＸＡＭＰＬＥ.jp", "taro@example.jp" },
        { "用户@例子.广告", "用户@例子.广告" },
        { "山田.太郎@example.jp", "山田.太郎@example.jp" },
        { "\"山田 太郎\"@example.jp", "\"山田 太郎\"@example.jp" },
        { "pele\u0301@example.com", "pel\u00E9@example.com" },
        { "taro@faß.de", "taro@faß.de" },
    };

    public static TheoryData<string> Invalid { get; } =
    [
        "", " ", "test", "@", "test@", "@iana.org", ".test@iana.org", "test.@iana.org", "test..test@iana.org", "test..iana.org",
        "test_exa-mple.com", "test\\@test@iana.org", "test@-iana.org", "test@iana-.com", "test@.iana.org", "test@iana.org.", "test@iana..com",
        "\"\"\"@iana.org", "\"\\\"@iana.org", "test\"@iana.org", "\"test@iana.org", "\"test\"test@iana.org", "test\"text\"@iana.org",
        "\"test\"\"test\"@iana.org", "\"test\".\"test\"@iana.org", "\"test\".test@iana.org", "\"test\0\"@iana.org", "\"test\\\0\"@iana.org",
        $"{Label63}lm@iana.org", $"test@{Label63}l.com", $"a@{Label63}.{Label63}.{Label63}.{Label63}.com",
        "test@a[255.255.255.255]", "test@[255.255.255]", "test@[255.255.255.255.255]", "test@[255.255.255.256]", "test@[01.2.3.4]",
        "test@[1111:2222:3333:4444:5555:6666:7777:8888]", "test@[IPv6:1111:2222:3333:4444:5555:6666:7777]",
        "test@[IPv6:1111:2222:3333:4444:5555:6666:7777:8888:9999]", "test@[IPv6:1111:2222:3333:4444:5555:6666:7777:888G]",
        "test@[IPv6:1111:2222:3333:4444:5555:6666::7777:8888]", "test@[IPv6::3333:4444:5555:6666:7777:8888]", "test@[IPv6:1::2:]",
        "test@[IPv6:1111::4444:5555::8888]", "test@[IPv6:fe80::1%eth0]", "test@[IPv6:2001:db8::/32]", "test@[IPv6:]", "test@[]", "test@[",
        "test@[1.2.3.4", "test@[1.2.3.4]]", "test@[1.2.3.4].com", "test@1.2.3.4", "test@example.123",
        " test @iana.org", "test@ iana .com", "test . test@iana.org", "(comment)test@iana.org", "((comment)test@iana.org",
        "test@(comment)iana.org", "test(comment)test@iana.org", "test@iana.org(comment\\)", "test@iana.org(comment\\", "(test@iana.org",
        "test@[RFC-5322-domain-literal]", "test@[RFC-5322]-domain-literal]", "test@[RFC-5322-[domain-literal]", "test@[RFC 5322 domain literal]",
        "test@iana.org\n", "\r\n test@iana.org", "test@iana.org\r", "\rtest@iana.org", "\"\rtest\"@iana.org", "test@iana.org\r\n ",
        "\"\n\"@iana.org", "\"\\\n\"@iana.org", "\ntest@iana.org", "\a@iana.org", "test@\a.org", "\"\a\"@iana.org", "\u007f@iana.org",
        "\"\u007f\"@iana.org", "test@\u007f.org", "test@iana/icann.org", "\"test\\©\"@iana.org", " test@iana.org", "test@iana.org ", "\ttest@iana.org",
        "a@[x\r\nRCPT TO:<y>]", "test@exa\u0085mple.org", "te\u0085st@example.org", "test@example.org\u2028", "te\u202Est@example.org",
        "te\u200Bst@example.org", "test@exa\u202Emple.org", "test@\uD800.org", "\uDC00@example.org", "te\uFFFDst@example.org", "te st@example.org",
        "te\u3000st@example.org", "te\uE000st@example.org", "te\u00ADst@example.org", "test@local_host.org", "test@localhost", "test@日本", "test@xn--a.jp",
        "test@xn--.com", "test@日本語..jp", "test＠example.jp", "a@b@example.jp", "a,b@example.jp", "a;b@example.jp", "<a@example.jp>", "a@example.jp, b@example.jp",
        "a@example.jp>", "a@exa mple.jp", "山田@-例.jp", "山.@example.jp", ".山@example.jp", "山田\u0000@example.jp", "a@例\u200D子.jp",
        "=?utf-8?Q?taro=40evil.example=3E?=@example.jp", "\"=?utf-8?B?YQ==?=\"@example.jp",
    ];

    [Theory, MemberData(nameof(Valid))]
    public void A_good_address_is_kept_in_one_form(string given, string kept)
    {
        Assert.True(Address.TryParse(given, out var address, out var error), error);

        Assert.Equal(kept, address);
        Assert.True(Address.TryParse(address, out var again, out _));
        Assert.Equal(address, again);
        Assert.True(System.Text.Ascii.IsValid(Address.ToWire(address).AsSpan(address.LastIndexOf('@'))));
    }

    [Theory, MemberData(nameof(Invalid))]
    public void A_bad_address_is_refused_with_a_sentence(string given)
    {
        Assert.False(Address.TryParse(given, out var address, out var error));

        Assert.Equal("", address);
        Assert.EndsWith(".", error, StringComparison.Ordinal);
        Assert.DoesNotContain(error, char.IsControl);
    }

    [Fact]
    public void The_length_counts_in_octets_of_utf8()
    {
        Assert.True(Address.TryParse(new string('あ', 21) + "@example.jp", out _, out _));    // 63 octets
        Assert.False(Address.TryParse(new string('あ', 22) + "@example.jp", out _, out _));   // 66 octets

        var domain = $"{Label63}.{Label63}.{Label63[..57]}.jp";   // 188 octets
        Assert.True(Address.TryParse($"{Label63}l@{domain}", out _, out _));
        Assert.False(Address.TryParse($"{Label63}l@a.{domain}", out _, out _));
    }

    [Theory]
    [InlineData("taro@example.jp", "taro@example.jp", false)]
    [InlineData("taro@日本語.jp", "taro@xn--wgv71a119e.jp", false)]
    [InlineData("山田@日本語.jp", "山田@xn--wgv71a119e.jp", true)]
    [InlineData("山田@example.jp", "山田@example.jp", true)]
    [InlineData("\"a@例\"@example.jp", "\"a@例\"@example.jp", true)]
    public void The_wire_form_has_a_labels_and_says_when_it_needs_smtputf8(string address, string wire, bool needs)
    {
        Assert.Equal(wire, Address.ToWire(address));
        Assert.Equal(needs, Address.NeedsSmtpUtf8(address));
    }

    [Theory]
    [InlineData("Taro@example.jp", "taro@example.jp")]
    [InlineData("\"taro\"@example.jp", "taro@example.jp")]
    [InlineData("\"t\\aro\"@example.jp", "taro@example.jp")]
    [InlineData("\"two words\"@example.jp", "\"two words\"@example.jp")]
    [InlineData("\"a\\@b\"@example.jp", "\"a@b\"@example.jp")]
    [InlineData("\"\\\"\"@example.jp", "\"\\\"\"@example.jp")]
    [InlineData("\"\"@example.jp", "\"\"@example.jp")]
    public void Needless_quoting_does_not_hide_an_address_from_comparison(string address, string key) =>
        Assert.Equal(key, Address.Key(address));

    [Fact]
    public void A_hostile_length_is_refused_at_once()
    {
        var watch = System.Diagnostics.Stopwatch.StartNew();

        foreach (var c in "a.\"\\@([<あ") Assert.False(Address.TryParse(new string(c, 5_000_000), out _, out _));

        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(2));
    }
}
