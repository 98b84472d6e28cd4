using EmailApi.Client;
using EmailApi.Tests.Support;

namespace EmailApi.Tests.Contract;

public sealed class ClientSuppressionTests
{
    [Fact]
    public async Task Addresses_are_suppressed_found_listed_and_lifted()
    {
        await using var app = await TestApp.StartAsync();
        using var http = new HttpClient();
        var client = new EmailApiClient(http, new() { BaseAddress = app.Http.BaseAddress, Key = TestApp.Key });
        var mail = new SendEmailRequest { From = "orders@shop.example", To = ["Gone+1/2@example.jp"], Subject = "Hello", Text = "It works." };

        var made = await client.SuppressAsync(new("gone+1/2@example.jp", "complaint", ExpiresAt: DateTimeOffset.UtcNow.AddDays(1)));
        await client.SuppressAsync(new("gone+1/2@example.jp", Stream: "transactional"));
        var found = await client.GetSuppressionsAsync("GONE+1/2@example.jp");
        var page = await client.ListSuppressionsAsync(new() { Reason = "complaint", Address = "gone+1/2@example.jp", Source = "manual" }, limit: 1);
        var suppressed = await client.SendAsync(mail);
        var passed = await client.WaitAsync((await client.SendAsync(mail with { OverrideSuppression = true })).Id);
        await client.LiftSuppressionAsync("gone+1/2@example.jp");
        await client.LiftSuppressionAsync("gone+1/2@example.jp", "transactional");
        var gone = await Assert.ThrowsAsync<EmailApiException>(() => client.LiftSuppressionAsync("gone+1/2@example.jp"));

        Assert.Equal([null, "transactional"], found.Select(s => s.Stream));
        Assert.Equal(made, Assert.Single(page.Data));
        Assert.Equal((EmailStatus.Suppressed, EmailStatus.Suppressed, "complaint"), (suppressed.Status, suppressed.Recipients[0].Status, suppressed.Recipients[0].Reason));
        Assert.Equal(EmailStatus.Sent, passed.Status);
        Assert.Equal("not_found", gone.Code);
        Assert.Empty(await client.GetSuppressionsAsync("gone+1/2@example.jp"));
        await foreach (var fact in client.ListEventsAsync(types: ["email.suppressed"], poll: TimeSpan.FromSeconds(0.1)))   // the feed waits for transactions that are open
        {
            Assert.Equal(("complaint", "manual", true), (fact.Reason, fact.Source, fact.Since > made.CreatedAt.AddSeconds(-1)));
            break;
        }
    }
}
