using System.Net;
using EmailApi.Data;
using EmailApi.Tests.Support;
using EmailApi.Tracking;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace EmailApi.Tests.Tracking;

/// <summary>Opens and clicks: real mails, real requests.</summary>
public sealed class TrackingTests(TrackingApp tracking) : IClassFixture<TrackingApp>
{
    TestApp App => tracking.App;

    [Fact]
    public async Task Every_recipient_gets_a_copy_with_tokens_of_its_own()
    {
        var (_, copies) = await tracking.SentAsync("\"track\": {\"opens\": true, \"clicks\": true}", "a@example.jp", "b@example.jp", "c@example.jp");

        Assert.Equal(3, copies.Count);
        Assert.All(copies, c => Assert.Single(c.Mail.Recipients));
        Assert.Equal(3, copies.Select(c => c.Pixel).Distinct().Count());
        Assert.Equal(6, copies.SelectMany(c => c.Links).Distinct().Count());
        Assert.All(copies.SelectMany(c => c.Links), l => Assert.StartsWith($"{TrackingApp.Url}/t/c/", l, StringComparison.Ordinal));
        Assert.All(copies, c => Assert.Contains("<a href=\"mailto:a@shop.example\">mail</a><img ", c.Html, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_mail_that_asks_for_nothing_leaves_as_it_would_anyway()
    {
        var (_, copies) = await tracking.SentAsync("\"track\": {\"opens\": false}", "a@example.jp", "b@example.jp");

        var only = Assert.Single(copies);
        Assert.Equal(2, only.Mail.Recipients.Count);
        Assert.Equal(TrackingApp.Html, only.Html.TrimEnd());
        Assert.DoesNotContain("track.example", only.Mail.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_text_part_is_replaced_only_where_that_is_asked()
    {
        const string text = "\"text\": \"See https://shop.example/orders\"";
        var (_, without) = await tracking.SentAsync($"{text}, \"track\": {{\"opens\": true, \"clicks\": true}}");
        var (id, with) = await tracking.SentAsync($"{text}, \"track\": {{\"clicks_text\": true}}");

        Assert.Equal("See https://shop.example/orders", without[0].Mail.Read().TextBody!.TrimEnd());
        var link = with[0].Mail.Read().TextBody!.TrimEnd()[4..];
        using var answer = await tracking.VisitAsync(link);
        Assert.Equal("https://shop.example/orders", answer.Headers.Location!.OriginalString);
        Assert.Equal("https://shop.example/orders", Assert.Single(await tracking.EventsAsync(id, "email.clicked")).Text("url"));
    }

    [Fact]
    public async Task A_loaded_pixel_is_told_with_what_it_is_taken_for()
    {
        var (id, copies) = await tracking.SentAsync("\"track\": {\"opens\": true}", "a@example.jp", "b@example.jp");

        using var first = await tracking.VisitAsync(copies[1].Pixel, "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)");
        await tracking.EventsAsync(id, "email.opened");
        using var second = await tracking.VisitAsync(copies[1].Pixel, "curl/8.5.0", HttpMethod.Head);

        Assert.Equal((HttpStatusCode.OK, "image/gif"), (first.StatusCode, first.Content.Headers.ContentType!.MediaType));
        Assert.Equal("GIF89a"u8.ToArray(), (await first.Content.ReadAsByteArrayAsync())[..6]);
        Assert.True(first.Headers.CacheControl!.NoStore);
        Assert.Equal(HttpStatusCode.OK, second.StatusCode);
        Assert.Empty(await second.Content.ReadAsByteArrayAsync());
        var told = await tracking.EventsAsync(id, "email.opened", 2);
        Assert.All(told, e => Assert.Equal("b@example.jp", e.Text("recipient")));
        Assert.Equal(["proxy", "scanner"], told.Select(e => e.Text("class")));
        Assert.Equal([true, false], told.Select(e => e.GetProperty("first").GetBoolean()));
        Assert.Equal(["Gmail image proxy", "curl"], told.Select(e => e.Text("user_agent_family")));
        Assert.All(told, e => Assert.InRange(e.GetProperty("confidence").GetDouble(), 0.5, 1));
        Assert.Contains("image_proxy", told[0].GetProperty("reasons").EnumerateArray().Select(r => r.GetString()));
        Assert.All(told, e => Assert.False(e.TryGetProperty("ip", out _)));
        await Eventually.IsAsync(async () => (await App.GetAsync("/v1/events?types=email.opened&limit=100")).GetProperty("data").EnumerateArray().Any(e => e.Text("id") == told[0].Text("id") && e.Text("class") == "proxy"), within: TimeSpan.FromSeconds(30));
    }

    [Fact]
    public async Task A_link_leads_on_and_is_told()
    {
        var (id, copies) = await tracking.SentAsync("\"track\": {\"clicks\": true}");
        await App.ExecuteAsync("update events set at = at - interval '1 hour' where type = 'email.sent'");

        using var answer = await tracking.VisitAsync(copies[0].Links[0]);

        Assert.Equal(HttpStatusCode.Found, answer.StatusCode);
        Assert.Equal("https://shop.example/orders?id=1&x=2", answer.Headers.Location!.OriginalString);
        Assert.Equal("no-referrer", answer.Headers.GetValues("Referrer-Policy").Single());
        Assert.True(answer.Headers.CacheControl!.NoStore);
        var told = Assert.Single(await tracking.EventsAsync(id, "email.clicked"));
        Assert.Equal(("https://shop.example/orders?id=1&x=2", 1, "human", true),
            (told.Text("url"), told.GetProperty("link").GetInt32(), told.Text("class"), told.GetProperty("first").GetBoolean()));
        Assert.Equal("sent", await App.Http.StatusAsync(id));
        Assert.True((await App.GetAsync("/v1/ledger")).GetProperty("balanced").GetBoolean());
    }

    [Fact]
    public async Task Links_that_are_all_followed_at_once_are_a_scanners_from_the_first_on()
    {
        var (id, _) = await tracking.SentAsync("\"track\": {\"clicks\": true}");
        await App.ExecuteAsync("update events set at = at - interval '1 hour' where type = 'email.sent'");
        var clock = App.Services.GetRequiredService<TimeProvider>();
        var copy = new CopyId((await App.QueryAsync(db => db.Emails.SingleAsync(e => e.Id == id.ToGuid()))).ProjectId, id.ToGuid(), 1);

        Assert.Equal([HitClass.Human, HitClass.Human], await WriteAsync(1, 1));
        Assert.Equal([HitClass.Human], await WriteAsync(2));
        Assert.Equal([HitClass.Scanner, HitClass.Scanner], await WriteAsync(2, 3));   // with what was told before, three
        Assert.Single(await tracking.EventsAsync(id, "email.clicked", 5), e => e.GetProperty("first").GetBoolean());
        await App.ExecuteAsync("update events set at = at - interval '1 hour' where type = 'email.clicked'");
        Assert.Equal([HitClass.Human], await WriteAsync(1));
        Assert.Equal([HitClass.Scanner, HitClass.Scanner, HitClass.Scanner], await WriteAsync(4, 5, 6));

        async Task<IEnumerable<HitClass>> WriteAsync(params int[] links)
        {
            var hits = links.Select(l => new Hit(copy, clock.GetTimestamp()) { Click = new(copy, l, "https://shop.example/"), UserAgent = TrackingApp.Chrome }).ToList();
            var outcome = await HitSql.WriteAsync(App.Services.GetRequiredService<EngineDatabase>().Source, hits, clock, CancellationToken.None);
            Assert.Empty(outcome.Locked);
            return outcome.Told.Select(t => t.Verdict.Class);
        }
    }

    [Fact]
    public async Task A_recipient_that_others_are_writing_is_told_of_later()
    {
        var (id, copies) = await tracking.SentAsync("\"track\": {\"opens\": true}", "a@example.jp", "b@example.jp");
        await using var connection = await App.ConnectAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        await using (var held = new Npgsql.NpgsqlCommand("select from recipients where email_id = $1 and n = 1 for update", connection) { Parameters = { new() { Value = id.ToGuid() } } })
            await held.ExecuteNonQueryAsync();

        foreach (var copy in copies) using (await tracking.VisitAsync(copy.Pixel)) { }
        Assert.Equal("b@example.jp", (await tracking.EventsAsync(id, "email.opened"))[0].Text("recipient"));
        await transaction.CommitAsync();

        Assert.Equal(["b@example.jp", "a@example.jp"], (await tracking.EventsAsync(id, "email.opened", 2)).Select(e => e.Text("recipient")));
    }

    [Fact]
    public async Task A_tampered_address_leads_nowhere_and_nothing_is_told()
    {
        var (id, copies) = await tracking.SentAsync("\"track\": {\"opens\": true, \"clicks\": true}, \"unsubscribe\": \"stream\"");
        string[] good = [copies[0].Pixel, copies[0].Links[0], copies[0].Unsubscribe];

        foreach (var url in good)
        {
            var start = url.LastIndexOf('/') + 1;
            foreach (var at in new[] { start, start + 5, start + 30, start + 45, url.Length - 5 })
                Assert.Equal(HttpStatusCode.NotFound, await StatusAsync(url[..at] + (url[at] == 'A' ? 'B' : 'A') + url[(at + 1)..]));
            Assert.Equal(HttpStatusCode.NotFound, await StatusAsync(url[..start]));
        }

        var token = good[0][(good[0].LastIndexOf('/') + 1)..^4];
        foreach (var kind in new[] { "c", "u" }) Assert.Equal(HttpStatusCode.NotFound, await StatusAsync($"/t/{kind}/{token}"));
        Assert.Equal(HttpStatusCode.NotFound, await StatusAsync($"/t/o/{good[1][(good[1].LastIndexOf('/') + 1)..]}.gif"));
        Assert.Equal(HttpStatusCode.NotFound, await StatusAsync($"/t/c/{good[1][(good[1].LastIndexOf('/') + 1)..]}/https://evil.example"));
        using var withQuery = await tracking.VisitAsync($"{good[1]}?url=https://evil.example&utm_source=x");
        Assert.Equal("https://shop.example/orders?id=1&x=2", withQuery.Headers.Location!.OriginalString);
        Assert.Single(await tracking.EventsAsync(id, "email.clicked"));
        Assert.DoesNotContain("opened", await App.Http.EventsAsync(id));

        async Task<HttpStatusCode> StatusAsync(string url)
        {
            using var answer = await tracking.VisitAsync(url);
            Assert.Null(answer.Headers.Location);
            return answer.StatusCode;
        }
    }

    [Fact]
    public async Task An_erased_mail_answers_the_pixel_and_leads_nowhere_any_more()
    {
        await App.ExecuteAsync("update projects set keeps_ip = true");
        var (id, copies) = await tracking.SentAsync("\"track\": {\"opens\": true, \"clicks\": true}, \"unsubscribe\": \"stream\"");
        using (await tracking.VisitAsync(copies[0].Links[0])) await tracking.EventsAsync(id, "email.clicked");
        Assert.Equal("127.0.0.1", (await tracking.EventsAsync(id, "email.clicked"))[0].Text("ip"));
        await App.ExecuteAsync("update projects set keeps_ip = false");

        using (var erased = await App.Http.DeleteAsync($"/v1/emails/{id}")) Assert.Equal(HttpStatusCode.NoContent, erased.StatusCode);

        using var pixel = await tracking.VisitAsync(copies[0].Pixel);
        using var link = await tracking.VisitAsync(copies[0].Links[0]);
        using var page = await tracking.VisitAsync(copies[0].Unsubscribe);
        using var post = await tracking.VisitAsync(copies[0].Unsubscribe, method: HttpMethod.Post);
        Assert.Equal((HttpStatusCode.OK, "image/gif"), (pixel.StatusCode, pixel.Content.Headers.ContentType!.MediaType));
        Assert.Equal([HttpStatusCode.NotFound, HttpStatusCode.NotFound, HttpStatusCode.NotFound], [link.StatusCode, page.StatusCode, post.StatusCode]);
        var clicked = (await tracking.EventsAsync(id, "email.clicked"))[0];
        Assert.False(clicked.TryGetProperty("ip", out _) || clicked.TryGetProperty("url", out _));
        // What comes after it shows that the erased mail's hit was dealt with.
        var (other, others) = await tracking.SentAsync("\"track\": {\"opens\": true}");
        using var later = await tracking.VisitAsync(others[0].Pixel);
        await tracking.EventsAsync(other, "email.opened");
        Assert.DoesNotContain("opened", await App.Http.EventsAsync(id));
    }

    [Fact]
    public async Task A_mail_whose_time_is_over_answers_the_pixel_and_leads_nowhere_any_more()
    {
        var (id, copies) = await tracking.SentAsync("\"track\": {\"opens\": true, \"clicks\": true}");
        foreach (var table in new[] { "events", "attempts", "recipients", "contents" }) await App.ExecuteAsync($"delete from {table} where email_id = '{id.ToGuid()}'");
        await App.ExecuteAsync($"delete from emails where id = '{id.ToGuid()}'");

        using var pixel = await tracking.VisitAsync(copies[0].Pixel);
        using var link = await tracking.VisitAsync(copies[0].Links[0]);

        Assert.Equal([HttpStatusCode.OK, HttpStatusCode.NotFound], [pixel.StatusCode, link.StatusCode]);
    }

    [Fact]
    public async Task What_was_taken_is_written_before_the_server_stops()
    {
        await using var app = await TestApp.StartAsync($"--EmailApi:PublicUrl={TrackingApp.Url}");
        var id = await app.SendAsync(more: new() { ["html"] = TrackingApp.Html, ["track"] = new System.Text.Json.Nodes.JsonObject { ["opens"] = true } });
        var copy = new Copy(Assert.Single(await app.RelayedAsync(id)));
        for (var i = 0; i < 3; i++) using (await app.Http.GetAsync(copy.Pixel.Replace(TrackingApp.Url, "", StringComparison.Ordinal))) { }

        await app.StopAppAsync();

        await using var connection = await app.ConnectAsync();
        await using var count = new Npgsql.NpgsqlCommand("select count(*) from events where type = 'email.opened' and data ->> 'class' = 'scanner' and (data ->> 'first')::bool is not null", connection);
        Assert.Equal(3L, await count.ExecuteScalarAsync());
    }

    [Fact]
    public async Task What_raw_shows_is_what_was_sent()
    {
        var (id, copies) = await tracking.SentAsync("\"track\": {\"opens\": true, \"clicks\": true}, \"unsubscribe\": \"project\"", "a@example.jp", "b@example.jp");

        Assert.Equal(copies[0].Mail.Text.TrimEnd(), (await App.Http.GetStringAsync($"/v1/emails/{id}/raw")).TrimEnd());
        Assert.Equal(TrackingApp.Html, (await App.GetAsync($"/v1/emails/{id}/content")).Text("html"));
    }

    [Fact]
    public async Task Of_a_sensitive_mail_the_address_of_a_link_is_kept_nowhere()
    {
        var (id, copies) = await tracking.SentAsync("\"sensitive\": true, \"html\": \"<a href='https://shop.example/reset/5ecret7oken'>x</a>\", \"track\": {\"clicks\": true}");
        var link = copies[0].Html.Split('\'')[1];

        using var answer = await tracking.VisitAsync(link);

        Assert.Equal("https://shop.example/reset/5ecret7oken", answer.Headers.Location!.OriginalString);
        Assert.Equal(1, Assert.Single(await tracking.EventsAsync(id, "email.clicked")).GetProperty("link").GetInt32());
        await App.UntilAsync(async db => !await db.Contents.AnyAsync(c => c.EmailId == id.ToGuid()));
        Assert.Empty(await App.TablesWithAsync("5ecret7oken"));
    }

    [Fact]
    public async Task A_node_that_delivers_needs_no_address_of_its_own()
    {
        await using var api = await TestApp.StartAsync($"--EmailApi:PublicUrl={TrackingApp.Url}", "--EmailApi:Role=api");
        var id = await api.SendAsync(more: new() { ["html"] = TrackingApp.Html, ["track"] = new System.Text.Json.Nodes.JsonObject { ["opens"] = true }, ["unsubscribe"] = "stream" });

        await using var worker = await api.StartNodeAsync("--EmailApi:Role=worker");

        var copy = new Copy(Assert.Single(await api.RelayedAsync(id)));
        Assert.StartsWith($"{TrackingApp.Url}/t/o/", copy.Pixel, StringComparison.Ordinal);
        Assert.StartsWith($"{TrackingApp.Url}/t/u/", copy.Unsubscribe, StringComparison.Ordinal);
        using var pixel = await api.Http.GetAsync(copy.Pixel.Replace(TrackingApp.Url, "", StringComparison.Ordinal));
        using var elsewhere = await worker.Http.GetAsync(copy.Pixel.Replace(TrackingApp.Url, "", StringComparison.Ordinal));
        Assert.Equal([HttpStatusCode.OK, HttpStatusCode.NotFound], [pixel.StatusCode, elsewhere.StatusCode]);
    }

    [Fact]
    public async Task The_client_package_asks_for_it_and_reads_what_is_told()
    {
        var client = new EmailApi.Client.EmailApiClient(new HttpClient(), new() { BaseAddress = App.Http.BaseAddress!, Key = TestApp.Key });
        var sent = await client.SendAsync(new()
        {
            From = "orders@shop.example",
            To = ["client@example.jp"],
            Subject = "Hello",
            Html = TrackingApp.Html,
            Track = new() { Opens = true, Clicks = true },
            Unsubscribe = EmailApi.Client.UnsubscribeScope.Project,
            ReturnReceipt = true,
        });
        var copy = new Copy(Assert.Single(await App.RelayedAsync(sent.Id)));

        using (await tracking.VisitAsync(copy.Links[1])) { }
        using (await tracking.VisitAsync(copy.Unsubscribe, method: HttpMethod.Post)) { }
        await tracking.EventsAsync(sent.Id, "email.clicked");

        // The feed waits for whatever older transaction the server still has open.
        var events = new List<EmailApi.Client.EmailEvent>();
        await Eventually.IsAsync(async () =>
        {
            events.Clear();
            await foreach (var told in client.ListEventsAsync())
                if (told.EmailId == sent.Id) events.Add(told);
            return events.Exists(e => e.Type == "email.clicked") && events.Exists(e => e.Type == "email.unsubscribed");
        }, within: TimeSpan.FromSeconds(30));

        var clicked = Assert.Single(events, e => e.Type == "email.clicked");
        Assert.Equal(("https://shop.example/help", 2, true), (clicked.Url, clicked.Link, clicked.First));
        Assert.NotNull(clicked.Class);
        Assert.Equal("project", Assert.Single(events, e => e.Type == "email.unsubscribed").Scope);
        Assert.Equal("orders@shop.example", copy.Mail.Read().Headers["Disposition-Notification-To"]);
    }

    [Fact]
    public async Task A_retry_sends_the_same_bytes()
    {
        App.Relay.Answer("later@example.jp", "451 4.3.2 try later");
        var id = await App.SendAsync("later@example.jp", new() { ["html"] = TrackingApp.Html, ["track"] = new System.Text.Json.Nodes.JsonObject { ["opens"] = true, ["clicks"] = true }, ["sensitive"] = true });
        await App.UntilAsync(db => db.Attempts.AnyAsync(a => a.EmailId == id.ToGuid()));
        var first = await App.Http.GetStringAsync($"/v1/emails/{id}/raw");
        App.Relay.AnswerAsUsual();

        await App.RunDueAsync();

        Assert.Equal(first.TrimEnd(), Assert.Single(await App.RelayedAsync(id)).Text.TrimEnd());
    }
}
