using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Nodes;
using EmailApi.Emails;
using EmailApi.Tests.Support;
using Microsoft.EntityFrameworkCore;

namespace EmailApi.Tests.Emails;

public sealed class ControlEmailTests : IAsyncLifetime
{
    static readonly JsonObject Tomorrow = new() { ["send_at"] = DateTimeOffset.UtcNow.AddDays(1).ToString("o") };

    TestApp app = null!;

    public async ValueTask InitializeAsync() => app = await TestApp.StartAsync();

    public ValueTask DisposeAsync() => app.DisposeAsync();

    async Task<(HttpStatusCode Status, JsonElement Body)> PostAsync(string path, JsonObject? body = null)
    {
        using var answer = await app.PostAsync(body ?? [], path);
        return (answer.StatusCode, await answer.Content.ReadFromJsonAsync<JsonElement>());
    }

    async Task<List<string>> EventsAsync(string id) =>
        [.. (await app.GetAsync($"/v1/emails/{id}/events")).GetProperty("data").EnumerateArray().Select(e => e.GetProperty("type").GetString()!)];

    [Fact]
    public async Task A_scheduled_mail_is_canceled_once()
    {
        var id = await app.SendAsync(more: Tomorrow);

        var first = await PostAsync($"/v1/emails/{id}/cancel");
        var second = await PostAsync($"/v1/emails/{id}/cancel");

        Assert.Equal((HttpStatusCode.OK, "canceled"), (first.Status, first.Body.GetProperty("status").GetString()));
        Assert.Equal((HttpStatusCode.Conflict, "wrong_state"), (second.Status, second.Body.GetProperty("code").GetString()));
        Assert.Equal(["email.accepted", "email.scheduled", "email.canceled"], await EventsAsync(id));
        Assert.True((await app.GetAsync("/v1/ledger")).GetProperty("balanced").GetBoolean());
    }

    [Fact]
    public async Task All_mail_that_a_filter_finds_is_canceled_and_no_other()
    {
        var more = (JsonObject)Tomorrow.DeepClone();
        more["tags"] = new JsonObject { ["campaign"] = "a" };
        var (tagged, other) = (await app.SendAsync(more: more), await app.SendAsync(more: Tomorrow));
        await app.SendAsync(more: more);

        var nothing = await PostAsync("/v1/emails/cancel");
        var canceled = await PostAsync("/v1/emails/cancel?tag=campaign:a");
        var again = await PostAsync("/v1/emails/cancel?tag=campaign:a");

        Assert.Equal(HttpStatusCode.BadRequest, nothing.Status);
        Assert.Equal((2, 2), (canceled.Body.GetProperty("emails").GetInt32(), canceled.Body.GetProperty("recipients").GetInt32()));
        Assert.Equal(0, again.Body.GetProperty("recipients").GetInt32());
        Assert.Equal([RecipientState.Canceled], await app.StatesAsync(tagged));
        Assert.Equal([RecipientState.Scheduled], await app.StatesAsync(other));
    }

    [Fact]
    public async Task A_test_key_cancels_by_filter_what_test_keys_sent_and_no_live_mail()
    {
        var later = new JsonObject { ["send_at"] = DateTimeOffset.UtcNow.AddHours(1).ToString("o") };
        var live = await app.SendAsync(more: later);
        using var made = await app.PostAsync(new JsonObject { ["name"] = "trial", ["mode"] = "test", ["scopes"] = new JsonArray("send", "manage") }, "/v1/keys");
        using var test = app.WithKey((await made.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("key").GetString());
        var mail = TestApp.Mail();
        mail["send_at"] = later["send_at"]!.DeepClone();
        (await test.PostTextAsync("/v1/emails", mail.ToJsonString())).Dispose();

        using var answer = await test.PostAsync("/v1/emails/cancel?stream=transactional", null);

        Assert.Equal(1, (await answer.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("emails").GetInt32());
        Assert.Equal([RecipientState.Scheduled], await app.StatesAsync(live));
    }

    [Theory]
    [InlineData("key=bootstrap", 0)]   // what it asks for is not its own, and what is its own it did not ask for
    [InlineData("stream=transactional", 1)]
    public async Task A_bound_key_cancels_by_filter_what_it_sent_itself_and_asked_for(string filter, int ended)
    {
        var live = await app.SendAsync(more: Tomorrow);
        using var made = await app.PostAsync(new JsonObject { ["name"] = "shop", ["scopes"] = new JsonArray("send", "manage"), ["senders"] = new JsonArray("shop.example") }, "/v1/keys");
        using var bound = app.WithKey((await made.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("key").GetString());
        var mail = TestApp.Mail();
        mail["send_at"] = Tomorrow["send_at"]!.DeepClone();
        (await bound.PostTextAsync("/v1/emails", mail.ToJsonString())).Dispose();

        using var answer = await bound.PostAsync($"/v1/emails/cancel?{filter}", null);

        Assert.Equal(ended, (await answer.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("recipients").GetInt32());
        Assert.Equal([RecipientState.Scheduled], await app.StatesAsync(live));
    }

    [Fact]
    public async Task A_cancel_and_a_claim_never_both_win()
    {
        var ids = await Task.WhenAll(Enumerable.Range(0, 100).Select(i => app.SendAsync($"r{i}@example.jp")));

        var canceled = 0;
        await Task.WhenAll(ids.Select(async id =>
        {
            if ((await PostAsync($"/v1/emails/{id}/cancel")).Status is HttpStatusCode.OK) Interlocked.Increment(ref canceled);
        }));
        await app.RunDueAsync();
        var states = (await Task.WhenAll(ids.Select(app.StatesAsync))).Select(s => s.Single()).ToList();

        Assert.Equal(canceled, states.Count(s => s is RecipientState.Canceled));
        Assert.Equal(100 - canceled, states.Count(s => s is RecipientState.Sent));
        Assert.Equal(100 - canceled, app.Relay.Mails.Count);
    }

    [Fact]
    public async Task A_mail_gets_another_time_as_long_as_nothing_was_tried()
    {
        var id = await app.SendAsync(more: Tomorrow);
        var at = DateTimeOffset.UtcNow.AddDays(3);

        var patched = await app.Http.PatchAsJsonAsync($"/v1/emails/{id}", new { send_at = at.ToString("o") });
        var shown = await app.GetAsync($"/v1/emails/{id}");
        await app.RunDueAsync();
        await app.WaitForAsync(id, RecipientState.Sent);
        var late = await app.Http.PatchAsJsonAsync($"/v1/emails/{id}", new { send_at = at.ToString("o") });

        Assert.Equal(HttpStatusCode.OK, patched.StatusCode);
        Assert.Equal(at.ToUnixTimeMilliseconds(), shown.GetProperty("recipients")[0].GetProperty("due_at").GetDateTimeOffset().ToUnixTimeMilliseconds());
        Assert.Equal(at.AddHours(48).ToUnixTimeMilliseconds(), shown.GetProperty("expires_at").GetDateTimeOffset().ToUnixTimeMilliseconds());
        Assert.Equal(HttpStatusCode.Conflict, late.StatusCode);
    }

    [Fact]
    public async Task A_bounced_mail_can_be_tried_again_and_a_sent_one_cannot()
    {
        app.Relay.Answer("full@example.jp", "550 5.2.2 full", times: 1);
        var id = await app.SendAsync("full@example.jp");
        await app.WaitForAsync(id, RecipientState.Bounced);

        var retried = await PostAsync($"/v1/emails/{id}/retry");
        await app.WaitForAsync(id, RecipientState.Sent);
        var again = await PostAsync($"/v1/emails/{id}/retry");

        Assert.Equal(HttpStatusCode.OK, retried.Status);
        Assert.Equal(HttpStatusCode.Conflict, again.Status);
        Assert.Equal(["email.accepted", "email.bounced", "email.retried", "email.sent"], await EventsAsync(id));
    }

    [Fact]
    public async Task A_test_mail_stays_on_the_machine_whoever_tries_it_again()
    {
        var key = (await PostAsync("/v1/keys", new() { ["name"] = "test", ["mode"] = "test", ["scopes"] = new JsonArray("send") })).Body.GetProperty("key").GetString()!;
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/emails")
        {
            Content = JsonContent.Create(JsonNode.Parse(Json.Mail(("send_at", $"\"{DateTimeOffset.UtcNow.AddDays(1):o}\"")))),
            Headers = { Authorization = new("Bearer", key) },
        };
        using var answer = await app.Http.SendAsync(request);
        var id = (await answer.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("id").GetString()!;
        var emailId = EmailId.TryParse(id, out var guid) ? guid : throw new InvalidOperationException(id);
        await app.QueryAsync(db => db.Database.ExecuteSqlAsync($"with gone as (delete from queue where email_id = {emailId}) update recipients set state = 'expired', final_at = now() where email_id = {emailId}"));

        var retried = await PostAsync($"/v1/emails/{id}/retry");
        await app.WaitForAsync(id, RecipientState.Sent);

        Assert.Equal(HttpStatusCode.OK, retried.Status);
        Assert.Equal("capture", (await app.GetAsync($"/v1/emails/{id}")).GetProperty("recipients")[0].GetProperty("relay").GetString());
        Assert.Empty(app.Relay.Mails);
    }

    [Fact]
    public async Task A_person_resolves_a_mail_in_doubt()
    {
        app.Relay.AnswerAt(RelayStep.Dot, "take:close", times: 2);
        var id = await app.SendAsync();
        await app.WaitForAsync(id, RecipientState.Held);

        var wrong = await PostAsync($"/v1/emails/{id}/resolve", new() { ["as"] = "maybe" });
        var resolved = await PostAsync($"/v1/emails/{id}/resolve", new() { ["as"] = "sent" });

        Assert.Equal(HttpStatusCode.UnprocessableEntity, wrong.Status);
        Assert.Equal((HttpStatusCode.OK, "sent"), (resolved.Status, resolved.Body.GetProperty("status").GetString()));
        Assert.True((await app.GetAsync("/v1/ledger")).GetProperty("balanced").GetBoolean());
    }

    [Fact]
    public async Task An_erased_mail_names_nobody_and_the_ledger_still_balances()
    {
        app.Relay.Answer("secret@example.jp", "550 5.1.1 <secret@example.jp> unknown");
        var id = await app.SendAsync("secret@example.jp", new() { ["subject"] = "secret subject", ["text"] = "secret text", ["tags"] = new JsonObject { ["a"] = "secret" } });
        var open = await app.SendAsync(more: Tomorrow);
        await app.WaitForAsync(id, RecipientState.Bounced);

        var erased = await app.Http.DeleteAsync($"/v1/emails/{id}");
        var refused = await app.Http.DeleteAsync($"/v1/emails/{open}");
        var content = await app.Http.GetAsync($"/v1/emails/{id}/content");
        var left = await app.QueryAsync(db => db.Database.SqlQuery<string>($"""
            select (select string_agg(e::text, ' ') from emails e) || (select string_agg(r::text, ' ') from recipients r)
                || (select string_agg(v::text, ' ') from events v) || (select string_agg(a::text, ' ') from attempts a)
                || (select string_agg(convert_from(c.document, 'UTF8'), ' ') from contents c) as "Value"
            """).SingleAsync());

        Assert.Equal((HttpStatusCode.NoContent, HttpStatusCode.Conflict, HttpStatusCode.Conflict), (erased.StatusCode, refused.StatusCode, content.StatusCode));
        Assert.DoesNotContain("secret", left, StringComparison.Ordinal);
        Assert.True((await app.GetAsync("/v1/ledger")).GetProperty("balanced").GetBoolean());
    }
}
