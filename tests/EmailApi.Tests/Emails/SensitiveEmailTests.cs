using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using EmailApi.Emails;
using EmailApi.Tests.Support;
using Microsoft.EntityFrameworkCore;

namespace EmailApi.Tests.Emails;

public sealed class SensitiveEmailTests(SharedApp shared) : IClassFixture<SharedApp>
{
    readonly TestApp app = shared.App;

    static JsonObject Sensitive(string secret, string? sendAt = null) => new()
    {
        ["subject"] = $"subject {secret}",
        ["text"] = $"text {secret}",
        ["html"] = $"<p>{secret}</p>" + new string('x', 40_000),
        ["headers"] = new JsonObject { ["X-Secret"] = secret },
        ["attachments"] = new JsonArray(new JsonObject { ["filename"] = $"{secret}.txt", ["content"] = Convert.ToBase64String(Encoding.UTF8.GetBytes($"file {secret}")) }),
        ["sensitive"] = true,
        ["send_at"] = sendAt,
    };

    static Task<int> RowsAsync(TestApp app, string id) =>
        app.QueryAsync(async db => await db.Contents.CountAsync(c => c.EmailId == id.ToGuid()) + await db.Set<BlobUse>().CountAsync(u => u.EmailId == id.ToGuid()));

    [Fact]
    public async Task Its_content_stands_in_no_table_in_clear_and_can_be_read_while_it_waits()
    {
        const string secret = "kmzq4417pin";
        var id = await app.SendAsync(more: Sensitive(secret, "2027-06-01T00:00:00Z"));
        var plain = await app.SendAsync(more: new() { ["subject"] = "visible9931", ["send_at"] = "2027-06-01T00:00:00Z" });

        var email = await app.GetAsync($"/v1/emails/{id}");
        var content = await app.GetAsync($"/v1/emails/{id}/content");
        var raw = await app.Http.GetStringAsync($"/v1/emails/{id}/raw");

        Assert.Empty(await app.TablesWithAsync(secret));
        Assert.NotEmpty(await app.TablesWithAsync("visible9931"));   // the search does find what is there
        Assert.Equal(JsonValueKind.Null, email.GetProperty("subject").ValueKind);
        Assert.Equal($"subject {secret}", content.GetProperty("subject").GetString());
        Assert.Equal($"file {secret}", Encoding.UTF8.GetString(content.GetProperty("attachments")[0].GetProperty("content").GetBytesFromBase64()));
        Assert.Contains(secret, raw, StringComparison.Ordinal);
        Assert.Equal("visible9931", (await app.GetAsync($"/v1/emails/{plain}")).GetProperty("subject").GetString());
    }

    [Fact]
    public async Task Its_content_is_gone_when_all_recipients_are_final()
    {
        app.Relay.Answer("busy@example.net", "451 4.3.2 try later", times: 1);
        var mail = Sensitive("wxpv8820");
        mail["to"] = new JsonArray("taro@example.jp", "busy@example.net");

        var id = await app.SendAsync(more: mail);
        await app.WaitForAsync(id, RecipientState.Sent, RecipientState.Deferred);
        var rowsWhileOpen = await RowsAsync(app, id);
        await app.RunDueAsync();
        await app.WaitForAsync(id, RecipientState.Sent);
        await app.UntilAsync(async _ => await RowsAsync(app, id) == 0);

        Assert.Equal(1 + 2, rowsWhileOpen);
        Assert.All(await app.RelayedAsync(id), sent => Assert.Equal("text wxpv8820", sent.Read().TextBody?.TrimEnd()));
        Assert.Equal(JsonValueKind.Null, (await app.GetAsync($"/v1/emails/{id}")).GetProperty("subject").ValueKind);
        foreach (var part in new[] { "content", "raw" })
        {
            using var answer = await app.Http.GetAsync($"/v1/emails/{id}/{part}");
            var problem = await ProblemDocument.ReadAsync(answer);
            Assert.Equal((409, "content_gone"), (problem.Status, problem.Code));
        }
    }

    [Fact]
    public async Task Its_content_is_gone_when_its_time_is_over()
    {
        var id = await app.SendAsync(more: Sensitive("jrft5501", "2027-06-01T00:00:00Z"));

        await app.ExecuteAsync($"update queue set expires_at = now() where email_id = '{id.ToGuid()}'");
        await app.WaitForAsync(id, RecipientState.Expired);

        await app.UntilAsync(async _ => await RowsAsync(app, id) == 0);
    }

    [Fact]
    public async Task Two_mails_with_one_file_share_nothing()
    {
        var first = await app.SendAsync(more: Sensitive("same5512", "2027-06-01T00:00:00Z"));
        var second = await app.SendAsync(more: Sensitive("same5512"));
        await app.WaitForAsync(second, RecipientState.Sent);
        await app.UntilAsync(async _ => await RowsAsync(app, second) == 0);

        var content = await app.GetAsync($"/v1/emails/{first}/content");

        Assert.Equal("file same5512", Encoding.UTF8.GetString(content.GetProperty("attachments")[0].GetProperty("content").GetBytesFromBase64()));
    }

    [Fact]
    public async Task Ordinary_content_stays_after_the_last_recipient()
    {
        var id = await app.SendAsync();
        await app.WaitForAsync(id, RecipientState.Sent);

        Assert.Equal("It works.", (await app.GetAsync($"/v1/emails/{id}/content")).GetProperty("text").GetString());
    }
}
