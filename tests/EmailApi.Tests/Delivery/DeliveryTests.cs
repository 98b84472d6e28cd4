using System.Globalization;
using EmailApi.Emails;
using EmailApi.Tests.Support;

namespace EmailApi.Tests.Delivery;

public sealed class DeliveryTests
{
    [Fact]
    public async Task An_accepted_mail_reaches_the_relay_and_is_sent()
    {
        await using var app = await TestApp.StartAsync();

        var id = await app.SendAsync(to: "taro@example.jp");
        var mail = Assert.Single(await app.Relay.WaitForAsync(1));
        await app.WaitForAsync(id, RecipientState.Sent);

        Assert.Equal("orders@shop.example", mail.ReversePath);
        Assert.Equal(["taro@example.jp"], mail.Recipients);
    }

    [Fact]
    public async Task A_scheduled_mail_is_dated_by_its_send_at()
    {
        await using var app = await TestApp.StartAsync();
        var sendAt = DateTimeOffset.UtcNow.AddDays(3);

        await app.SendAsync(more: new() { ["send_at"] = sendAt.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture) });
        await app.RunDueAsync();
        var mail = Assert.Single(await app.Relay.WaitForAsync(1));

        Assert.Contains($"Date: {sendAt.ToString("ddd, dd MMM yyyy HH:mm:ss", CultureInfo.InvariantCulture)} +0000", mail.Text, StringComparison.Ordinal);
    }
}
