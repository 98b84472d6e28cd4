using System.Text;
using System.Text.Json.Nodes;
using EmailApi.Client;
using EmailApi.Emails;
using EmailApi.Tests.Support;
using EmailApi.Webhooks;
using Microsoft.AspNetCore.Http;
using Microsoft.EntityFrameworkCore;
using Npgsql;

namespace EmailApi.Tests.Webhooks;

/// <summary>What an endpoint gets, and what its answers lead to.</summary>
public sealed class WebhookCallTests
{
    [Fact]
    public async Task An_event_is_told_once_signed_and_as_the_feed_has_it()
    {
        await using var test = await WebhookApp.StartAsync();
        test.App.Relay.Answer("unknown@example.net", "550 5.1.1 No such user");
        var before = await test.App.SendAsync();
        await test.App.WaitForAsync(before, RecipientState.Sent);
        var webhook = await test.AddAsync();
        var id = await test.App.SendAsync("unknown@example.net", new() { ["tags"] = new JsonObject { ["注文"] = "四七一一" }, ["metadata"] = new JsonObject { ["n"] = 1 } });

        var call = Assert.Single(await test.CallsAsync(1, "email.bounced"));
        var told = new WebhookVerifier(webhook.Text("secret")).Verify(name => call.Headers.GetValueOrDefault(name), call.Body);
        var data = call.Json.GetProperty("data");

        Assert.Equal(2, (await test.CallsAsync(2)).Count);   // accepted and bounced, nothing from before the webhook
        Assert.Equal((told.Id, told.Id, $"ev_{id[3..]}_1_2"), (call.Id, data.Text("event_id"), told.Id));
        Assert.Equal(("email.bounced", id, "unknown@example.net", 2, "transactional"), (told.Type, told.EmailId, told.Recipient, told.Sequence, told.Stream));
        Assert.Equal(("四七一一", 1), (told.Tags!["注文"], (int)told.Metadata!["n"]!));
        Assert.Equal((550, "5.1.1", "permanent", "unknown_user"), (told.Reply!.Code, told.Reply.Enhanced, told.Bounce!.Type, told.Bounce.Reason));
        Assert.Matches(@"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$", call.Json.Text("timestamp"));
        Assert.Contains("四七一一", Encoding.UTF8.GetString(call.Body), StringComparison.Ordinal);
        Assert.Equal(($"{call.Body.Length}", "application/json", $"127.0.0.1:{test.Receiver.Port}"), (call.Headers["content-length"], call.Headers["content-type"], call.Headers["host"]));
        Assert.False(call.Headers.ContainsKey("transfer-encoding"));
    }

    [Fact]
    public async Task Filters_by_type_stream_and_tag_hold_together()
    {
        await using var test = await WebhookApp.StartAsync();
        (await test.App.PostAsync(new JsonObject { ["name"] = "invoice" }, "/v1/streams")).Dispose();
        await test.AddAsync(test.Receiver.Url("/type"), new() { ["events"] = new JsonArray("email.sent") });
        await test.AddAsync(test.Receiver.Url("/stream"), new() { ["streams"] = new JsonArray("invoice") });
        await test.AddAsync(test.Receiver.Url("/tag"), new() { ["events"] = new JsonArray("*"), ["tags"] = new JsonObject { ["a"] = "1", ["b"] = "2" } });
        await test.AddAsync(test.Receiver.Url("/none"), new() { ["events"] = new JsonArray("webhook.*") });

        await test.App.SendAsync();
        await test.App.SendAsync(more: new() { ["stream"] = "invoice", ["tags"] = new JsonObject { ["a"] = "1" } });
        await test.App.SendAsync(more: new() { ["tags"] = new JsonObject { ["a"] = "1", ["b"] = "2", ["c"] = "3" } });
        var calls = await test.CallsAsync(3 + 2 + 2);
        await test.App.UntilAsync(async db => !await db.WebhookQueue.AnyAsync());

        Assert.Equal(["/stream email.accepted", "/stream email.sent", "/tag email.accepted", "/tag email.sent", "/type email.sent", "/type email.sent", "/type email.sent"],
            test.Receiver.Calls.Select(c => $"{c.Path} {c.Type}").Order(StringComparer.Ordinal));
        Assert.Equal(7, calls.Count);
    }

    [Fact]
    public async Task A_call_that_failed_is_made_again_under_the_same_id_and_kept_with_what_was_said()
    {
        await using var test = await WebhookApp.StartAsync();
        var answers = 0;
        test.Receiver.OnCall = (call, http) => WebhookReceiver.Answer(Interlocked.Increment(ref answers) == 1 ? 500 : 204, answers == 1 ? new string('あ', 3000) : "")(call, http);
        var webhook = await test.AddAsync(more: new() { ["events"] = new JsonArray("email.accepted") });
        var id = webhook.Text("id");
        await test.App.SendAsync();

        var first = Assert.Single(await test.DeliveriesAsync(id, 1));
        var failing = await test.App.GetAsync($"/v1/webhooks/{id}");
        await test.MakeDueAsync();
        var second = (await test.DeliveriesAsync(id, 2, $"&event_id={first.Text("event_id")}"))[0];
        var well = await test.App.GetAsync($"/v1/webhooks/{id}");

        Assert.Equal(("failed", 1, 500), (first.Text("outcome"), first.GetProperty("attempt").GetInt32(), first.GetProperty("response").GetProperty("status").GetInt32()));
        Assert.InRange(first.GetProperty("next_attempt_at").GetDateTimeOffset() - first.GetProperty("at").GetDateTimeOffset(), TimeSpan.FromSeconds(4), TimeSpan.FromSeconds(7));
        Assert.Equal(4096, Encoding.UTF8.GetByteCount(first.GetProperty("response").Text("body").TrimEnd('\uFFFD')) + 1);
        Assert.Equal(("succeeded", 2, 204), (second.Text("outcome"), second.GetProperty("attempt").GetInt32(), second.GetProperty("response").GetProperty("status").GetInt32()));
        var calls = test.Receiver.Calls;
        Assert.Equal((calls[0].Id, calls[0].Id), (calls[1].Id, second.Text("event_id")));
        Assert.Equal(calls[0].Body, calls[1].Body);
        Assert.Equal(Encoding.UTF8.GetString(calls[1].Body), second.GetProperty("request").Text("body"));
        Assert.Equal(calls[1].Headers["webhook-timestamp"], second.GetProperty("request").GetProperty("headers").Text("webhook-timestamp"));
        Assert.Equal(System.Text.Json.JsonValueKind.String, failing.GetProperty("failing_since").ValueKind);
        Assert.Equal(System.Text.Json.JsonValueKind.Null, well.GetProperty("failing_since").ValueKind);
    }

    [Fact]
    public async Task Retry_After_is_obeyed_and_a_redirect_is_a_failure()
    {
        await using var test = await WebhookApp.StartAsync();
        test.Receiver.OnCall = (call, http) => call.Path == "/busy" ? WebhookReceiver.Answer(429, "", ("Retry-After", "600"))(call, http) : WebhookReceiver.Answer(307, "", ("Location", "/elsewhere"))(call, http);
        var busy = await test.AddAsync(test.Receiver.Url("/busy"), new() { ["events"] = new JsonArray("email.accepted") });
        var moved = await test.AddAsync(test.Receiver.Url("/moved"), new() { ["events"] = new JsonArray("email.accepted") });
        await test.App.SendAsync();

        var asked = Assert.Single(await test.DeliveriesAsync(busy.Text("id"), 1));
        var redirected = Assert.Single(await test.DeliveriesAsync(moved.Text("id"), 1));

        Assert.InRange(asked.GetProperty("next_attempt_at").GetDateTimeOffset() - asked.GetProperty("at").GetDateTimeOffset(), TimeSpan.FromSeconds(599), TimeSpan.FromSeconds(620));
        Assert.Equal(("failed", 307, "a redirect is not followed"), (redirected.Text("outcome"), redirected.GetProperty("response").GetProperty("status").GetInt32(), redirected.Text("error")));
        Assert.DoesNotContain(test.Receiver.Calls, c => c.Path == "/elsewhere");
    }

    [Fact]
    public async Task One_that_answers_410_is_switched_off_and_the_others_are_told_so()
    {
        await using var test = await WebhookApp.StartAsync();
        test.Receiver.OnCall = (call, http) => WebhookReceiver.Answer(call.Path == "/gone" ? 410 : 200)(call, http);
        var gone = await test.AddAsync(test.Receiver.Url("/gone"));
        await test.AddAsync(test.Receiver.Url("/watch"), new() { ["events"] = new JsonArray("webhook.*") });
        await test.App.SendAsync();

        var told = Assert.Single(await test.CallsAsync(1, "webhook.disabled"));
        var off = await test.App.GetAsync($"/v1/webhooks/{gone.Text("id")}");
        System.Text.Json.JsonElement[] feed = [];
        await Eventually.IsAsync(async () => (feed = [.. (await test.App.GetAsync("/v1/events?types=webhook.disabled")).GetProperty("data").EnumerateArray()]).Length > 0, TimeSpan.FromSeconds(20));

        Assert.Equal(("/watch", gone.Text("id"), "gone", "it answered 410"), (told.Path, told.Json.GetProperty("data").Text("webhook"), told.Json.GetProperty("data").Text("reason"), told.Json.GetProperty("data").Text("note")));
        Assert.Equal(System.Text.Json.JsonValueKind.Null, told.Json.GetProperty("data").GetProperty("email_id").ValueKind);
        Assert.Equal((false, "gone", "it answered 410"), (off.GetProperty("enabled").GetBoolean(), off.Text("disabled_reason"), off.Text("disabled_note")));
        var fact = Assert.Single(feed);
        Assert.Equal((told.Id, System.Text.Json.JsonValueKind.Null, gone.Text("id")), (fact.Text("id"), fact.GetProperty("email_id").ValueKind, fact.Text("webhook")));
    }

    [Fact]
    public async Task One_that_failed_for_120_hours_is_switched_off_and_goes_on_where_it_was_once_it_is_on_again()
    {
        await using var test = await WebhookApp.StartAsync();
        test.Receiver.OnCall = WebhookReceiver.Answer(503);
        var id = (await test.AddAsync(more: new() { ["events"] = new JsonArray("email.accepted") })).Text("id");
        await test.App.SendAsync();
        await test.DeliveriesAsync(id, 1);

        await test.App.ExecuteAsync("update webhooks set failing_since = now() - interval '119 hours'");
        await test.MakeDueAsync();
        await test.DeliveriesAsync(id, 2);
        var stillOn = await test.App.GetAsync($"/v1/webhooks/{id}");
        await test.App.ExecuteAsync("update webhooks set failing_since = now() - interval '120 hours'");
        await test.MakeDueAsync();
        await test.DeliveriesAsync(id, 3);
        var off = await test.App.GetAsync($"/v1/webhooks/{id}");
        await test.MakeDueAsync();
        await test.App.SendAsync();
        await Task.Delay(1000);
        var whileOff = test.Receiver.Calls.Count;
        test.Receiver.OnCall = null;
        var on = await test.ChangeAsync(id, new() { ["enabled"] = true });
        var calls = await test.CallsAsync(4);

        Assert.True(stillOn.GetProperty("enabled").GetBoolean());
        Assert.Equal((false, "failing", "it answered 503"), (off.GetProperty("enabled").GetBoolean(), off.Text("disabled_reason"), off.Text("disabled_note")));
        Assert.Equal(3, whileOff);
        Assert.Equal((true, System.Text.Json.JsonValueKind.Null), (on.GetProperty("enabled").GetBoolean(), on.GetProperty("failing_since").ValueKind));
        Assert.Single(calls.Select(c => c.Id).Distinct());
    }

    [Fact]
    public async Task After_eight_calls_an_event_is_given_up_and_a_replay_of_the_failed_tells_it()
    {
        await using var test = await WebhookApp.StartAsync();
        test.Receiver.OnCall = WebhookReceiver.Answer(500);
        var id = (await test.AddAsync(more: new() { ["events"] = new JsonArray("email.accepted") })).Text("id");
        await test.App.SendAsync();
        for (var attempt = 1; attempt <= 8; attempt++)
        {
            await test.DeliveriesAsync(id, attempt);
            await test.MakeDueAsync();
        }

        var last = (await test.DeliveriesAsync(id, 1, "&outcome=given_up"))[0];
        var waiting = await test.App.QueryAsync(db => db.WebhookQueue.AsNoTracking().SingleAsync());
        test.Receiver.OnCall = null;
        var queued = await test.ReplayAsync(id, new() { ["failed"] = true });
        var again = (await test.DeliveriesAsync(id, 9))[0];

        Assert.Equal((8, System.Text.Json.JsonValueKind.Null), (last.GetProperty("attempt").GetInt32(), last.GetProperty("next_attempt_at").ValueKind));
        Assert.NotNull(waiting.FailedAt);
        Assert.Equal((1, "succeeded", 1), (queued, again.Text("outcome"), again.GetProperty("attempt").GetInt32()));
        Assert.Single(test.Receiver.Calls.Select(c => c.Id).Distinct());
        Assert.Equal(0, await test.ReplayAsync(id, new() { ["failed"] = true }));
    }

    [Fact]
    public async Task One_event_and_a_time_range_are_told_again_under_their_ids()
    {
        await using var test = await WebhookApp.StartAsync();
        var mails = new[] { await test.App.SendAsync(), await test.App.SendAsync() };
        foreach (var mail in mails) await test.App.WaitForAsync(mail, RecipientState.Sent);
        var id = (await test.AddAsync(more: new() { ["events"] = new JsonArray("email.sent") })).Text("id");
        var (from, to) = (DateTimeOffset.UtcNow.AddHours(-1).ToString("O"), DateTimeOffset.UtcNow.AddHours(1).ToString("O"));

        var one = await test.ReplayAsync(id, new() { ["event_id"] = $"ev_{mails[0][3..]}_1_1" });   // accepted: the filters do not matter
        await test.CallsAsync(1);
        await test.App.UntilAsync(async db => !await db.WebhookQueue.AnyAsync());
        var range = await test.ReplayAsync(id, new() { ["from"] = from, ["to"] = to });
        var calls = await test.CallsAsync(3);
        var none = await test.ReplayAsync(id, new() { ["from"] = "2020-01-01T00:00:00Z", ["to"] = from });
        await test.ChangeAsync(id, new() { ["enabled"] = false });
        using var off = await test.App.PostAsync(new JsonObject { ["failed"] = true }, $"/v1/webhooks/{id}/replay");

        Assert.Equal((1, 2, 0), (one, range, none));
        Assert.Equal([$"ev_{mails[0][3..]}_1_1", .. mails.Select(m => $"ev_{m[3..]}_1_2").Order(StringComparer.Ordinal)], [calls[0].Id, .. calls.Skip(1).Select(c => c.Id).Order(StringComparer.Ordinal)]);
        Assert.Equal("webhook_off", (await ProblemDocument.ReadAsync(off)).Code);
    }

    [Fact]
    public async Task A_rotated_secret_and_the_one_before_it_both_sign_for_a_day()
    {
        await using var test = await WebhookApp.StartAsync();
        var made = await test.AddAsync(more: new() { ["events"] = new JsonArray("email.accepted") });
        using var rotation = await test.App.Http.PostAsync($"/v1/webhooks/{made.Text("id")}/rotate-secret", null);
        var rotated = await rotation.JsonAsync();
        await test.App.SendAsync();
        var both = (await test.CallsAsync(1))[0];
        await test.App.ExecuteAsync("update webhooks set previous_until = now()");
        await test.App.SendAsync();
        var one = (await test.CallsAsync(2))[1];

        Assert.Equal(2, both.Headers["webhook-signature"].Split(' ').Length);
        Verify(made.Text("secret"), both);
        Verify(rotated.Text("secret"), both);
        Verify(rotated.Text("secret"), one);
        Assert.Throws<WebhookVerificationException>(() => Verify(made.Text("secret"), one));
        Assert.InRange(rotated.GetProperty("previous_secret_until").GetDateTimeOffset() - DateTimeOffset.UtcNow, TimeSpan.FromHours(23), TimeSpan.FromHours(24));

        static EmailEvent Verify(string secret, ReceivedCall call) => new WebhookVerifier(secret).Verify(name => call.Headers.GetValueOrDefault(name), call.Body);
    }

    [Fact]
    public async Task Who_rotates_twice_on_a_day_takes_its_time_from_neither()
    {
        await using var test = await WebhookApp.StartAsync();
        var made = await test.AddAsync();
        var id = made.Text("id");
        List<string> shown = [made.Text("secret"), await RotateAsync(), await RotateAsync()];
        await TestAsync();
        await test.App.ExecuteAsync("update webhooks set previous_until = now()");
        shown.Add(await RotateAsync());
        await TestAsync();
        var calls = await test.CallsAsync(2);

        Assert.Equal([true, true, true, false], shown.Select(secret => Signs(secret, calls[0])));
        Assert.Equal([false, false, true, true], shown.Select(secret => Signs(secret, calls[1])));

        async Task<string> RotateAsync()
        {
            using var answer = await test.App.Http.PostAsync($"/v1/webhooks/{id}/rotate-secret", null);
            return (await answer.JsonAsync()).Text("secret");
        }

        async Task TestAsync()
        {
            using var answer = await test.App.Http.PostAsync($"/v1/webhooks/{id}/test", null);
            Assert.True(answer.IsSuccessStatusCode);
        }

        static bool Signs(string secret, ReceivedCall call)
        {
            try
            {
                return new WebhookVerifier(secret).Verify(name => call.Headers.GetValueOrDefault(name), call.Body).Type == TestWebhook.Type;
            }
            catch (WebhookVerificationException)
            {
                return false;
            }
        }
    }

    [Fact]
    public async Task A_test_call_is_made_at_once_answered_with_what_came_of_it_and_kept()
    {
        await using var test = await WebhookApp.StartAsync();
        test.Receiver.OnCall = WebhookReceiver.Answer(418, "teapot");
        var made = await test.AddAsync(more: new() { ["enabled"] = false });

        using var answer = await test.App.Http.PostAsync($"/v1/webhooks/{made.Text("id")}/test", null);
        var call = await answer.JsonAsync();
        var told = new WebhookVerifier(made.Text("secret")).Verify(name => test.Receiver.Calls[0].Headers.GetValueOrDefault(name), test.Receiver.Calls[0].Body);

        Assert.Equal(("webhook.test", "given_up", 418, "teapot"), (call.Text("type"), call.Text("outcome"), call.GetProperty("response").GetProperty("status").GetInt32(), call.GetProperty("response").Text("body")));
        Assert.Equal((call.Text("event_id"), "webhook.test", null, made.Text("id")), (told.Id, told.Type, told.EmailId, told.Webhook));
        Assert.Equal(call.Text("id"), Assert.Single(await test.DeliveriesAsync(made.Text("id"), 1)).Text("id"));
        Assert.False(await test.App.QueryAsync(db => db.WebhookQueue.AnyAsync()));
    }

    [Fact]
    public async Task One_that_hangs_and_one_that_is_dead_delay_no_other()
    {
        await using var test = await WebhookApp.StartAsync();
        test.Receiver.OnCall = (call, http) => call.Path == "/hang" ? WebhookReceiver.Hang(call, http) : Task.CompletedTask;
        var hanging = await test.AddAsync(test.Receiver.Url("/hang"));
        await test.AddAsync("http://127.0.0.1:1/dead");
        await test.AddAsync(test.Receiver.Url("/well"));
        for (var i = 0; i < 50; i++) await test.App.SendAsync();

        await Eventually.IsAsync(() => test.Receiver.Calls.Count(c => c.Path == "/well") == 100, TimeSpan.FromSeconds(14));   // none of the others' calls has ended by then
        var hung = test.Receiver.Calls.Count(c => c.Path == "/hang");
        var first = (await test.DeliveriesAsync(hanging.Text("id"), 1))[^1];

        Assert.InRange(hung, 1, WebhooksUnderWay.PerWebhook);
        Assert.Equal(("no answer within 15 s", System.Text.Json.JsonValueKind.Null), (first.Text("error"), first.GetProperty("response").ValueKind));
        Assert.InRange(first.GetProperty("duration_ms").GetInt32(), 14_500, 18_000);
    }

    [Fact]
    public async Task An_address_that_became_private_is_not_called_and_the_call_says_so()
    {
        await using var test = await WebhookApp.StartAsync();
        var id = (await test.AddAsync(more: new() { ["events"] = new JsonArray("email.accepted") })).Text("id");
        await test.App.ExecuteAsync("update webhooks set url = 'http://10.0.0.1/hook'");
        await test.App.SendAsync();

        var call = Assert.Single(await test.DeliveriesAsync(id, 1));

        Assert.Equal(("failed", "refused: the host leads into a network that is not public"), (call.Text("outcome"), call.Text("error")));
    }

    [Fact]
    public async Task Erasing_a_mail_takes_what_its_calls_said()
    {
        await using var test = await WebhookApp.StartAsync();
        test.Receiver.OnCall = (call, http) => http.Response.WriteAsync("thanks for erase-me@example.jp");
        var id = (await test.AddAsync()).Text("id");
        var mail = await test.App.SendAsync("erase-me@example.jp");
        await test.DeliveriesAsync(id, 2);

        using var erased = await test.App.Http.DeleteAsync($"/v1/emails/{mail}");
        var calls = await test.DeliveriesAsync(id, 2);

        Assert.Equal(System.Net.HttpStatusCode.NoContent, erased.StatusCode);
        Assert.All(calls, c => Assert.Equal((System.Text.Json.JsonValueKind.Null, System.Text.Json.JsonValueKind.Null), (c.GetProperty("request").GetProperty("body").ValueKind, c.GetProperty("response").GetProperty("body").ValueKind)));
        Assert.DoesNotContain(await test.App.TablesWithAsync("erase-me@example.jp"), t => t.Contains("webhook", StringComparison.Ordinal));
    }

    [Fact]
    public async Task What_a_call_said_is_erased_too_when_it_is_recorded_meanwhile()
    {
        await using var test = await WebhookApp.StartAsync();
        var id = (await test.AddAsync()).Text("id");
        var mail = await test.App.SendAsync("erase-me@example.jp");
        await test.DeliveriesAsync(id, 2);
        await using var connection = await test.App.ConnectAsync();
        await using var recording = await connection.BeginTransactionAsync();
        await using (var record = new NpgsqlCommand("""
            select pg_advisory_xact_lock_shared(hashtextextended('emailapi.webhook_calls', 0));
            insert into webhook_calls (id, webhook_id, project_id, email_id, event_id, type, attempt, at, duration_ms, url, timestamp, request, outcome)
            select (left(id::text, 35) || case right(id::text, 1) when '0' then '1' else '0' end)::uuid, webhook_id, project_id, email_id, event_id, type, 2, at, duration_ms, url, timestamp, request, outcome from webhook_calls
            """, connection, recording))
            Assert.True(await record.ExecuteNonQueryAsync() > 0);

        var erasing = test.App.Http.DeleteAsync($"/v1/emails/{mail}");
        await Task.Delay(500);
        var waited = !erasing.IsCompleted;
        await recording.CommitAsync();
        using var erased = await erasing;

        Assert.True(waited);
        Assert.Equal(System.Net.HttpStatusCode.NoContent, erased.StatusCode);
        Assert.DoesNotContain(await test.App.TablesWithAsync("erase-me@example.jp"), t => t.Contains("webhook", StringComparison.Ordinal));
    }
}
