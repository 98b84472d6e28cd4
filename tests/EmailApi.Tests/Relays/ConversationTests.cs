using System.Net.Sockets;
using System.Text;
using EmailApi.Relays;
using EmailApi.Tests.Support;

namespace EmailApi.Tests.Relays;

public sealed class ConversationTests
{
    static async Task<List<string>?> LinesAsync(TestApp app, string id, string query = "?conversation=true") =>
        (await app.GetAsync($"/v1/emails/{id}/attempts{query}")).GetProperty("data")[0].TryGetProperty("conversation", out var lines)
            ? [.. lines.EnumerateArray().Select(l => l.GetString()!)]
            : null;

    static async Task<string> SendRefusedAsync(TestApp app)
    {
        app.Relay.Answer("nobody@example.net", "550 5.1.1 no such user");
        var id = await app.SendAsync("nobody@example.net");
        await app.Http.WaitForStatusAsync(id, "bounced");
        return id;
    }

    [Fact]
    public async Task What_was_said_about_a_refused_mail_is_there_when_asked_for()
    {
        await using var app = await TestApp.StartAsync();
        var id = await SendRefusedAsync(app);

        var lines = await LinesAsync(app, id);

        Assert.StartsWith("S: 220 ", lines![0], StringComparison.Ordinal);
        Assert.Contains(lines, l => l.StartsWith("C: EHLO ", StringComparison.Ordinal));
        Assert.Contains("C: MAIL FROM:<orders@shop.example>", lines.Select(l => l.Split(" SIZE=")[0]));
        Assert.Contains("C: RCPT TO:<nobody@example.net>", lines);
        Assert.Contains("S: 550 5.1.1 no such user", lines);
        Assert.Null(await LinesAsync(app, id, ""));
    }

    [Fact]
    public async Task Of_the_message_only_its_size_is_kept()
    {
        await using var app = await TestApp.StartAsync();
        app.Relay.AnswerAt(RelayStep.Dot, "554 5.7.1 spam");
        var id = await app.SendAsync();
        await app.Http.WaitForStatusAsync(id, "bounced");

        var lines = await LinesAsync(app, id);

        Assert.Contains(lines!, l => l.StartsWith("C: (", StringComparison.Ordinal) && l.EndsWith(" bytes of message)", StringComparison.Ordinal));
        Assert.DoesNotContain(lines!, l => l.Contains("It works.", StringComparison.Ordinal));
        Assert.Contains("S: 554 5.7.1 spam", lines!);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Of_mail_that_was_taken_it_is_kept_when_the_relay_is_set_so(bool isKept)
    {
        await using var app = await TestApp.StartAsync($"--EmailApi:Relays:0:KeepConversations={isKept}");
        await app.Http.WaitForStatusAsync(await app.SendAsync(), "sent");
        var second = await app.SendAsync();   // over the kept connection
        await app.Http.WaitForStatusAsync(second, "sent");

        var lines = await LinesAsync(app, second);

        Assert.Equal(isKept, lines is not null);
        if (isKept) Assert.StartsWith("C: MAIL FROM:", lines![0], StringComparison.Ordinal);
    }

    [Fact]
    public async Task It_goes_when_the_mail_is_erased()
    {
        await using var app = await TestApp.StartAsync();
        var id = await SendRefusedAsync(app);

        (await app.Http.DeleteAsync($"/v1/emails/{id}")).EnsureSuccessStatusCode();

        Assert.Null(await LinesAsync(app, id));
    }

    [Fact]
    public async Task Credentials_are_hidden()
    {
        await using var relay = FakeRelay.Start();
        relay.Auth = true;
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync("127.0.0.1", relay.Port, TestContext.Current.CancellationToken);
        var conversation = new Conversation();
        using var wire = new SmtpWire(new NetworkStream(socket), conversation);
        await wire.ReadAsync(TestContext.Current.CancellationToken);
        var offers = RelayOffers.Of(await wire.SayAsync("EHLO [127.0.0.1]", TestContext.Current.CancellationToken));

        var refusal = await RelayLogin.TryAsync(offers, "shop-user", "a long secret", (line, shown) => wire.SayAsync(line, TestContext.Current.CancellationToken, shown), TestContext.Current.CancellationToken);

        Assert.Null(refusal);
        var said = conversation.Text();
        Assert.Contains("C: AUTH PLAIN ********", said, StringComparison.Ordinal);
        Assert.DoesNotContain(Convert.ToBase64String(Encoding.UTF8.GetBytes("a long secret"))[..12], said, StringComparison.Ordinal);
        Assert.DoesNotContain(Convert.ToBase64String("\0shop-user\0a long secret"u8), said, StringComparison.Ordinal);
    }
}
