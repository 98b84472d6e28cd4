using System.Text.Json.Nodes;
using EmailApi.Tests.Support;

namespace EmailApi.Tests.Bounces;

/// <summary>Receipts (RFC 8098) that were asked for become facts of the right recipient.</summary>
public sealed class ReadReceiptTests(BounceApp bounce) : IClassFixture<BounceApp>
{
    TestApp App => bounce.App;

    [Fact]
    public async Task It_is_asked_for_at_the_return_path_so_that_programs_may_send_it_by_themselves()
    {
        var (id, copies) = await AskedAsync("a@example.jp", "b@example.jp");

        Assert.Equal(2, copies.Count);
        Assert.Equal(2, copies.Select(c => c.ReversePath).Distinct().Count());
        Assert.All(copies, c => Assert.Equal(c.ReversePath, c.Read().Headers["Disposition-Notification-To"]));
        Assert.Contains($"Disposition-Notification-To: {copies.Single(c => c.Recipients[0] == "a@example.jp").ReversePath}", await App.Http.GetStringAsync($"/v1/emails/{id}/raw"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task It_is_not_asked_for_by_itself()
    {
        var id = await App.SendAsync();

        Assert.Null((await App.ReceivedAsync(id)).Headers["Disposition-Notification-To"]);
    }

    [Theory]
    [InlineData("manual-action/MDN-sent-manually; displayed", "displayed", "manual", "manual")]
    [InlineData("automatic-action/MDN-sent-automatically; deleted", "deleted", "automatic", "automatic")]
    [InlineData("manual-action/MDN-sent-automatically; processed/error", "processed", "manual", "automatic")]
    public async Task What_comes_back_is_told_of_the_right_recipient(string disposition, string type, string action, string sending)
    {
        var (id, copies) = await AskedAsync("a@example.jp", "b@example.jp");
        var second = copies.Single(c => c.Recipients[0] == "b@example.jp");

        var (_, reply) = await bounce.SmtpAsync(Reports.Receipt("b.alias@elsewhere.example", disposition, second.ReversePath), "b@example.jp", second.ReversePath);

        Assert.Equal("250", reply![..3]);
        var told = Assert.Single(await App.Http.ListAsync($"/v1/emails/{id}/events?limit=100"), e => e.Text("type") == "email.read_receipt");
        Assert.Equal("b@example.jp", told.Text("recipient"));
        var receipt = told.GetProperty("receipt");
        Assert.Equal((type, action, sending), (receipt.Text("disposition"), receipt.Text("action"), receipt.Text("sending")));
        Assert.Equal("sent", await App.Http.StatusAsync(id));
    }

    [Fact]
    public async Task The_same_again_is_told_once_and_another_disposition_too()
    {
        var (id, copies) = await AskedAsync("a@example.jp");

        foreach (var disposition in new[] { "manual-action/MDN-sent-manually; displayed", "manual-action/MDN-sent-manually; displayed", "manual-action/MDN-sent-manually; deleted" })
            await bounce.SmtpAsync(Reports.Receipt("a@example.jp", disposition, copies[0].ReversePath), "a@example.jp", copies[0].ReversePath);

        Assert.Equal(["accepted", "sent", "read_receipt", "read_receipt"], await App.Http.EventsAsync(id));
    }

    [Fact]
    public async Task One_that_is_posted_is_found_by_message_id_and_address()
    {
        var (id, _) = await AskedAsync("a@example.jp", "b@example.jp");
        var messageId = (await App.GetAsync($"/v1/emails/{id}")).Text("message_id");
        var report = Reports.Receipt("b@example.jp", "manual-action/MDN-sent-manually; displayed", "orders@shop.example", messageId);

        var dry = await bounce.PostAsync(report, "?dry_run=true");
        Assert.DoesNotContain("read_receipt", await App.Http.EventsAsync(id));
        var taken = await bounce.PostAsync(report);

        Assert.Equal(("read_receipt", "b@example.jp"), (dry.Text("kind"), dry.GetProperty("matched").Text("recipient")));
        Assert.Equal("b@example.jp", taken.GetProperty("matched").Text("recipient"));
        Assert.Single(await App.Http.EventsAsync(id), e => e == "read_receipt");
    }

    [Fact]
    public async Task Without_a_valid_return_path_the_listener_believes_none()
    {
        var (id, copies) = await AskedAsync("a@example.jp");
        var messageId = (await App.GetAsync($"/v1/emails/{id}")).Text("message_id");

        var (rcpt, _) = await bounce.SmtpAsync(Reports.Receipt("a@example.jp", "manual-action/MDN-sent-manually; displayed", "x", messageId), "a@example.jp", "x" + copies[0].ReversePath[1..]);
        await bounce.SmtpAsync(Reports.Receipt("a@example.jp", "manual-action/MDN-sent-manually; displayed", "x", messageId), "a@example.jp", "postmaster@bounce.example");

        Assert.StartsWith("550", rcpt[0], StringComparison.Ordinal);
        Assert.DoesNotContain("read_receipt", await App.Http.EventsAsync(id));
    }

    [Fact]
    public async Task Without_a_bounce_domain_it_goes_to_the_author()
    {
        await using var app = await TestApp.StartAsync();
        var id = await app.SendAsync(more: new() { ["to"] = new JsonArray("a@example.jp", "b@example.jp"), ["return_receipt"] = true });

        Assert.Equal("orders@shop.example", (await app.ReceivedAsync(id)).Headers["Disposition-Notification-To"]);
    }

    async Task<(string Id, IReadOnlyList<RelayedMail> Copies)> AskedAsync(params string[] to)
    {
        var id = await App.SendAsync(more: new() { ["to"] = new JsonArray([.. to.Select(t => JsonValue.Create(t))]), ["return_receipt"] = true });
        return (id, await App.RelayedAsync(id));
    }
}
