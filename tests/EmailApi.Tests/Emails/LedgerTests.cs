using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using EmailApi.Data;
using EmailApi.Emails;
using EmailApi.Http;
using EmailApi.Tests.Support;
using Microsoft.EntityFrameworkCore;

namespace EmailApi.Tests.Emails;

public sealed class LedgerTests
{
    static Dictionary<string, long> Counts(JsonElement ledger, string side) =>
        ledger.GetProperty(side).EnumerateObject().Where(s => s.Value.GetInt64() != 0).ToDictionary(s => s.Name, s => s.Value.GetInt64());

    static void AssertBalanced(JsonElement ledger)
    {
        Assert.True(ledger.GetProperty("balanced").GetBoolean(), ledger.GetRawText());
        Assert.Equal(ledger.GetProperty("accepted").GetInt64(), Counts(ledger, "waiting").Values.Sum() + Counts(ledger, "final").Values.Sum());
    }

    [Fact]
    public async Task It_counts_each_recipient_in_the_state_that_it_is_in()
    {
        await using var app = await TestApp.StartAsync("--EmailApi:Relays:0:MaxConnections=3");
        app.Relay.Answer("unknown@example.net", "550 5.1.1 No such user");
        app.Relay.Answer("busy@example.org", "451 4.3.2 Try later");
        await app.SendAsync(more: new() { ["to"] = new JsonArray("taro@example.jp", "unknown@example.net"), ["cc"] = "busy@example.org", ["bcc"] = "hanako@example.jp" });
        await app.SendAsync(more: new() { ["send_at"] = "2027-06-01T00:00:00Z", ["cc"] = "hanako@example.jp" });
        await app.SendAsync(to: "busy@example.org", more: new() { ["expires_at"] = DateTimeOffset.UtcNow.AddSeconds(40).ToString("O") });
        await app.UntilAsync(async db => !await db.Queue.AnyAsync(q => q.LeaseUntil != null || q.DueAt <= EmailDb.Now()));
        app.Relay.AnswerAt(RelayStep.Mail, "hang");
        await app.SendAsync();
        await app.UntilAsync(async _ => Counts(await app.GetAsync("/v1/ledger"), "waiting").ContainsKey("sending"));

        var ledger = await app.GetAsync("/v1/ledger");

        AssertBalanced(ledger);
        Assert.Equal(8, ledger.GetProperty("accepted").GetInt64());
        Assert.Equal(new() { ["scheduled"] = 2, ["deferred"] = 1, ["sending"] = 1 }, Counts(ledger, "waiting"));
        Assert.Equal(new() { ["sent"] = 2, ["bounced"] = 1, ["expired"] = 1 }, Counts(ledger, "final"));
        var words = Enum.GetValues<RecipientState>().ToLookup(s => s.IsOpen(), s => s.Word());
        Assert.Equal(words[true].Order(StringComparer.Ordinal), ledger.GetProperty("waiting").EnumerateObject().Select(s => s.Name));
        Assert.Equal(words[false].Order(StringComparer.Ordinal), ledger.GetProperty("final").EnumerateObject().Select(s => s.Name));
        await app.Relay.StopAsync();
    }

    [Fact]
    public async Task It_finds_nothing_wrong_while_mail_moves()
    {
        await using var app = await TestApp.StartAsync();
        app.Relay.Answer("unknown@example.net", "550 5.7.1 Not wanted");
        app.Relay.Answer("busy@example.org", "451 4.3.2 Try later");
        var load = Task.WhenAll(Enumerable.Range(0, 10).Select(async _ =>
        {
            for (var i = 0; i < 10; i++) await app.SendAsync(more: new() { ["to"] = new JsonArray("taro@example.jp", "unknown@example.net", "busy@example.org") });
        }));

        var looks = 0;
        while (!load.IsCompleted || looks < 5)
        {
            AssertBalanced(await app.GetAsync("/v1/ledger"));
            looks++;
        }

        await load;
        await app.RunDueAsync();
        var ledger = await app.GetAsync("/v1/ledger");
        AssertBalanced(ledger);
        Assert.Equal(300, ledger.GetProperty("accepted").GetInt64());
        Assert.Equal(new() { ["sent"] = 100, ["bounced"] = 100 }, Counts(ledger, "final"));
        Assert.Equal(new() { ["deferred"] = 100 }, Counts(ledger, "waiting"));
    }

    [Fact]
    public async Task It_tells_when_a_recipient_is_lost()
    {
        await using var app = await TestApp.StartAsync();
        var id = await app.SendAsync(more: new() { ["send_at"] = "2027-06-01T00:00:00Z" });

        await app.ExecuteAsync("delete from queue");
        var ledger = await app.GetAsync("/v1/ledger");

        Assert.False(ledger.GetProperty("balanced").GetBoolean());
        Assert.Equal("scheduled", (await app.GetAsync($"/v1/emails/{id}")).GetProperty("status").GetString());
    }

    [Fact]
    public async Task From_and_to_bound_the_time_of_acceptance()
    {
        await using var app = await TestApp.StartAsync();
        await app.SendAsync();
        await Task.Delay(5);   // another millisecond: ids count them
        var between = DateTimeOffset.UtcNow;
        await Task.Delay(5);
        await app.SendAsync(more: new() { ["cc"] = "hanako@example.jp" });
        var at = Uri.EscapeDataString(between.ToString("O"));

        Assert.Equal(1, await AcceptedAsync($"?to={at}"));
        Assert.Equal(2, await AcceptedAsync($"?from={at}"));
        Assert.Equal(3, await AcceptedAsync(""));
        Assert.Equal(0, await AcceptedAsync($"?from={at}&to={at}"));
        Assert.Equal(3, await AcceptedAsync("?from=1900-01-01T00:00:00Z"));
        Assert.Equal(0, await AcceptedAsync("?to=0001-01-01T00:00:00Z"));
        Assert.Equal(0, await AcceptedAsync("?from=9999-12-31T23:59:59Z"));
        Assert.Equal(HttpStatusCode.BadRequest, (await app.Http.GetAsync("/v1/ledger?from=2026-12-01T00:00:00Z&to=2026-11-01T00:00:00Z")).StatusCode);

        async Task<long> AcceptedAsync(string query)
        {
            var ledger = await app.GetAsync($"/v1/ledger{query}");
            AssertBalanced(ledger);
            return ledger.GetProperty("accepted").GetInt64();
        }
    }
}
