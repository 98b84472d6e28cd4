using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using EmailApi.Data;
using EmailApi.Delivery;
using EmailApi.Emails;
using EmailApi.Tests.Support;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace EmailApi.Tests.Pauses;

/// <summary>What a pause stops, what a resume lets go, and what becomes of the mail in between.</summary>
public sealed class PauseTests : IAsyncLifetime
{
    TestApp app = null!;

    static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        app = await TestApp.StartAsync();
        await app.PostAsync(new JsonObject { ["name"] = "invoice" }, "/v1/streams");
    }

    public ValueTask DisposeAsync() => app.DisposeAsync();

    async Task<JsonElement> PostAsync(string path, string body, HttpStatusCode expected = HttpStatusCode.OK)
    {
        using var answer = await app.Http.PostTextAsync(path, body);
        var json = await answer.JsonAsync();
        Assert.True(answer.StatusCode == expected, $"{answer.StatusCode}: {json.GetRawText()}");
        return json;
    }

    static JsonObject Invoice(params (string Name, JsonNode Value)[] more)
    {
        var mail = new JsonObject { ["stream"] = "invoice", ["tags"] = new JsonObject { ["order"] = "4711" } };
        foreach (var (name, value) in more) mail[name] = value.DeepClone();
        return mail;
    }

    static string At(TimeSpan fromNow) => DateTimeOffset.UtcNow.Add(fromNow).ToString("o");

    [Theory]
    [InlineData("""{"project": "default"}""", false)]
    [InlineData("""{"stream": "invoice"}""", true)]
    [InlineData("""{"tag": "order:4711"}""", true)]
    [InlineData("""{"tag": "order"}""", true)]
    [InlineData("""{"key": "bootstrap"}""", false)]
    [InlineData("""{"relay": "test"}""", false)]
    public async Task What_a_pause_matches_is_held_and_leaves_once_after_the_resume(string selector, bool othersLeave)
    {
        var paused = await PostAsync("/v1/pause", selector);
        var again = await PostAsync("/v1/pause", selector);
        var id = await app.SendAsync("stopped@example.jp", Invoice());
        await app.WaitForAsync(id, RecipientState.Held);
        var other = await app.SendAsync("other@example.jp");
        await app.WaitForAsync(other, othersLeave ? RecipientState.Sent : RecipientState.Held);
        var before = app.Relay.CopiesOf(id).Count;
        var recipient = await app.Http.RecipientAsync(id);
        var resumed = await PostAsync("/v1/resume", selector);
        await app.WaitForAsync(id, RecipientState.Sent);
        await app.WaitForAsync(other, RecipientState.Sent);

        Assert.Equal(paused.GetProperty("paused_at").GetDateTimeOffset(), again.GetProperty("paused_at").GetDateTimeOffset());
        Assert.Equal(0, before);
        Assert.Equal("paused", recipient.Text("reason"));
        Assert.NotEqual(JsonValueKind.Null, resumed.GetProperty("resumed_at").ValueKind);
        Assert.Single(app.Relay.CopiesOf(id));
        Assert.Equal(["accepted", "held", "released", "sent"], await app.Http.EventsAsync(id));
        Assert.Empty(await app.Http.ListAsync("/v1/pause"));
        await app.Http.AssertBalancedAsync(accepted: 2);
    }

    [Fact]
    public async Task The_list_says_what_is_paused_and_the_events_why()
    {
        await PostAsync("/v1/pause", """{"stream": "invoice", "reason": "wrong amounts"}""");
        var id = await app.SendAsync(more: Invoice());
        await app.WaitForAsync(id, RecipientState.Held);

        var listed = Assert.Single(await app.Http.ListAsync("/v1/pause"));
        var held = (await app.Http.ListAsync($"/v1/emails/{id}/events"))[^1];

        Assert.Equal("""{"stream":"invoice"}""", listed.GetProperty("selector").GetRawText());
        Assert.Equal(("wrong amounts", "bootstrap"), (listed.Text("reason"), listed.Text("paused_by")));
        Assert.Equal(("paused", "wrong amounts"), (held.Text("reason"), held.Text("note")));
    }

    [Fact]
    public async Task A_backlog_is_held_whatever_it_waits_for_and_what_is_not_due_stays_scheduled()
    {
        app.Relay.Answer("busy@example.jp", "451 4.3.0 later");
        var deferred = await app.SendAsync("busy@example.jp", Invoice());
        var scheduled = await app.SendAsync("later@example.jp", Invoice(("send_at", At(TimeSpan.FromHours(1)))));
        await app.WaitForAsync(deferred, RecipientState.Deferred);

        var paused = await PostAsync("/v1/pause", """{"stream": "invoice"}""");

        Assert.True(paused.GetProperty("settled").GetBoolean());
        Assert.Equal([RecipientState.Held], await app.StatesAsync(deferred));
        Assert.Equal([RecipientState.Scheduled], await app.StatesAsync(scheduled));
        await app.ExecuteAsync("update queue set due_at = now() where due_at < 'infinity'");
        await app.WaitForAsync(scheduled, RecipientState.Held);
        app.Relay.AnswerAsUsual();
        await PostAsync("/v1/resume", """{"stream": "invoice"}""");
        await app.WaitForAsync(deferred, RecipientState.Sent);
        await app.WaitForAsync(scheduled, RecipientState.Scheduled);
    }

    [Fact]
    public async Task What_another_pause_matches_stays_held()
    {
        await PostAsync("/v1/pause", """{"stream": "invoice"}""");
        await PostAsync("/v1/pause", """{"tag": "order:4711"}""");
        var both = await app.SendAsync(more: Invoice());
        var one = await app.SendAsync(more: new() { ["stream"] = "invoice" });
        await app.WaitForAsync(both, RecipientState.Held);
        await app.WaitForAsync(one, RecipientState.Held);

        await PostAsync("/v1/resume", """{"stream": "invoice"}""");
        await app.WaitForAsync(one, RecipientState.Sent);
        var between = await app.StatesAsync(both);
        await PostAsync("/v1/resume", """{"tag": "order:4711"}""");
        await app.WaitForAsync(both, RecipientState.Sent);

        Assert.Equal([RecipientState.Held], between);
    }

    [Fact]
    public async Task Life_counts_from_the_release_unless_the_mail_has_a_limit_of_its_own()
    {
        await PostAsync("/v1/pause", """{"stream": "invoice"}""");
        var plain = await app.SendAsync(more: Invoice());
        var limited = await app.SendAsync(more: Invoice(("expires_at", At(TimeSpan.FromHours(5)))));
        var late = await app.SendAsync(more: Invoice(("expires_at", At(TimeSpan.FromHours(6)))));
        foreach (var id in new[] { plain, limited, late }) await app.WaitForAsync(id, RecipientState.Held);
        await app.ExecuteAsync($"""
            update emails set created_at = now() - interval '3 days', expires_at = now() - interval '1 day' where id = '{plain.ToGuid()}';
            update queue set expires_at = now() where email_id = '{late.ToGuid()}'
            """);
        await app.WaitForAsync(late, RecipientState.Expired);
        app.Relay.AnswerAt(RelayStep.Mail, "451 4.3.0 later");

        await PostAsync("/v1/resume", """{"stream": "invoice"}""");
        await app.WaitForAsync(plain, RecipientState.Deferred);
        await app.WaitForAsync(limited, RecipientState.Deferred);

        Assert.InRange((await LimitAsync(plain) - DateTimeOffset.UtcNow).TotalHours, 47.9, 48.1);
        Assert.InRange((await LimitAsync(limited) - DateTimeOffset.UtcNow).TotalHours, 4.9, 5.1);
        Assert.InRange(((await app.Http.MailAsync(plain)).GetProperty("expires_at").GetDateTimeOffset() - DateTimeOffset.UtcNow).TotalHours, 47.9, 48.1);
    }

    Task<DateTimeOffset> LimitAsync(string id)
    {
        var email = id.ToGuid();
        return app.QueryAsync(db => db.Queue.Where(q => q.EmailId == email).Select(q => q.ExpiresAt).SingleAsync());
    }

    [Fact]
    public async Task A_paused_mail_can_be_canceled_and_a_retry_names_the_pause()
    {
        app.Relay.Answer("full@example.jp", "550 5.2.2 full");
        var bounced = await app.SendAsync("full@example.jp", Invoice());
        await app.WaitForAsync(bounced, RecipientState.Bounced);
        await PostAsync("/v1/pause", """{"stream": "invoice"}""");
        var id = await app.SendAsync(more: Invoice());
        await app.WaitForAsync(id, RecipientState.Held);

        var refused = await PostAsync($"/v1/emails/{id}/retry", "{}", HttpStatusCode.Conflict);
        await PostAsync($"/v1/emails/{bounced}/retry", "{}", HttpStatusCode.Conflict);
        var canceled = await PostAsync($"/v1/emails/{id}/cancel", "{}");

        Assert.Contains("stream invoice", refused.Text("detail"), StringComparison.Ordinal);
        Assert.Equal("canceled", canceled.Text("status"));
        await PostAsync("/v1/resume", """{"stream": "invoice"}""");
        Assert.Equal([RecipientState.Canceled], await app.StatesAsync(id));
    }

    [Fact]
    public async Task After_the_answer_no_more_leaves_than_was_being_sent_and_nothing_leaves_twice()
    {
        await using var other = await app.StartNodeAsync();
        app.Relay.AnswerAt(RelayStep.Dot, "delay:5");
        for (var i = 0; i < 3; i++)
            (await app.PostAsync(new JsonArray([.. Enumerable.Range(0, 1000).Select(n => { var mail = TestApp.Mail($"r{i}-{n}@example.jp"); mail["stream"] = "invoice"; return mail; })]), "/v1/emails/batch")).EnsureSuccessStatusCode();
        await app.Relay.WaitForAsync(100);

        var paused = await Task.WhenAll(app.Http.PostTextAsync("/v1/pause", """{"stream": "invoice"}"""), other.Http.PostTextAsync("/v1/pause", """{"stream": "invoice"}"""));
        var sending = await app.QueryAsync(db => db.Queue.CountAsync(q => q.LeaseUntil != null));
        var taken = app.Relay.Mails.Count;
        await app.UntilAsync(async db => !await db.Queue.AnyAsync(q => q.DueAt <= EmailDb.Now() || q.LeaseUntil != null, Cancel));
        var rest = app.Relay.Mails.Count;
        await Task.WhenAll(app.Http.PostTextAsync("/v1/resume", """{"stream": "invoice"}"""), other.Http.PostTextAsync("/v1/resume", """{"stream": "invoice"}"""));
        await app.Relay.WaitForAsync(3000, TimeSpan.FromSeconds(60));
        await app.RunDueAsync();

        Assert.All(paused, p => Assert.Equal(HttpStatusCode.OK, p.StatusCode));
        Assert.InRange(rest, taken, taken + sending + 20);   // what was in dialogue when it was counted
        Assert.True(rest < 3000);
        Assert.Equal(3000, app.Relay.Mails.Count);
        Assert.Equal(3000, app.Relay.Mails.Select(m => m.MessageId).Distinct().Count());
        await app.Http.AssertBalancedAsync(accepted: 3000);
    }

    [Fact]
    public async Task A_release_that_was_cut_off_goes_on_by_itself()
    {
        await using var api = await TestApp.StartAsync("--EmailApi:Role=api");
        var ids = new List<string>();
        for (var i = 0; i < 3; i++) ids.Add(await api.SendAsync($"r{i}@example.jp"));
        (await api.Http.PostTextAsync("/v1/pause", """{"project": "default"}""")).EnsureSuccessStatusCode();
        Assert.All(ids, id => Assert.Equal([RecipientState.Held], api.StatesAsync(id).GetAwaiter().GetResult()));
        await api.ExecuteAsync("update pauses set resumed_at = now(), walked_to = '00000000-0000-0000-0000-000000000000'");   // as a node that died leaves it

        await api.Services.GetRequiredService<SweepQueue>().SweepAsync(Cancel);

        Assert.All(ids, id => Assert.Equal([RecipientState.Queued], api.StatesAsync(id).GetAwaiter().GetResult()));
        Assert.Equal(0, await api.QueryAsync(db => db.Pauses.CountAsync()));
    }

    [Fact]
    public async Task A_paused_backlog_does_not_keep_others_mail_waiting()
    {
        await using var api = await TestApp.StartAsync("--EmailApi:Role=api");
        await api.PostAsync(new JsonObject { ["name"] = "invoice" }, "/v1/streams");
        await api.PostAsync(new JsonArray([.. Enumerable.Range(0, 900).Select(n => { var mail = TestApp.Mail($"r{n}@example.jp"); mail["stream"] = "invoice"; return mail; })]), "/v1/emails/batch");
        await api.SendAsync("other@example.jp");
        await api.ExecuteAsync("insert into pauses (project_id, by, value, paused_by, walked_n) select id, 'stream', 'invoice', 'bootstrap', 0 from projects");   // nothing walks

        var claimed = await api.Services.GetRequiredService<DeliveryQueue>().ClaimAsync("test", 10, Cancel);

        Assert.Equal(["other@example.jp"], claimed.SelectMany(e => e.Recipients.Select(r => r.Address)));
        Assert.Equal(900, await api.QueryAsync(db => db.Recipients.CountAsync(r => r.State == RecipientState.Held)));
    }
}
