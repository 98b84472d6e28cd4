using System.Text;
using EmailApi.Emails;
using MimeKit;

namespace EmailApi.Tests.Relays;

/// <summary>The validators refuse most of these at the door. Here they reach the composer all the same, and still nothing but the asked
/// headers comes out.</summary>
public class HeaderInjectionTests
{
    public static TheoryData<string> Hostile { get; } =
    [
        "a\r\nBcc: evil@example.com", "a\nBcc: evil@example.com", "a\rBcc: evil@example.com", "a\r\n\r\n<b>body</b>", "a\n\nbody", "a\r\n.\r\nMAIL FROM:<x@y.z>",
        "\r\nBcc: evil@example.com", "a\r\n", "a\n", "a\r", "a\r\n Bcc: evil@example.com", "a\r\n\tBcc: evil@example.com", "a\r\r\nBcc: evil@example.com",
        "a\0\r\nBcc: evil@example.com", "a\0b", "a\u0085Bcc: evil@example.com", "a\u2028Bcc: evil@example.com", "a\u2029Bcc: evil@example.com",
        "a\vBcc: evil@example.com", "a\fBcc: evil@example.com", "a\u001B[2J", "a\u007Fb", "=?utf-8?Q?a=0D=0ABcc:_evil@example.com?=",
        "=?utf-8?B?DQpCY2M6IGV2aWxAZXhhbXBsZS5jb20=?=", "=?utf-8?Q?unclosed", "a\" <evil@example.com>, \"b", "evil@example.com, taro@example.jp",
        "a\\\" <evil@example.com>", "a>; x=\"y", "\"; boundary=\"x", "日本\r\nBcc: evil@example.com", "a\u560A\u560DBcc: evil@example.com", "\uD800\r\nBcc: x",
        "a%0d%0aBcc: evil@example.com", "(comment\r\nBcc: evil@example.com)", "Group: evil@example.com;", " \t a  \t b \t ",
    ];

    static readonly string[] Asked = ["Date", "From", "To", "Subject", "Message-ID", "X-Order", "MIME-Version", "Content-Type"];

    static readonly EmailContent Content = MimeComposerTests.Plain with
    {
        Html = "<b>hi</b>",
        Headers = [new("X-Order", "4711")],
        Attachments = [new("a.bin", "application/pdf", null, "h", 1), new("i.png", "image/png", "logo", "h", 1)],
    };

    [Theory, MemberData(nameof(Hostile))]
    public void A_hostile_subject_stays_a_subject(string value) =>
        Assert.Equal(Shown(value), AsAsked(Content with { Subject = value }).Subject);

    [Theory, MemberData(nameof(Hostile))]
    public void A_hostile_header_value_stays_a_value(string value) =>
        Assert.Equal(Shown(value), AsAsked(Content with { Headers = [new("X-Order", value)] }).Headers["X-Order"]);

    [Theory, MemberData(nameof(Hostile))]
    public void A_hostile_name_stays_a_name(string value)
    {
        var message = AsAsked(Content with { From = new("orders@shop.example", value), To = [new("taro@example.jp", value)] });

        Assert.Equal(Shown(value), message.From.Mailboxes.Single().Name);
        Assert.Equal(Shown(value), message.To.Mailboxes.Single().Name);
    }

    [Theory, MemberData(nameof(Hostile))]
    public void A_hostile_file_name_stays_a_file_name(string value)
    {
        var message = AsAsked(Content with { Attachments = [Content.Attachments[0] with { FileName = value }, Content.Attachments[1]] });

        Assert.DoesNotContain("\n", AttachmentRules.SafeFileName(value), StringComparison.Ordinal);
        Assert.Equal(AttachmentRules.SafeFileName(value), message.Attachments.Single().ContentDisposition!.FileName);
    }

    [Theory, MemberData(nameof(Hostile))]
    public void A_hostile_content_id_stays_a_content_id(string value)
    {
        Assert.NotNull(AttachmentRules.ContentIdRefusal("<" + value));
        AsAsked(Content with { Attachments = [Content.Attachments[0], Content.Attachments[1] with { ContentId = value }] });
    }

    [Theory, MemberData(nameof(Hostile))]
    public void A_hostile_content_type_stays_a_type(string value)
    {
        foreach (var type in (string[])[value, "text/" + value, "text/plain; a=" + value, "text/plain; name=\"" + value])
            AsAsked(Content with { Attachments = [Content.Attachments[0] with { ContentType = type }, Content.Attachments[1]] });
    }

    [Theory, MemberData(nameof(Hostile))]
    public void A_hostile_address_is_refused(string value)
    {
        if (value == "=?utf-8?Q?unclosed") return;   // decodes to nothing, and all its characters are atext: a local part like any other

        foreach (var address in (string[])[value, value + "@example.jp", "taro@" + value, "taro@example.jp" + value, $"taro@[{value}]"])
        {
            Assert.False(Address.TryParse(address, out _, out _), address);
            Assert.Throws<ArgumentException>(() => MimeComposerTests.Compose(Content with { To = [new(address)] }));
        }
    }

    static string Shown(string value) => Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(
        string.Concat(value.Select(c => c != '\t' && (char.IsControl(c) || c is '\u2028' or '\u2029') ? ' ' : c)).Trim(' ', '\t')));

    static MimeMessage AsAsked(EmailContent content)
    {
        var bytes = MimeComposerTests.Compose(content);
        var message = MimeComposerTests.Read(bytes);

        MimeComposerTests.AssertClean(bytes);
        var names = Encoding.ASCII.GetString(bytes).Split("\r\n\r\n")[0].Split("\r\n").Where(line => line[0] is not (' ' or '\t')).Select(line => line.Split(':')[0]);
        Assert.Equal(Asked, names);
        Assert.Equal(["taro@example.jp"], message.GetRecipients().Select(m => m.Address));
        Assert.Equal(["orders@shop.example"], message.From.Mailboxes.Select(m => m.Address));
        Assert.Equal("Thank you.\r\n", MimeComposerTests.Text(message, "plain"));
        Assert.Equal("<b>hi</b>\r\n", MimeComposerTests.Text(message, "html"));
        Assert.Equal(4, message.BodyParts.Count());
        return message;
    }
}
