using System.Net;
using System.Text.Json.Nodes;
using EmailApi.Emails;
using EmailApi.Tests.Support;
using Microsoft.EntityFrameworkCore;
using MimeKit;

namespace EmailApi.Tests.Emails;

public sealed class SendEmailTests(SharedApp shared) : IClassFixture<SharedApp>
{
    readonly TestApp app = shared.App;

    [Fact]
    public async Task The_answer_names_the_mail_and_its_recipients()
    {
        using var answer = await app.PostAsync(new JsonObject
        {
            ["from"] = "orders@shop.example",
            ["to"] = "taro@example.jp",
            ["cc"] = "hanako@example.jp",
            ["subject"] = "Hello",
            ["text"] = "It works.",
        });

        Assert.Equal(HttpStatusCode.Accepted, answer.StatusCode);
        var body = await answer.JsonAsync();
        var id = body.GetProperty("id").GetString()!;
        Assert.Equal($"/v1/emails/{id}", answer.Headers.Location?.OriginalString);
        Assert.Equal("queued", body.GetProperty("status").GetString());
        Assert.Equal(
            [($"rcpt_{id[3..]}_1", "taro@example.jp", "queued"), ($"rcpt_{id[3..]}_2", "hanako@example.jp", "queued")],
            body.GetProperty("recipients").EnumerateArray().Select(r => (r.GetProperty("id").GetString()!, r.GetProperty("email").GetString()!, r.GetProperty("status").GetString()!)));
        Assert.Empty(body.GetProperty("findings").EnumerateArray());
        Assert.False(answer.Headers.Contains("Idempotent-Replayed"));
    }

    public static TheoryData<string, string> AddressForms()
    {
        var data = new TheoryData<string, string>();
        foreach (var field in new[] { "to", "cc", "reply_to" })
        {
            data.Add(field, """ "Hanako <hanako@example.jp>" """);
            data.Add(field, """ {"email": "hanako@example.jp", "name": "Hanako"} """);
            data.Add(field, """ ["Hanako <hanako@example.jp>"] """);
            data.Add(field, """ [{"email": "hanako@example.jp", "name": "Hanako"}] """);
        }

        return data;
    }

    [Theory, MemberData(nameof(AddressForms))]
    public async Task An_address_may_be_a_string_an_object_or_a_list(string field, string json)
    {
        var id = await app.SendAsync(more: new() { [field] = JsonNode.Parse(json) });
        var mail = Assert.Single(await app.RelayedAsync(id));
        var message = mail.Read();

        var named = field switch { "to" => message.To, "cc" => message.Cc, _ => message.ReplyTo };
        Assert.Equal(new MailboxAddress("Hanako", "hanako@example.jp"), Assert.Single(named.Mailboxes));
        Assert.Equal(field is "reply_to" ? ["taro@example.jp"] : field is "to" ? ["hanako@example.jp"] : ["taro@example.jp", "hanako@example.jp"], mail.Recipients);
    }

    [Theory]
    [InlineData(""" "Boss <boss@example.jp>" """)]
    [InlineData(""" {"email": "boss@example.jp", "name": "Boss"} """)]
    [InlineData(""" ["Boss <boss@example.jp>"] """)]
    public async Task A_bcc_recipient_gets_the_mail_and_stands_nowhere_in_it(string json)
    {
        var id = await app.SendAsync(more: new() { ["bcc"] = JsonNode.Parse(json) });
        var mail = Assert.Single(await app.RelayedAsync(id));

        Assert.Equal(["taro@example.jp", "boss@example.jp"], mail.Recipients);
        Assert.DoesNotContain("boss", mail.Text, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("bcc", mail.Text, StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public async Task A_mail_to_bcc_alone_shows_undisclosed_recipients()
    {
        var id = await app.SendAsync(more: new() { ["to"] = null, ["bcc"] = new JsonArray("a@example.jp", "b@example.jp") });
        var mail = Assert.Single(await app.RelayedAsync(id));

        Assert.Equal(["a@example.jp", "b@example.jp"], mail.Recipients);
        Assert.Contains("\r\nTo: undisclosed-recipients:;\r\n", mail.Text, StringComparison.Ordinal);
        Assert.DoesNotContain("@example.jp", mail.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_author_may_be_an_object()
    {
        var id = await app.SendAsync(more: new() { ["from"] = new JsonObject { ["email"] = "orders@shop.example", ["name"] = "ショップ, Inc." } });
        var mail = Assert.Single(await app.RelayedAsync(id));

        Assert.Equal("orders@shop.example", mail.ReversePath);
        Assert.Equal(new MailboxAddress("ショップ, Inc.", "orders@shop.example"), Assert.Single(mail.Read().From.Mailboxes));
    }

    [Theory]
    [InlineData("It works.", null, "text/plain")]
    [InlineData(null, "<p>It <b>works</b>.</p>", "text/html")]
    [InlineData("It works. 動きます。\r\n.\r\n..two dots\n", "<p>動きます 🎉</p>", "multipart/alternative")]
    public async Task The_bodies_arrive_as_given(string? text, string? html, string type)
    {
        var id = await app.SendAsync(more: new() { ["text"] = text, ["html"] = html });
        var message = await app.ReceivedAsync(id);

        Assert.Equal(type, message.Body!.ContentType.MimeType);
        Assert.Equal(text?.ReplaceLineEndings("\n").TrimEnd('\n'), message.TextBody?.ReplaceLineEndings("\n").TrimEnd('\n'));
        Assert.Equal(html, message.HtmlBody?.TrimEnd());   // the last line of a mail has an end
    }

    [Theory]
    [InlineData("")]
    [InlineData("ご注文の確認 🎉")]
    [InlineData("=?utf-8?q?not_encoded?=")]
    [InlineData("  two  spaces  ")]
    public async Task The_subject_arrives_as_given(string subject)
    {
        var id = await app.SendAsync(more: new() { ["subject"] = subject });
        var message = await app.ReceivedAsync(id);
        var email = await app.GetAsync($"/v1/emails/{id}");

        Assert.Equal(subject.Trim(), message.Subject?.Trim());
        Assert.Equal(subject, email.GetProperty("subject").GetString());
    }

    [Fact]
    public async Task A_subject_of_998_characters_arrives_whole()
    {
        var subject = string.Concat(Enumerable.Repeat("あいうえお ", 166)) + "end";

        var id = await app.SendAsync(more: new() { ["subject"] = subject[..998] });

        Assert.Equal(subject[..998], (await app.ReceivedAsync(id)).Subject);
    }

    [Fact]
    public async Task Further_headers_arrive_as_given()
    {
        var id = await app.SendAsync(more: new()
        {
            ["headers"] = new JsonObject { ["X-Order"] = "4711", ["X-Customer"] = "山田 太郎", ["In-Reply-To"] = "<earlier@shop.example>", ["X-Empty"] = "" },
        });
        var message = await app.ReceivedAsync(id);

        Assert.Equal("4711", message.Headers["X-Order"]);
        Assert.Equal("山田 太郎", message.Headers["X-Customer"]);
        Assert.Equal("earlier@shop.example", message.InReplyTo);
        Assert.Equal("", message.Headers["X-Empty"]);
    }

    [Theory]
    [InlineData("Bcc"), InlineData("bcc"), InlineData("To"), InlineData("From"), InlineData("Sender"), InlineData("Subject"), InlineData("Date")]
    [InlineData("Message-ID"), InlineData("Return-Path"), InlineData("Received"), InlineData("DKIM-Signature"), InlineData("Content-Type")]
    [InlineData("content-transfer-encoding"), InlineData("MIME-Version"), InlineData("Resent-To"), InlineData("ARC-Seal"), InlineData("Authentication-Results")]
    public async Task A_header_of_the_server_is_refused(string name)
    {
        var mail = TestApp.Mail();
        mail["headers"] = new JsonObject { [name] = "evil@example.com" };

        using var answer = await app.PostAsync(mail);
        var problem = await ProblemDocument.ReadAsync(answer);

        Assert.Equal((422, "validation"), (problem.Status, problem.Code));
        Assert.Equal([($"#/headers/{name}", "invalid_header")], problem.Errors);
    }

    [Theory]
    [InlineData("\"taro yamada\"@example.jp", "\"taro yamada\"@example.jp")]
    [InlineData("\"a@b,c\"@example.jp", "\"a@b,c\"@example.jp")]
    [InlineData("taro@日本語.jp", "taro@xn--wgv71a119e.jp")]
    [InlineData("taro@EXAMPLE.JP", "taro@example.jp")]
    [InlineData("Taro.Yamada@example.jp", "Taro.Yamada@example.jp")]
    [InlineData("太郎@例え.jp", "太郎@xn--r8jz45g.jp")]
    public async Task An_unusual_address_reaches_the_relay(string address, string path)
    {
        var id = await app.SendAsync(to: address);
        var mail = Assert.Single(await app.RelayedAsync(id));

        Assert.Equal([path], mail.Recipients);
        Assert.Contains(path, Assert.Single(mail.Header().Split("\r\n"), line => line.StartsWith("To: ", StringComparison.Ordinal)), StringComparison.Ordinal);
        Assert.Equal(address.StartsWith('太'), mail.MailParameters.Contains("SMTPUTF8", StringComparison.Ordinal));
    }

    [Fact]
    public async Task An_address_named_twice_gets_the_mail_once_as_the_first_kind()
    {
        var id = await app.SendAsync(more: new()
        {
            ["to"] = new JsonArray("taro@example.jp", "Taro <taro@EXAMPLE.jp>"),
            ["cc"] = new JsonArray("taro@example.jp", "hanako@example.jp"),
            ["bcc"] = new JsonArray("hanako@example.jp", "boss@example.jp", "boss@example.jp"),
        });
        var mail = Assert.Single(await app.RelayedAsync(id));

        Assert.Equal(["taro@example.jp", "hanako@example.jp", "boss@example.jp"], mail.Recipients);
        Assert.Equal([RecipientKind.To, RecipientKind.Cc, RecipientKind.Bcc], await app.QueryAsync(db => db.Recipients.Where(r => r.EmailId == id.ToGuid()).OrderBy(r => r.N).Select(r => r.Kind).ToListAsync()));
    }

    [Fact]
    public async Task With_separate_envelopes_nobody_sees_the_others()
    {
        var id = await app.SendAsync(more: new()
        {
            ["to"] = new JsonArray("Taro <taro@example.jp>", "hanako@example.net"),
            ["cc"] = "jiro@example.org",
            ["bcc"] = "boss@example.com",
            ["envelope"] = "separate",
        });
        var mails = await app.RelayedAsync(id);

        Assert.Equal(
            ["boss@example.com", "hanako@example.net", "jiro@example.org", "taro@example.jp"],
            mails.Select(m => Assert.Single(m.Recipients)).Order(StringComparer.Ordinal));
        Assert.All(mails, mail =>
        {
            var message = mail.Read();
            Assert.Equal(mail.Recipients, message.To.Mailboxes.Select(m => m.Address));
            Assert.Empty(message.Cc);
            Assert.All(mails.SelectMany(m => m.Recipients).Except(mail.Recipients), other => Assert.DoesNotContain(other, mail.Text, StringComparison.Ordinal));
        });
        Assert.Single(mails.Select(m => m.MessageId).Distinct());
    }
}
