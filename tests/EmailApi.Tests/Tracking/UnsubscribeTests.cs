using System.Net;
using EmailApi.Tests.Support;
using Microsoft.EntityFrameworkCore;

namespace EmailApi.Tests.Tracking;

/// <summary>One click, and no more mail (RFC 8058).</summary>
public sealed class UnsubscribeTests(TrackingApp tracking) : IClassFixture<TrackingApp>
{
    TestApp App => tracking.App;

    static FormUrlEncodedContent OneClick => new([new("List-Unsubscribe", "One-Click")]);

    [Fact]
    public async Task The_header_fields_are_those_of_the_standard()
    {
        var (_, copies) = await tracking.SentAsync("\"unsubscribe\": \"stream\"", "head1@example.jp", "head2@example.jp");

        Assert.Equal(2, copies.Select(c => c.Unsubscribe).Distinct().Count());
        Assert.All(copies, c =>
        {
            var header = c.Mail.Read().Headers;
            Assert.Equal("List-Unsubscribe=One-Click", header["List-Unsubscribe-Post"]);
            Assert.StartsWith($"<{TrackingApp.Url}/t/u/", header["List-Unsubscribe"], StringComparison.Ordinal);
            Assert.Equal(TrackingApp.Html, c.Html.TrimEnd());
        });
    }

    [Theory]
    [InlineData("stream", "suppressed", "queued")]
    [InlineData("project", "suppressed", "suppressed")]
    public async Task A_post_ends_the_mail_of_the_stream_or_of_the_project(string scope, string same, string other)
    {
        await App.QueryAsync(db => db.Database.ExecuteSqlAsync($"insert into streams (project_id, name, priority, life, in_doubt) select id, 'other', 100, interval '1 day', 'retry' from projects on conflict do nothing"));
        var address = $"{scope}@example.jp";
        var (id, copies) = await tracking.SentAsync($"\"unsubscribe\": \"{scope}\"", address);

        using var answer = await tracking.VisitAsync(copies[0].Unsubscribe, agent: null, HttpMethod.Post, OneClick);

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        var told = Assert.Single(await tracking.EventsAsync(id, "email.unsubscribed"));
        Assert.Equal((scope, address), (told.Text("scope"), told.Text("recipient")));
        var suppression = Assert.Single((await App.GetAsync($"/v1/suppressions/{address}")).GetProperty("data").EnumerateArray());
        Assert.Equal(("unsubscribe", "unsubscribe", id), (suppression.Text("reason"), suppression.Text("source"), suppression.Text("email_id")));
        Assert.Equal(scope == "stream" ? "transactional" : null, suppression.GetProperty("stream").GetString());
        Assert.Equal(same, await StatusOfNextAsync("transactional"));
        Assert.Equal(other, await StatusOfNextAsync("other"));

        async Task<string> StatusOfNextAsync(string stream)
        {
            var mail = TestApp.Mail(address);
            mail["stream"] = stream;
            using var sent = await App.PostAsync(mail);
            return (await sent.JsonAsync()).Text("status");
        }
    }

    [Fact]
    public async Task Again_it_changes_nothing_and_after_being_lifted_it_holds_again()
    {
        var (id, copies) = await tracking.SentAsync("\"unsubscribe\": \"stream\"", "again@example.jp");

        await PostAsync();
        await PostAsync();
        Assert.Single(await tracking.EventsAsync(id, "email.unsubscribed"));

        using (var lifted = await App.Http.DeleteAsync("/v1/suppressions/again@example.jp?stream=transactional")) Assert.Equal(HttpStatusCode.NoContent, lifted.StatusCode);
        await PostAsync();
        Assert.Equal(2, (await tracking.EventsAsync(id, "email.unsubscribed")).Length);
        Assert.Single((await App.GetAsync("/v1/suppressions/again@example.jp")).GetProperty("data").EnumerateArray());

        async Task PostAsync()
        {
            using var answer = await tracking.VisitAsync(copies[0].Unsubscribe, method: HttpMethod.Post, body: OneClick);
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        }
    }

    [Fact]
    public async Task Ten_at_once_are_told_once()
    {
        var (id, copies) = await tracking.SentAsync("\"unsubscribe\": \"project\"", "once@example.jp");

        foreach (var answer in await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => tracking.VisitAsync(copies[0].Unsubscribe, method: HttpMethod.Post, body: OneClick))))
        {
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            answer.Dispose();
        }

        Assert.Single(await tracking.EventsAsync(id, "email.unsubscribed"));
    }

    [Theory]
    [InlineData("ja", "配信を停止する", "配信を停止しました")]
    [InlineData("en", "Unsubscribe", "You have unsubscribed")]
    [InlineData("fr", "Unsubscribe", "You have unsubscribed")]
    public async Task A_visit_shows_a_button_and_does_nothing(string language, string button, string done)
    {
        var (id, copies) = await tracking.SentAsync("\"unsubscribe\": \"stream\", \"from\": \"orders+x@shop.example\"", $"page-{language}@example.jp");

        using var page = await tracking.VisitAsync(copies[0].Unsubscribe, language: language);
        var html = WebUtility.HtmlDecode(await page.Content.ReadAsStringAsync());
        Assert.Equal("text/html", page.Content.Headers.ContentType!.MediaType);
        Assert.Contains($"<button>{button}</button>", html, StringComparison.Ordinal);
        Assert.Contains($"<html lang=\"{(language == "ja" ? "ja" : "en")}\">", html, StringComparison.Ordinal);
        Assert.Contains("orders+x@shop.example", html, StringComparison.Ordinal);
        Assert.Contains("frame-ancestors 'none'", page.Headers.GetValues("Content-Security-Policy").Single(), StringComparison.Ordinal);
        Assert.True(page.Headers.CacheControl!.NoStore);
        Assert.DoesNotContain("unsubscribed", await App.Http.EventsAsync(id));
        Assert.Equal(0, await App.QueryAsync(db => db.Suppressions.CountAsync(s => s.Address == $"page-{language}@example.jp")));

        using var answer = await tracking.VisitAsync(copies[0].Unsubscribe, method: HttpMethod.Post, body: OneClick, language: language);
        Assert.Contains(done, WebUtility.HtmlDecode(await answer.Content.ReadAsStringAsync()), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_stream_can_offer_it_and_a_mail_can_do_without()
    {
        await App.QueryAsync(db => db.Database.ExecuteSqlAsync($"insert into streams (project_id, name, priority, life, in_doubt, unsubscribe) select id, 'letters', 100, interval '1 day', 'retry', 'stream' from projects"));

        var (_, offered) = await tracking.SentAsync("\"stream\": \"letters\"", "x1@example.jp");
        var (_, without) = await tracking.SentAsync("\"stream\": \"letters\", \"unsubscribe\": \"none\"", "x2@example.jp");
        var (_, own) = await tracking.SentAsync("\"stream\": \"letters\", \"headers\": {\"List-Unsubscribe\": \"<https://shop.example/bye>\"}", "x3@example.jp");

        Assert.StartsWith(TrackingApp.Url, offered[0].Unsubscribe, StringComparison.Ordinal);
        Assert.Null(without[0].Mail.Read().Headers["List-Unsubscribe"]);
        Assert.Equal("https://shop.example/bye", own[0].Unsubscribe);
    }

    [Fact]
    public async Task A_test_keys_mail_suppresses_nobody()
    {
        using var made = await App.PostAsync(System.Text.Json.Nodes.JsonNode.Parse("""{"name": "t", "scopes": ["send", "read"], "mode": "test"}""")!, "/v1/keys");
        using var client = App.WithKey((await made.JsonAsync()).Text("key"));
        var mail = TestApp.Mail("tested@example.jp");
        mail["unsubscribe"] = "project";
        using var sent = await client.PostAsync("/v1/emails", new StringContent(mail.ToJsonString(), new System.Net.Http.Headers.MediaTypeHeaderValue("application/json")));
        var id = (await sent.JsonAsync()).Text("id");
        await App.WaitForAsync(id, EmailApi.Emails.RecipientState.Sent);
        var header = (await client.GetStringAsync($"/v1/emails/{id}/raw")).Split("\r\n").Single(l => l.StartsWith("List-Unsubscribe: ", StringComparison.Ordinal));

        using var answer = await tracking.VisitAsync(header["List-Unsubscribe: ".Length..].Trim('<', '>'), method: HttpMethod.Post, body: OneClick);

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Single(await tracking.EventsAsync(id, "email.unsubscribed"));
        Assert.Equal(0, await App.QueryAsync(db => db.Suppressions.CountAsync(s => s.Address == "tested@example.jp")));
    }
}
