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
}
