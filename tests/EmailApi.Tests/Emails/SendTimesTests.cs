using System.Globalization;
using System.Text.Json;
using EmailApi.Emails;
using EmailApi.Tests.Support;
using Microsoft.EntityFrameworkCore;

namespace EmailApi.Tests.Emails;

public sealed class SendTimesTests(SharedApp shared) : IClassFixture<SharedApp>
{
    readonly TestApp app = shared.App;

    static string At(DateTimeOffset time) => time.ToString("O", CultureInfo.InvariantCulture);

    static string Status(JsonElement email) => email.GetProperty("status").GetString()!;

    [Fact]
    public async Task A_mail_with_a_send_at_waits_for_it()
    {
        var sendAt = DateTimeOffset.UtcNow.AddDays(3);
        var mail = TestApp.Mail(to: "later@example.jp");
        mail["send_at"] = At(sendAt.ToOffset(TimeSpan.FromHours(9)));

        using var answer = await app.PostAsync(mail);
        var accepted = await answer.JsonAsync();
        var email = await app.GetAsync($"/v1/emails/{accepted.GetProperty("id").GetString()}");

        Assert.Equal("scheduled", Status(accepted));
        Assert.Equal("scheduled", Status(email));
        Assert.Equal(sendAt, email.GetProperty("send_at").GetDateTimeOffset(), TimeSpan.FromMilliseconds(1));
        Assert.Equal(sendAt, email.GetProperty("recipients")[0].GetProperty("due_at").GetDateTimeOffset(), TimeSpan.FromMilliseconds(1));
        Assert.Equal(sendAt.AddHours(48), email.GetProperty("expires_at").GetDateTimeOffset(), TimeSpan.FromMilliseconds(1));
        Assert.DoesNotContain(app.Relay.Mails, m => m.Recipients.Contains("later@example.jp"));
    }

    [Fact]
    public async Task It_leaves_once_it_is_due_and_not_before()
    {
        var sendAt = DateTimeOffset.UtcNow.AddSeconds(1.5);

        var id = await app.SendAsync(more: new() { ["send_at"] = At(sendAt) });
        var mail = Assert.Single(await app.RelayedAsync(id));
        var events = await app.GetAsync($"/v1/emails/{id}/events");

        Assert.True(mail.At >= sendAt, $"{mail.At:O} is before {sendAt:O}");
        Assert.Equal(["email.accepted", "email.scheduled", "email.sent"], events.GetProperty("data").EnumerateArray().Select(e => e.GetProperty("type").GetString()));
    }

    [Theory]
    [InlineData(-290)]
    [InlineData(-1)]
    [InlineData(0)]
    public async Task A_send_at_up_to_5_minutes_past_means_now(int seconds)
    {
        var mail = TestApp.Mail();
        mail["send_at"] = At(DateTimeOffset.UtcNow.AddSeconds(seconds));

        using var answer = await app.PostAsync(mail);
        var accepted = await answer.JsonAsync();

        Assert.Equal("queued", Status(accepted));
        await app.WaitForAsync(accepted.GetProperty("id").GetString()!, RecipientState.Sent);
    }

    [Theory]
    [InlineData("yyyy-MM-dd'T'HH:mm:ss'Z'")]
    [InlineData("yyyy-MM-dd't'HH:mm:ss'z'")]
    [InlineData("yyyy-MM-dd'T'HH:mm:ss'.5+00:00'")]
    [InlineData("yyyy-MM-dd'T'HH:mm:ss'.123456789Z'")]
    [InlineData("yyyy-MM-dd'T'HH:mm:ss'-00:00'")]
    public async Task Every_form_of_RFC_3339_is_read(string form)
    {
        var sendAt = DateTimeOffset.UtcNow.AddDays(360);

        var id = await app.SendAsync(more: new() { ["send_at"] = sendAt.ToString(form, CultureInfo.InvariantCulture) });

        Assert.Equal(sendAt, (await app.GetAsync($"/v1/emails/{id}")).GetProperty("send_at").GetDateTimeOffset(), TimeSpan.FromSeconds(1));
    }

    [Fact]
    public async Task A_mail_is_given_up_at_its_own_expires_at()
    {
        app.Relay.Answer("busy@example.jp", "451 4.3.2 try later");
        var expiresAt = DateTimeOffset.UtcNow.AddSeconds(30);

        var id = await app.SendAsync(to: "busy@example.jp", more: new() { ["expires_at"] = At(expiresAt) });
        await app.WaitForAsync(id, RecipientState.Expired);   // the next try would come after a minute
        var email = await app.GetAsync($"/v1/emails/{id}");

        Assert.Equal("expired", Status(email));
        Assert.Equal(expiresAt, email.GetProperty("expires_at").GetDateTimeOffset(), TimeSpan.FromMilliseconds(1));
    }

    [Fact]
    public async Task A_mail_that_expired_while_it_waited_is_not_sent()
    {
        var now = DateTimeOffset.UtcNow;
        var id = await app.SendAsync(to: "late@example.jp", more: new() { ["send_at"] = At(now.AddHours(1)), ["expires_at"] = At(now.AddHours(2)) });

        await app.QueryAsync(db => db.Database.ExecuteSqlAsync($"update queue set due_at = now() - interval '2 s', expires_at = now() - interval '1 s' where email_id = {id.ToGuid()}"));
        await app.WaitForAsync(id, RecipientState.Expired);

        Assert.DoesNotContain(app.Relay.Mails, m => m.Recipients.Contains("late@example.jp"));
    }
}
