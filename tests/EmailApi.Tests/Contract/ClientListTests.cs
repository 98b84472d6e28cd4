using EmailApi.Client;
using EmailApi.Tests.Support;

namespace EmailApi.Tests.Contract;

/// <summary>The client's log of mail against the whole app.</summary>
public sealed class ClientListTests : IAsyncLifetime
{
    TestApp app = null!;
    EmailApiClient client = null!;

    public async ValueTask InitializeAsync()
    {
        app = await TestApp.StartAsync("--EmailApi:Role=api");
        client = new(new HttpClient(), new() { BaseAddress = app.Http.BaseAddress!, Key = TestApp.Key });
    }

    public ValueTask DisposeAsync() => app.DisposeAsync();

    [Fact]
    public async Task Every_part_of_the_filter_is_heard()
    {
        var now = DateTimeOffset.UtcNow;
        var sent = await client.SendAsync(new()
        {
            From = "orders@shop.example",
            To = ["a+b@example.jp"],
            Subject = "ご注文 & 4711",
            Text = "x",
            Tags = new Dictionary<string, string> { ["order"] = "47 11" },
        });
        await app.SendAsync();

        var all = new EmailFilter
        {
            Status = EmailStatus.Queued,
            Address = "a+b@example.jp",
            Stream = "transactional",
            Tag = "order:47 11",
            Subject = "文 & 47",
            From = now.AddMinutes(-1),
            To = now.AddMinutes(1).ToOffset(TimeSpan.FromHours(9)),
        };
        var found = Assert.Single((await client.ListAsync(all)).Data);

        Assert.Equal((sent.Id, EmailStatus.Queued, "ご注文 & 4711", 1), (found.Id, found.Status, found.Subject, found.RecipientCount));
        Assert.Equal(["a+b@example.jp"], found.Recipients);
        Assert.Equal("47 11", found.Tags["order"]);
        Assert.Single((await client.ListAsync(new() { Key = found.Key, Tag = "order" })).Data);
        foreach (var other in new EmailFilter[] { new() { Status = EmailStatus.Bounced }, new() { Key = "other" }, new() { Stream = "otp" }, new() { From = now.AddDays(1) }, new() { To = now.AddDays(-1) } })
            Assert.Empty((await client.ListAsync(other)).Data);
    }

    [Fact]
    public async Task All_pages_are_followed_in_order()
    {
        var ids = new List<string>();
        foreach (var _ in Enumerable.Range(0, 3)) ids.AddRange((await client.SendBatchAsync([.. Enumerable.Range(0, 70).Select(_ => Mail())])).Data.Select(d => d.Id!));

        var page = await client.ListAsync(limit: 2);
        var next = await client.ListAsync(after: page.NextCursor, limit: 2);
        var all = new List<string>();
        await foreach (var email in client.ListAllAsync()) all.Add(email.Id);

        Assert.Equal(ids.OrderDescending(StringComparer.Ordinal), all);
        Assert.Equal(all[..4], page.Data.Concat(next.Data).Select(e => e.Id));
    }

    [Fact]
    public async Task What_is_wrong_is_an_exception_and_a_cancel_is_obeyed()
    {
        using var canceled = new CancellationTokenSource();
        await canceled.CancelAsync();

        var filter = await Assert.ThrowsAsync<EmailApiException>(() => client.ListAsync(new() { Address = "nobody" }));
        var cursor = await Assert.ThrowsAsync<EmailApiException>(() => client.ListAsync(after: "zzz"));
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => client.ListAsync(limit: 101));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => { await foreach (var _ in client.ListAllAsync(cancel: canceled.Token)) { } });

        Assert.Equal(("bad_request", "bad_cursor"), (filter.Code, cursor.Code));
    }

    static SendEmailRequest Mail() => new() { From = "orders@shop.example", To = ["taro@example.jp"], Subject = "Hello", Text = "x" };
}
