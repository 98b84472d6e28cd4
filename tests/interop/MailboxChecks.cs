using System.Text.Json;
using System.Text.Json.Nodes;
using EmailApi.Benchmarks.Servers;
using MimeKit;

namespace EmailApi.Interop;

/// <summary>A Postfix that delivers into a mailbox, which is read back and compared with what was asked for.</summary>
static class MailboxChecks
{
    public static async Task RunAsync(Checks checks, WorkFolder folder, Database database)
    {
        var cancel = checks.Cancel;
        await using var mailbox = await Mailbox.StartAsync(folder, "mailbox", cancel, new Dictionary<string, string>
        {
            ["smtpd_recipient_restrictions"] = $"check_recipient_access inline:{{{{refused@{Mailbox.Domain} = 550 5.1.1 no such user}}}}, permit_mynetworks, reject",
        });
        await using var app = await EmailApiServer.StartAsync(folder, await database.CreateAsync(cancel), EmailApiServer.RelaySettings(mailbox.Port, 5), cancel);

        await checks.CheckAsync("Japanese subject, names and bodies arrive in a Postfix mailbox as they were", async () =>
        {
            const string subject = "ご注文ありがとうございます（注文番号 4711）— 確認メール";
            const string text = "山田 太郎 様\n\nこの度はご注文いただき、誠にありがとうございます。\n髙﨑・①・㈱・🍣\n";
            const string html = "<p>山田 <b>太郎</b> 様</p>";
            var message = await SendAsync(new()
            {
                ["from"] = "お店 <orders@shop.example>",
                ["to"] = $"山田太郎 <taro@{Mailbox.Domain}>",
                ["subject"] = subject,
                ["text"] = text,
                ["html"] = html,
            });

            Checks.Equal(subject, message.Subject, "the subject");
            Checks.Equal("山田太郎", message.To.Mailboxes.Single().Name, "the recipient's name");
            Checks.Equal("お店", message.From.Mailboxes.Single().Name, "the sender's name");
            Checks.Equal(text, Lines(message.TextBody), "the text");
            Checks.Equal(html, Lines(message.HtmlBody).Trim(), "the HTML");
        });

        await checks.CheckAsync("an attachment arrives with the same bytes and its Japanese name", async () =>
        {
            var bytes = new byte[300_000];
            new Random(4711).NextBytes(bytes);
            for (var i = 0; i < 256; i++) bytes[i] = (byte)i;
            var mail = Api.Mail($"taro@{Mailbox.Domain}");
            mail["attachments"] = new JsonArray(new JsonObject
            {
                ["filename"] = "請求書 2026年11月.pdf",
                ["content"] = Convert.ToBase64String(bytes),
                ["content_type"] = "application/pdf",
            });
            var attachment = (MimePart)(await SendAsync(mail)).Attachments.Single();

            using var content = new MemoryStream();
            await attachment.Content!.DecodeToAsync(content, cancel);
            Checks.True(content.ToArray().AsSpan().SequenceEqual(bytes), "The bytes differ.");
            Checks.Equal("請求書 2026年11月.pdf", attachment.FileName, "the file name");
        });

        await checks.CheckAsync("to, cc and bcc each get one; bcc stands in no header; the Message-ID is the one of the API", async () =>
        {
            var mail = Api.Mail($"taro@{Mailbox.Domain}");
            mail["cc"] = $"hanako@{Mailbox.Domain}";
            mail["bcc"] = $"secret-boss@{Mailbox.Domain}";
            var email = await SentAsync(mail);

            var messages = await mailbox.ReadAsync(email.GetProperty("message_id").GetString()!, 3, cancel);
            Checks.Equal(3, messages.Count, "the number of mails");
            var others = messages.Where(m => m.Headers["X-Original-To"]?.Contains("secret-boss", StringComparison.Ordinal) is false).ToList();
            Checks.Equal(2, others.Count, "the number of mails to others than bcc");
            foreach (var message in messages)
            {
                Checks.Equal(1, message.Headers.Count(h => h.Id is HeaderId.MessageId), "the number of Message-ID fields");
                Checks.True(message.Bcc.Count == 0 && !message.To.Concat(message.Cc).ToString()!.Contains("secret-boss", StringComparison.Ordinal), "The bcc shows in a header of ours.");
            }

            foreach (var message in others)
                Checks.True(!message.ToString().Contains("secret-boss", StringComparison.Ordinal), "The bcc shows in another recipient's mail.");
        });

        await checks.CheckAsync("lines that begin with dots arrive unchanged", async () =>
        {
            const string text = ".\n..\n.hidden\n...three\nmiddle\n.\n\n.\nFrom here on\nend\n";
            Checks.Equal(text, Lines((await SendAsync(Api.Mail($"taro@{Mailbox.Domain}", text: text))).TextBody), "the text");
        });

        await checks.CheckAsync("a line of 998 characters and a subject of 998 characters arrive unchanged", async () =>
        {
            var line = string.Concat(Enumerable.Range(0, 998).Select(i => (char)('a' + i % 26)));
            var subject = string.Join(' ', Enumerable.Repeat("subject", 125))[..998];
            var message = await SendAsync(Api.Mail($"taro@{Mailbox.Domain}", subject, $"before\n{line}\nafter\n"));
            Checks.Equal($"before\n{line}\nafter\n", Lines(message.TextBody), "the text");
            Checks.Equal(subject, message.Subject, "the subject");
        });

        await checks.CheckAsync("an address with a UTF-8 local part: sent where Postfix offers SMTPUTF8, else failed with 5.6.7", async () =>
        {
            var mail = Api.Mail($"用户@{Mailbox.Domain}", "国際化");
            if ((await mailbox.OffersAsync(cancel)).Contains("SMTPUTF8", StringComparison.Ordinal))
            {
                Checks.Equal($"用户@{Mailbox.Domain}", (await SendAsync(mail)).To.Mailboxes.Single().Address, "the address");
                return;
            }

            var failed = await app.WaitForAsync(await app.SendAsync(mail, cancel), "failed", cancel);
            Checks.True(failed.ToString().Contains("5.6.7", StringComparison.Ordinal), $"The reply is not 5.6.7: {failed}");
        });

        await checks.CheckAsync("a recipient that Postfix refuses is bounced with its reply, the others get the mail", async () =>
        {
            var mail = Api.Mail($"taro@{Mailbox.Domain}");
            mail["cc"] = $"refused@{Mailbox.Domain}";
            var id = await app.SendAsync(mail, cancel);
            var email = await app.WaitForAsync(id, "partial", cancel);

            await mailbox.ReadAsync(email.GetProperty("message_id").GetString()!, 1, cancel);
            var refused = email.GetProperty("recipients").EnumerateArray().Single(r => r.GetProperty("kind").GetString() == "cc");
            Checks.Equal("bounced", refused.GetProperty("status").GetString(), "the refused recipient");
            Checks.Equal("5.1.1", refused.GetProperty("last_reply").GetProperty("enhanced").GetString(), "its enhanced code");
        });

        async Task<JsonElement> SentAsync(JsonObject mail) => await app.WaitForAsync(await app.SendAsync(mail, cancel), "sent", cancel);

        async Task<MimeMessage> SendAsync(JsonObject mail) =>
            (await mailbox.ReadAsync((await SentAsync(mail)).GetProperty("message_id").GetString()!, 1, cancel)).Single();
    }

    static string Lines(string? text) => text?.ReplaceLineEndings("\n") ?? "";
}
