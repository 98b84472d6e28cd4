using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using EmailApi.Emails;
using EmailApi.Tests.Support;
using Microsoft.EntityFrameworkCore;
using MimeKit;

namespace EmailApi.Tests.Emails;

public sealed class SendAttachmentsTests(SharedApp shared) : IClassFixture<SharedApp>
{
    const string InOneYear = "2027-06-01T00:00:00Z";

    readonly TestApp app = shared.App;

    static JsonObject Attachment(string name, byte[] bytes, string? type = null, string? contentId = null) =>
        new() { ["filename"] = name, ["content"] = Convert.ToBase64String(bytes), ["content_type"] = type, ["content_id"] = contentId };

    static byte[] Bytes(MimePart part)
    {
        using var bytes = new MemoryStream();
        part.Content!.DecodeTo(bytes);
        return bytes.ToArray();
    }

    [Fact]
    public async Task Attachments_arrive_byte_for_byte_under_their_names()
    {
        byte[] every = [.. Enumerable.Range(0, 256).Select(b => (byte)b)];
        var text = Encoding.UTF8.GetBytes("line\r\n.\r\nFrom here\n");

        var id = await app.SendAsync(more: new()
        {
            ["attachments"] = new JsonArray(Attachment("請求書 2026.pdf", every), Attachment("notes.txt", text, "text/plain; charset=utf-8"), Attachment("empty.bin", [])),
        });
        var files = (await app.ReceivedAsync(id)).Attachments.Cast<MimePart>().ToList();

        Assert.Equal(["請求書 2026.pdf", "notes.txt", "empty.bin"], files.Select(f => f.FileName));
        Assert.Equal(["application/pdf", "text/plain", "application/octet-stream"], files.Select(f => f.ContentType.MimeType));
        Assert.Equal([every, text, []], files.Select(Bytes));
    }

    [Fact]
    public async Task An_inline_image_stands_beside_the_html_that_names_it()
    {
        var image = RandomNumberGenerator.GetBytes(5000);

        var id = await app.SendAsync(more: new()
        {
            ["html"] = """<img src="cid:logo@shop">""",
            ["attachments"] = new JsonArray(Attachment("logo.png", image, contentId: "logo@shop"), Attachment("terms.pdf", [1, 2, 3])),
        });
        var message = await app.ReceivedAsync(id);

        var mixed = Assert.IsType<Multipart>(message.Body);
        var related = Assert.IsAssignableFrom<Multipart>(Assert.IsAssignableFrom<Multipart>(mixed[0])[1]);
        Assert.Equal(["mixed", "related"], new[] { mixed, related }.Select(m => m.ContentType.MediaSubtype));
        Assert.Equal("""<img src="cid:logo@shop">""", Assert.IsType<TextPart>(related[0]).Text.TrimEnd());
        var inline = Assert.IsType<MimePart>(related[1]);
        Assert.Equal(("logo@shop", "image/png", ContentDisposition.Inline), (inline.ContentId, inline.ContentType.MimeType, inline.ContentDisposition!.Disposition));
        Assert.Equal(image, Bytes(inline));
        Assert.Equal("terms.pdf", Assert.Single(message.Attachments.Cast<MimePart>()).FileName);
    }

    [Fact]
    public async Task The_same_file_is_stored_once_in_a_project()
    {
        var file = RandomNumberGenerator.GetBytes(10_000);
        var hash = SHA256.HashData(file);
        JsonObject mail() => new() { ["attachments"] = new JsonArray(Attachment("a.bin", file), Attachment("b.bin", file)) };

        var ids = await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => app.SendAsync(more: mail())));
        using var other = app.WithKey(await app.AddKeyAsync("other-files", "send"));
        var foreign = TestApp.Mail();
        foreign["attachments"] = mail()["attachments"]!.DeepClone();
        using var answer = await other.PostTextAsync("/v1/emails", foreign.ToJsonString());

        Assert.Equal(HttpStatusCode.Accepted, answer.StatusCode);
        Assert.Equal(2, await app.QueryAsync(db => db.Blobs.CountAsync(b => b.Hash == hash)));
        Assert.Equal(1 + ids.Length, await app.QueryAsync(db => db.Set<BlobUse>().CountAsync(u => u.Hash == hash)));
        var files = (await app.ReceivedAsync(ids[3])).Attachments.Cast<MimePart>().ToList();
        Assert.Equal([("a.bin", 10_000), ("b.bin", 10_000)], files.Select(f => (f.FileName!, Bytes(f).Length)));
    }

    [Fact]
    public async Task A_large_body_is_stored_once_and_arrives_whole()
    {
        var html = "<p>" + string.Concat(Enumerable.Range(0, 20_000).Select(i => $"行{i} ")) + "</p>";
        var before = await app.QueryAsync(db => db.Blobs.CountAsync());

        var ids = new[] { await app.SendAsync(more: new() { ["html"] = html }), await app.SendAsync(more: new() { ["html"] = html }) };

        Assert.Equal(html, (await app.ReceivedAsync(ids[1])).HtmlBody?.TrimEnd());
        Assert.Equal(html, (await app.GetAsync($"/v1/emails/{ids[0]}/content")).GetProperty("html").GetString());
        Assert.Equal(before + 1, await app.QueryAsync(db => db.Blobs.CountAsync()));
    }

    [Fact]
    public async Task Attachments_of_25_MB_together_are_taken_and_one_byte_more_is_not()
    {
        byte[] half = new byte[SendEmailValidator.MaxAttachmentBytes / 2];
        var mail = TestApp.Mail();
        mail["send_at"] = InOneYear;
        mail["attachments"] = new JsonArray(Attachment("a.bin", half), Attachment("b.bin", half));

        using var taken = await app.PostAsync(mail);
        mail["attachments"]!.AsArray().Add(Attachment("c.bin", [1]));
        using var refused = await app.PostAsync(mail);
        var problem = await ProblemDocument.ReadAsync(refused);

        Assert.Equal(HttpStatusCode.Accepted, taken.StatusCode);
        Assert.Equal(422, problem.Status);
        Assert.Equal([("#/attachments", "too_large")], problem.Errors);
    }

    [Fact]
    public async Task Fifty_requests_of_25_MB_at_once_are_all_taken()
    {
        var mail = TestApp.Mail();
        mail["send_at"] = InOneYear;
        mail["attachments"] = new JsonArray(Attachment("large.bin", new byte[SendEmailValidator.MaxAttachmentBytes]));
        var body = Encoding.UTF8.GetBytes(mail.ToJsonString());
        using var client = app.WithKey(TestApp.Key);
        client.Timeout = TimeSpan.FromMinutes(5);

        var answers = await Task.WhenAll(Enumerable.Range(0, 50).Select(async _ =>
        {
            using var content = new ByteArrayContent(body) { Headers = { ContentType = new("application/json") } };
            using var answer = await client.PostAsync("/v1/emails", content);
            return answer.StatusCode;
        }));

        Assert.All(answers, status => Assert.Equal(HttpStatusCode.Accepted, status));
    }
}
