using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Nodes;
using EmailApi.Tests.Support;

namespace EmailApi.Tests.Limits;

public sealed class QuotaTests : IAsyncLifetime
{
    TestApp app = null!;

    public async ValueTask InitializeAsync() => app = await TestApp.StartAsync();

    public ValueTask DisposeAsync() => app.DisposeAsync();

    async Task<HttpResponseMessage> SetAsync(int? perDay, int? perMonth) =>
        await app.Http.PatchAsJsonAsync("/v1/projects/prj_1", new JsonObject { ["quota"] = new JsonObject { ["per_day"] = perDay, ["per_month"] = perMonth } });

    [Fact]
    public async Task The_mail_after_the_days_last_is_refused_until_midnight()
    {
        using (await SetAsync(3, null)) { }
        for (var i = 0; i < 3; i++) await app.SendAsync();

        using var refused = await app.PostAsync(TestApp.Mail());

        Assert.Equal(HttpStatusCode.TooManyRequests, refused.StatusCode);
        Assert.Equal("quota_exceeded", (await refused.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("code").GetString());
        Assert.InRange(int.Parse(refused.Headers.GetValues("Retry-After").Single(), CultureInfo.InvariantCulture), 1, 86_400);
        Assert.Equal("\"day\";q=3;w=86400", refused.Headers.GetValues("RateLimit-Policy").Single());
        var day = (await app.GetAsync("/v1/usage")).GetProperty("quota").GetProperty("per_day");
        Assert.Equal((3, 3, 0), (day.GetProperty("limit").GetInt32(), day.GetProperty("used").GetInt32(), day.GetProperty("remaining").GetInt32()));
    }

    [Theory]
    [InlineData("1.5")]
    [InlineData("99999999999")]
    [InlineData("\"many\"")]
    public async Task A_quota_that_is_no_number_of_mails_is_told_what_would_be(string quota)
    {
        using var answer = await app.Http.PatchAsync("/v1/projects/prj_1", JsonContent.Create(JsonNode.Parse($"{{\"quota\": {{\"per_day\": {quota}}}}}")));

        var problem = await ProblemDocument.ReadAsync(answer);
        Assert.Equal((400, "#/quota/per_day"), (problem.Status, Assert.Single(problem.Errors).Pointer));
        Assert.Contains("give a whole number", problem.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_raised_quota_lets_mail_through_at_once_and_the_month_counts_beside_the_day()
    {
        using (await SetAsync(1, null)) { }
        await app.SendAsync();
        using var refused = await app.PostAsync(TestApp.Mail());

        using (await SetAsync(10, 2 + 8)) { }
        await Task.Delay(200);
        await app.SendAsync();
        using (await SetAsync(2, 2)) { }
        await Task.Delay(200);
        using var month = await app.PostAsync(TestApp.Mail());

        Assert.Equal((HttpStatusCode.TooManyRequests, HttpStatusCode.TooManyRequests), (refused.StatusCode, month.StatusCode));
    }

    [Fact]
    public async Task Two_nodes_let_exactly_the_quota_through()
    {
        using (await SetAsync(150, null)) { }
        await using var other = await app.StartNodeAsync();
        var accepted = 0;

        await Task.WhenAll(Enumerable.Range(0, 200).Select(async i =>
        {
            using var answer = await (i % 2 == 0 ? app : other).PostAsync(TestApp.Mail());
            if (answer.StatusCode is HttpStatusCode.Accepted) Interlocked.Increment(ref accepted);
        }));

        Assert.Equal(150, accepted);
    }

    [Fact]
    public async Task A_new_day_begins_with_what_its_usage_says()
    {
        using (await SetAsync(5, null)) { }
        await app.SendAsync();
        await app.StopAppAsync();   // gives its lease back, and forgets it
        await app.StartAppAsync();
        await app.ExecuteAsync("update rate_buckets set at = at - interval '1 day', level = 5");

        for (var i = 0; i < 4; i++) await app.SendAsync();
        using var sixth = await app.PostAsync(TestApp.Mail());

        Assert.Equal(HttpStatusCode.TooManyRequests, sixth.StatusCode);
    }

    [Fact]
    public async Task What_is_not_stored_costs_no_quota()
    {
        using (await SetAsync(2, null)) { }
        using (await app.PostAsync(TestApp.Mail(), idempotencyKey: "one")) { }
        using (await app.PostAsync(TestApp.Mail(), idempotencyKey: "one")) { }   // a repeat
        using (await app.PostAsync(TestApp.Mail("nobody"))) { }   // no address

        using var second = await app.PostAsync(TestApp.Mail());
        using var third = await app.PostAsync(TestApp.Mail());

        Assert.Equal((HttpStatusCode.Accepted, HttpStatusCode.TooManyRequests), (second.StatusCode, third.StatusCode));
    }

    [Fact]
    public async Task Test_keys_mail_costs_no_quota_and_is_no_usage()
    {
        using (await SetAsync(1, null)) { }
        using var made = await app.PostAsync(new JsonObject { ["name"] = "t", ["scopes"] = new JsonArray("send", "read"), ["mode"] = "test" }, "/v1/keys");
        app.Http.DefaultRequestHeaders.Authorization = new("Bearer", (await made.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("key").GetString());

        await app.SendAsync();
        await app.SendAsync();

        Assert.Equal(0, (await app.GetAsync("/v1/usage")).GetProperty("emails").GetInt32());
    }

    [Fact]
    public async Task A_day_above_its_month_is_refused_with_the_place()
    {
        using var answer = await SetAsync(11, 10);

        var problem = await answer.Content.ReadFromJsonAsync<JsonElement>();
        Assert.Equal(HttpStatusCode.UnprocessableEntity, answer.StatusCode);
        Assert.Equal("#/quota/per_day", problem.GetProperty("errors")[0].GetProperty("pointer").GetString());
    }

    [Fact]
    public async Task Usage_is_counted_by_day_and_seen_by_its_project_only()
    {
        await app.SendAsync(more: new() { ["cc"] = "hanako@example.jp" });
        using (await app.PostAsync(new JsonArray(TestApp.Mail(), TestApp.Mail()), "/v1/emails/batch")) { }
        await app.ExecuteAsync("insert into usage values (1, current_date - 400, 0, 7, 7, 7), (4711, current_date, 0, 9, 9, 9)");

        var usage = await app.GetAsync("/v1/usage");

        Assert.Equal((3, 4), (usage.GetProperty("emails").GetInt32(), usage.GetProperty("recipients").GetInt32()));
        Assert.True(usage.GetProperty("bytes").GetInt64() > 0);
        Assert.Equal(3, usage.GetProperty("data")[0].GetProperty("emails").GetInt32());
        Assert.Equal(1, usage.GetProperty("data").GetArrayLength());
    }

    [Theory]
    [InlineData("from=yesterday", "from is a day")]
    [InlineData("from=2026-12-02&to=2026-12-01", "from must not lie after to")]
    [InlineData("from=2020-01-01&to=2026-12-01", "400 days")]
    public async Task A_wrong_period_is_refused(string query, string sentence)
    {
        using var answer = await app.Http.GetAsync($"/v1/usage?{query}");

        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Contains(sentence, await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }
}
