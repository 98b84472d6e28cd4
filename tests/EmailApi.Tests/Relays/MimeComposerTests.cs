using System.Text;
using EmailApi.Emails;
using EmailApi.Relays;
using MimeKit;

namespace EmailApi.Tests.Relays;

public class MimeComposerTests
{
    internal static readonly DateTimeOffset Date = new(2026, 11, 24, 12, 0, 0, TimeSpan.FromHours(9));

    internal static readonly EmailContent Plain = new()
    {
        From = new("orders@shop.example", "Shop"),
        To = [new("taro@example.jp")],
        Subject = "Your order",
        Text = "Thank you.\n",
    };

    static readonly byte[] EveryByte = [.. Enumerable.Range(0, 4096).Select(i => (byte)(i * 7 + i / 256))];

    internal static byte[] Compose(EmailContent content, Mailbox? only = null)
    {
        using var message = MimeComposer.Compose(content, "em_1@shop.example", Date, _ => new MemoryStream(EveryByte, writable: false), only);
        return MimeComposer.ToBytes(message);
    }

    internal static MimeMessage Read(byte[] bytes) => MimeMessage.Load(new MemoryStream(bytes));

    [Fact]
    public void A_plain_mail_is_what_one_would_write_by_hand() => Assert.Equal("""
        Date: Tue, 24 Nov 2026 12:00:00 +0900
        From: Shop <orders@shop.example>
        To: taro@example.jp
        Subject: Your order
        Message-ID: <em_1@shop.example>
        X-Order: 4711
        MIME-Version: 1.0
        Content-Type: text/plain; charset=utf-8
        Content-Transfer-Encoding: 7bit

        Thank you.

        """.ReplaceLineEndings("\r\n"), Encoding.ASCII.GetString(Compose(Plain with { Headers = [new("X-Order", "4711")] })));

    [Fact]
    public void Japanese_arrives_in_subject_names_file_names_and_bodies()
    {
        var name = "株式会社サンプル商店 東京本店 お客様相談窓口 担当 山田太郎";
        var subject = string.Concat(Enumerable.Repeat("ご注文の確認とお届け予定日のお知らせ、", 20)) + "end";
        var content = Plain with
        {
            From = new("info@日本語.jp", name),
            Subject = subject,
            Text = "ご注文ありがとうございます。\n𠮷野家 👩‍💻",
            Html = "<p>ありがとう</p>",
            Attachments = [new("請求書(令和八年十一月分・お客様控え)株式会社サンプル商店.pdf", "application/pdf", null, "h", EveryByte.Length)],
        };

        var bytes = Compose(content);
        using var message = Read(bytes);

        AssertClean(bytes);
        Assert.Equal(subject, message.Subject);
        Assert.Equal(name, message.From.Mailboxes.Single().Name);
        Assert.Contains("<info@xn--wgv71a119e.jp>", Encoding.ASCII.GetString(bytes), StringComparison.Ordinal);
        Assert.Equal("ご注文ありがとうございます。\r\n𠮷野家 👩‍💻\r\n", Text(message, "plain"));
        Assert.Equal("<p>ありがとう</p>\r\n", Text(message, "html"));
        var file = Assert.IsType<MimePart>(message.Attachments.Single());
        Assert.Equal(content.Attachments[0].FileName, file.ContentDisposition!.FileName);
        Assert.Equal(content.Attachments[0].FileName, file.ContentType.Name);
    }

    [Fact]
    public void Attachments_and_images_arrive_byte_for_byte_in_the_right_places()
    {
        var content = Plain with
        {
            Html = "<img src=\"cid:logo\">",
            Attachments =
            [
                new("a.bin", "application/octet-stream", null, "h", 1),
                new("logo.png", "image/png", "logo", "h", 1),
                new("mail.eml", "message/rfc822", null, "h", 1),
                new("odd.x", "no type\r\nX: y", null, "h", 1),
                new("parts", "multipart/mixed; boundary=x", null, "h", 1),
                new("meet.ics", "text/calendar; method=REQUEST; charset=utf-8; name=evil", null, "h", 1),
            ],
        };

        var bytes = Compose(content);
        using var message = Read(bytes);

        AssertClean(bytes);
        Assert.Equal("multipart/mixed[multipart/alternative[text/plain,multipart/related[text/html,image/png]],application/octet-stream,"
            + "application/octet-stream,application/octet-stream,application/octet-stream,text/calendar]", Shape(message.Body!));
        Assert.Equal(["a.bin", "mail.eml", "odd.x", "parts", "meet.ics"], message.Attachments.Select(a => a.ContentDisposition!.FileName));
        Assert.Equal("REQUEST", message.Attachments.Last().ContentType.Parameters["method"]);
        Assert.Equal("meet.ics", message.Attachments.Last().ContentType.Name);
        foreach (var part in message.BodyParts.OfType<MimePart>().Where(p => p is not TextPart || p.IsAttachment))
        {
            using var decoded = new MemoryStream();
            part.Content!.DecodeTo(decoded, TestContext.Current.CancellationToken);
            Assert.Equal(EveryByte, decoded.ToArray());
        }
        var image = message.BodyParts.OfType<MimePart>().Single(p => p.ContentType.MediaSubtype == "png");
        Assert.Equal(("logo", "inline"), (image.ContentId, image.ContentDisposition!.Disposition));
    }

    [Fact]
    public void Each_level_of_the_structure_stands_only_where_it_is_needed()
    {
        AttachmentPart file = new("a.bin", "application/pdf", null, "h", 1), image = new("i.png", "image/png", "i", "h", 1);
        string Of(EmailContent content) => Shape(Read(Compose(content)).Body!);

        Assert.Equal("text/html", Of(Plain with { Text = null, Html = "x" }));
        Assert.Equal("multipart/alternative[text/plain,text/html]", Of(Plain with { Html = "x" }));
        Assert.Equal("multipart/mixed[text/plain,application/pdf]", Of(Plain with { Attachments = [file] }));
        Assert.Equal("multipart/related[text/html,image/png]", Of(Plain with { Text = null, Html = "x", Attachments = [image] }));
        Assert.Equal("multipart/mixed[text/plain,image/png]", Of(Plain with { Attachments = [image] }));
    }

    [Fact]
    public void The_same_email_gives_the_same_bytes()
    {
        var content = Plain with { Html = "<b>あ</b>", Attachments = [new("a", "image/png", "a", "h", 1), new("b", "text/csv", null, "h", 1)] };

        Assert.Equal(Compose(content), Compose(content));
    }

    [Fact]
    public void Preparing_it_for_a_7_bit_relay_changes_nothing()
    {
        var content = Plain with { Text = new string('x', 78) + "\n", Html = "<b>あ</b>\n" + new string('y', 900), Attachments = [new("b", "text/csv", null, "h", 1)] };
        using var message = MimeComposer.Compose(content, "<em_1@shop.example>", Date, _ => new MemoryStream(EveryByte, writable: false));

        message.Prepare(EncodingConstraint.SevenBit, 78);

        Assert.Equal(Compose(content), MimeComposer.ToBytes(message));
    }

    [Fact]
    public void Who_is_not_named_is_not_in_the_mail()
    {
        var content = Plain with { To = [new("a@example.jp"), new("b@example.jp")], Cc = [new("c@example.jp")] };

        using var shared = Read(Compose(content));
        using var separate = Read(Compose(content, only: new("hidden@example.jp", "X")));
        using var nobody = Read(Compose(content with { To = [], Cc = [] }));
        using var copyOnly = Read(Compose(content with { To = [] }));

        Assert.Equal(["a@example.jp", "b@example.jp", "c@example.jp"], shared.GetRecipients().Select(m => m.Address));
        Assert.Equal(["hidden@example.jp"], separate.GetRecipients().Select(m => m.Address));
        Assert.DoesNotContain("Cc", separate.Headers.Select(h => h.Field));
        Assert.Equal("undisclosed-recipients:;", nobody.Headers["To"]);
        Assert.Null(copyOnly.Headers["To"]);
        Assert.DoesNotContain("Bcc", shared.Headers.Select(h => h.Field));
    }

    [Fact]
    public void A_thousand_recipients_fold_into_short_lines()
    {
        var to = Enumerable.Range(0, 1000).Select(i => new Mailbox($"user{i}@example.jp", i % 3 == 0 ? $"利用者 {i}" : i % 3 == 1 ? $"User, {i}" : null)).ToList();

        var bytes = Compose(Plain with { To = to });

        AssertClean(bytes);
        Assert.Equal(to, Read(bytes).To.Mailboxes.Select(m => new Mailbox(m.Address, string.IsNullOrEmpty(m.Name) ? null : m.Name)));
    }

    [Theory]
    [InlineData("a\nb\rc\r\nd", "a\r\nb\r\nc\r\nd\r\n")]
    [InlineData("a\r\r\nb", "a\r\n\r\nb\r\n")]
    [InlineData("a\n.\nMAIL FROM:<x>\r.\r\n", "a\r\n.\r\nMAIL FROM:<x>\r\n.\r\n")]
    [InlineData("nul\0l", "null\r\n")]
    [InlineData("\0", "\r\n")]
    [InlineData("", "\r\n")]
    [InlineData("tail  \nFrom here\n=3D --=_x\n--=_79\n", "tail  \r\nFrom here\r\n=3D --=_x\r\n--=_79\r\n")]
    [InlineData("é\r\r\n\n.\n", "é\r\n\r\n\r\n.\r\n")]
    [InlineData("日本語\rあ\0い\n", "日本語\r\nあい\r\n")]
    [InlineData("esc \u001B[31m \u0085 \u2028 x", "esc \u001B[31m \u0085 \u2028 x\r\n")]
    public void Bodies_hold_crlf_only_and_arrive_unchanged_otherwise(string text, string arrives)
    {
        var bytes = Compose(Plain with { Text = text });

        AssertClean(bytes);
        Assert.Equal(arrives, Text(Read(bytes), "plain"));
        Assert.DoesNotContain("\nFrom ", Encoding.ASCII.GetString(bytes), StringComparison.Ordinal);
    }

    [Fact]
    public void Long_lines_are_wrapped_by_the_encoding_and_arrive_whole()
    {
        foreach (var unit in (string[])["x", "<td>=</td>", "word ", "é", "日", "x\t. From "])
        {
            var line = string.Concat(Enumerable.Repeat(unit, 3000));

            var bytes = Compose(Plain with { Html = line });

            AssertClean(bytes);
            Assert.Equal(line + "\r\n", Text(Read(bytes), "html"));
        }
    }

    [Fact]
    public void Long_headers_fold_and_a_long_word_stays_whole()
    {
        var link = "<https://shop.example/u/" + new string('t', 300) + ">";
        var references = string.Join(' ', Enumerable.Range(0, 20).Select(i => $"<{i}.4711@mail.shop.example>"));

        var bytes = Compose(Plain with
        {
            Headers = [new("List-Unsubscribe", link), new("References", references), new("X-Long", new string('w', 998)), new("X-" + new string('n', 74), "日本語")],
        });
        var text = Encoding.ASCII.GetString(bytes);

        AssertClean(bytes, longest: 998);
        Assert.Contains(link, text, StringComparison.Ordinal);
        Assert.Contains(references, text.Replace("\r\n ", " ", StringComparison.Ordinal), StringComparison.Ordinal);
        Assert.Equal(new string('w', 998), Read(bytes).Headers["X-Long"]);
    }

    [Fact]
    public void Any_line_of_text_survives_folding_and_encoding()
    {
        var random = new Random(4711);
        string[] pieces = ["a", "Word", " ", "  ", "\t", "日本語", "é", "👩‍💻", "=?", "?=", "=", "_", "\"", "\\", ",", "<x@y.z>", ";", ":", "(", ".", new string('L', 70), "日本" + new string('x', 80)];
        for (var i = 0; i < 1000; i++)
        {
            var line = string.Concat(Enumerable.Range(0, random.Next(1, 60)).Select(_ => pieces[random.Next(pieces.Length)])).Trim(' ', '\t');
            var name = line.Replace('\t', ' ');

            var bytes = Compose(Plain with { Subject = line, Headers = [new("X-Line", line)], From = new("orders@shop.example", name) });
            using var message = Read(bytes);

            AssertClean(bytes, longest: 998);
            Assert.All(Encoding.ASCII.GetString(bytes).Split("\r\n"), l => Assert.True(l.Length <= 76 || !l.Contains("=?utf-8?", StringComparison.Ordinal), l));
            Assert.Equal(line, message.Subject);
            Assert.Equal(line, message.Headers["X-Line"]);
            Assert.Equal(name, message.From.Mailboxes.Single().Name ?? "");
        }
    }

    [Fact]
    public void A_utf8_local_part_stands_as_it_is_and_asks_for_smtputf8()
    {
        var content = Plain with { To = [new("山田@日本語.jp", "太郎")] };

        using var message = Read(Compose(content));

        Assert.True(MimeComposer.NeedsSmtpUtf8(content));
        Assert.False(MimeComposer.NeedsSmtpUtf8(content, only: new("a@日本語.jp")));
        Assert.Contains("<山田@xn--wgv71a119e.jp>", Encoding.UTF8.GetString(Compose(content)), StringComparison.Ordinal);
        Assert.Equal("太郎", message.To.Mailboxes.Single().Name);
    }

    [Fact]
    public void What_no_validator_saw_is_refused()
    {
        Assert.Throws<ArgumentException>(() => Compose(Plain with { Headers = [new("Bcc", "x@example.com")] }));
        Assert.Throws<ArgumentException>(() => Compose(Plain with { Headers = [new("X\r\nBcc", "x@example.com")] }));
        Assert.Throws<ArgumentException>(() => Compose(Plain with { To = [new("a@example.jp, b@example.jp")] }));
        Assert.Throws<ArgumentException>(() => MimeComposer.Compose(Plain, "a\r\nBcc: x", Date, _ => Stream.Null));
    }

    /// <summary>ASCII only, CRLF only, no line longer than a reader of RFC 5322 must take.</summary>
    internal static void AssertClean(byte[] bytes, int longest = 78)
    {
        var text = Encoding.Latin1.GetString(bytes);
        Assert.DoesNotContain(text, c => c > '~' || c < ' ' && c is not ('\r' or '\n' or '\t'));
        Assert.Equal(-1, text.Replace("\r\n", "", StringComparison.Ordinal).AsSpan().IndexOfAny('\r', '\n'));
        Assert.EndsWith("\r\n", text, StringComparison.Ordinal);
        Assert.All(text.Split("\r\n"), line => Assert.True(line.Length <= longest, line));
        Assert.DoesNotContain(text[..text.IndexOf("\r\n\r\n", StringComparison.Ordinal)].Split("\r\n"), string.IsNullOrWhiteSpace);
    }

    /// <summary>A body as it travelled; MimeKit's own properties put the machine's line ends in.</summary>
    internal static string Text(MimeMessage message, string subtype)
    {
        using var decoded = new MemoryStream();
        message.BodyParts.OfType<TextPart>().First(p => p.ContentType.MediaSubtype == subtype).Content!.DecodeTo(decoded);
        return Encoding.UTF8.GetString(decoded.ToArray());
    }

    static string Shape(MimeEntity entity) => entity is Multipart multipart
        ? $"{entity.ContentType.MimeType}[{string.Join(',', multipart.Select(Shape))}]"
        : entity.ContentType.MimeType;
}
