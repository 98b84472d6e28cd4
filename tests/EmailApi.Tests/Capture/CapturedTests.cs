using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using EmailApi.Emails;
using EmailApi.Tests.Support;

namespace EmailApi.Tests.Capture;

public sealed class CapturedTests : IAsyncLifetime
{
    readonly int port = FreePort();
    TestApp app = null!;

    public async ValueTask InitializeAsync() =>
        app = await TestApp.StartWithoutRelayAsync("--environment=Development", $"--EmailApi:Capture:Port={port}");

    public ValueTask DisposeAsync() => app.DisposeAsync();

    static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    async Task<List<JsonElement>> ListAsync(string query = "") => [.. (await app.GetAsync($"/v1/captured{query}")).GetProperty("data").EnumerateArray()];

    static string? Text(JsonElement json, string name) => json.GetProperty(name).GetString();

    [Fact]
    public async Task In_Development_mail_ends_in_the_inbox_and_is_sent()
    {
        var id = await app.SendAsync(more: new() { ["bcc"] = "boss@example.jp", ["html"] = "<p>It works.</p>", ["attachments"] = new JsonArray(new JsonObject { ["filename"] = "a.txt", ["content"] = "YQ==" }) });
        await app.WaitForAsync(id, RecipientState.Sent);

        var listed = Assert.Single(await ListAsync());
        var detail = await app.GetAsync($"/v1/captured/{Text(listed, "id")}");
        using var raw = await app.Http.GetAsync($"/v1/captured/{Text(listed, "id")}/raw");

        Assert.Equal(("orders@shop.example", "Hello"), (Text(listed, "from"), Text(listed, "subject")));
        Assert.Equal(["taro@example.jp", "boss@example.jp"], listed.GetProperty("to").EnumerateArray().Select(t => t.GetString()));
        Assert.Equal((id, "It works.", "<p>It works.</p>"), (Text(detail, "email_id"), Text(detail, "text")?.TrimEnd(), Text(detail, "html")?.TrimEnd()));
        Assert.Equal(["a.txt"], detail.GetProperty("attachments").EnumerateArray().Select(a => a.GetString()));
        Assert.Contains(detail.GetProperty("headers").EnumerateArray(), h => (Text(h, "name"), Text(h, "value")) == ("Subject", "Hello"));
        Assert.Equal("message/rfc822", raw.Content.Headers.ContentType?.MediaType);
        Assert.Equal(await app.Http.GetByteArrayAsync($"/v1/emails/{id}/raw"), await raw.Content.ReadAsByteArrayAsync());
    }

    [Fact]
    public async Task A_reader_can_wait_for_mail_that_comes_later()
    {
        var waiting = ListAsync("?wait=20&to=later@example.jp");
        await app.SendAsync(to: "other@example.jp");
        await app.SendAsync(to: "later@example.jp");

        var found = Assert.Single(await waiting);

        Assert.Equal(["later@example.jp"], found.GetProperty("to").EnumerateArray().Select(t => t.GetString()));
        Assert.Empty(await ListAsync("?to=nobody@example.jp&wait=0"));
    }

    [Fact]
    public async Task An_address_is_found_in_every_form_that_it_is_written_in()
    {
        await app.WaitForAsync(await app.SendAsync(to: "Taro@例え.JP"), RecipientState.Sent);

        foreach (var form in new[] { "Taro@例え.jp", "Taro@xn--r8jz45g.jp", "Taro@XN--R8JZ45G.JP" })
            Assert.Single(await ListAsync($"?to={Uri.EscapeDataString(form)}"));
    }

    [Fact]
    public async Task The_list_goes_from_newest_to_oldest_page_by_page()
    {
        for (var i = 0; i < 5; i++) await app.WaitForAsync(await app.SendAsync(more: new() { ["subject"] = $"{i}" }), RecipientState.Sent);

        var subjects = new List<string?>();
        string? cursor = null;
        do
        {
            var page = await app.GetAsync($"/v1/captured?limit=2&after={cursor}");
            subjects.AddRange(page.GetProperty("data").EnumerateArray().Select(c => Text(c, "subject")));
            cursor = Text(page, "next_cursor");
        }
        while (cursor is not null);

        Assert.Equal(["4", "3", "2", "1", "0"], subjects);
    }

    [Fact]
    public async Task What_another_program_hands_in_is_kept_as_it_came()
    {
        const string message = "Subject: =?utf-8?q?caf=C3=A9?=\r\n\r\nHi\r\n";
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, port);
        await using var stream = client.GetStream();
        using var reader = new StreamReader(stream, Encoding.ASCII);
        await reader.ReadLineAsync();
        foreach (var line in new[] { "HELO test", "MAIL FROM:<>", "RCPT TO:<x@localhost>", "DATA", message + "." })
        {
            await stream.WriteAsync(Encoding.ASCII.GetBytes(line + "\r\n"));
            Assert.Matches("^[23]", await reader.ReadLineAsync());
        }

        var captured = Assert.Single(await ListAsync());

        Assert.Equal(("", "café"), (Text(captured, "from"), Text(captured, "subject")));
        Assert.Equal(JsonValueKind.Null, (await app.GetAsync($"/v1/captured/{Text(captured, "id")}")).GetProperty("email_id").ValueKind);
        Assert.Equal(message, await app.Http.GetStringAsync($"/v1/captured/{Text(captured, "id")}/raw"));
    }

    [Fact]
    public async Task It_belongs_to_the_project_of_its_mail()
    {
        var id = await app.SendAsync();
        await app.WaitForAsync(id, RecipientState.Sent);
        var captured = Text(Assert.Single(await ListAsync()), "id");
        using var other = app.WithKey(await app.AddKeyAsync("other-inbox", "read"));

        using var list = await other.GetAsync("/v1/captured");
        using var one = await other.GetAsync($"/v1/captured/{captured}");
        using var raw = await other.GetAsync($"/v1/captured/{captured}/raw");

        Assert.Empty((await list.JsonAsync()).GetProperty("data").EnumerateArray());
        Assert.Equal(404, (await ProblemDocument.ReadAsync(one)).Status);
        Assert.Equal(404, (await ProblemDocument.ReadAsync(raw)).Status);
    }
}
