using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using EmailApi.Emails;
using EmailApi.Tests.Support;

namespace EmailApi.Tests.Emails;

public sealed class ListEmailsTests : IAsyncLifetime
{
    TestApp app = null!;

    public async ValueTask InitializeAsync() => app = await TestApp.StartAsync();

    public ValueTask DisposeAsync() => app.DisposeAsync();

    async Task<List<string>> IdsAsync(string query) =>
        [.. (await app.GetAsync($"/v1/emails?{query}")).GetProperty("data").EnumerateArray().Select(e => e.GetProperty("id").GetString()!)];

    [Fact]
    public async Task Each_filter_finds_its_mail_and_all_must_hold()
    {
        await app.PostAsync(new JsonObject { ["name"] = "invoice" }, "/v1/streams");
        var plain = await app.SendAsync();
        var tagged = await app.SendAsync("hanako@example.jp", new() { ["subject"] = "請求書 100%_off", ["stream"] = "invoice", ["tags"] = new JsonObject { ["order"] = "4711" } });
        var later = await app.SendAsync(more: new() { ["send_at"] = DateTimeOffset.UtcNow.AddDays(1).ToString("o") });
        await app.WaitForAsync(plain, RecipientState.Sent);
        await app.WaitForAsync(tagged, RecipientState.Sent);

        Assert.Equal([later, tagged, plain], await IdsAsync(""));
        Assert.Equal([tagged], await IdsAsync("address=hanako@example.jp"));
        Assert.Equal([tagged], await IdsAsync("stream=invoice"));
        Assert.Equal([tagged], await IdsAsync("tag=order:4711"));
        Assert.Equal([tagged], await IdsAsync("tag=order"));
        Assert.Empty(await IdsAsync("tag=order:4712"));
        Assert.Equal([tagged], await IdsAsync($"subject={Uri.EscapeDataString("求書 100%_")}"));
        Assert.Empty(await IdsAsync($"subject={Uri.EscapeDataString("100__off")}"));
        Assert.Equal([later, tagged, plain], await IdsAsync("key=bootstrap"));
        Assert.Equal([tagged, plain], await IdsAsync("status=sent"));
        Assert.Equal([later], await IdsAsync("status=scheduled"));
        Assert.Equal([plain], await IdsAsync("status=sent&stream=transactional&address=taro@example.jp"));
        Assert.Empty(await IdsAsync($"to={Uri.EscapeDataString(DateTimeOffset.UtcNow.AddHours(-1).ToString("o"))}"));
    }

    [Fact]
    public async Task Pages_follow_each_other_without_gap_or_repeat()
    {
        var sent = new List<string>();
        for (var i = 0; i < 7; i++) sent.Add(await app.SendAsync($"r{i}@example.jp"));

        var (seen, cursor) = (new List<string>(), "");
        do
        {
            var page = await app.GetAsync($"/v1/emails?limit=3&after={cursor}");
            seen.AddRange(page.GetProperty("data").EnumerateArray().Select(e => e.GetProperty("id").GetString()!));
            cursor = page.GetProperty("next_cursor").GetString();
        }
        while (cursor is not null);

        sent.Reverse();
        Assert.Equal(sent, seen);
    }

    [Fact]
    public async Task A_status_in_the_list_is_the_one_that_the_mail_itself_shows()
    {
        app.Relay.Answer("no@example.jp", "550 5.7.1 refused");
        app.Relay.Answer("busy@example.jp", "451 4.3.2 later");
        var ids = new[]
        {
            await app.SendAsync("yes@example.jp"), await app.SendAsync("no@example.jp"), await app.SendAsync("busy@example.jp"),
            await app.SendAsync(more: new() { ["to"] = new JsonArray("yes@example.jp", "no@example.jp") }),
        };
        await app.WaitForAsync(ids[0], RecipientState.Sent);
        await app.WaitForAsync(ids[2], RecipientState.Deferred);
        await app.WaitForAsync(ids[3], RecipientState.Sent, RecipientState.Bounced);
        await app.WaitForAsync(ids[1], RecipientState.Bounced);

        foreach (var listed in (await app.GetAsync("/v1/emails")).GetProperty("data").EnumerateArray())
        {
            var (id, status) = (listed.GetProperty("id").GetString()!, listed.GetProperty("status").GetString());
            Assert.Equal((await app.GetAsync($"/v1/emails/{id}")).GetProperty("status").GetString(), status);
            Assert.Contains(id, await IdsAsync($"status={status}"));
        }

        Assert.Equal([ids[3]], await IdsAsync("status=partial"));
    }

    [Theory]
    [InlineData("status=lost", "status is one of scheduled")]
    [InlineData("address=taro", "address is a whole address")]
    [InlineData("from=yesterday", "from is a time with its offset")]
    [InlineData("stream=", "stream has 1 to 200 characters")]
    [InlineData("colour=red", "There is no parameter colour here; there are status, address")]
    [InlineData("after=zzz", "Give the next_cursor")]
    public async Task A_wrong_filter_is_400_and_says_what_is_right(string query, string sentence)
    {
        using var answer = await app.Http.GetAsync($"/v1/emails?{query}");
        var problem = JsonDocument.Parse(await answer.Content.ReadAsStringAsync()).RootElement;

        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.StartsWith(sentence, problem.GetProperty("detail").GetString(), StringComparison.Ordinal);
    }
}
