using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Nodes;
using EmailApi.Tests.Support;

namespace EmailApi.Tests.Limits;

public sealed class RateLimitTests : IAsyncLifetime
{
    TestApp app = null!;

    public async ValueTask InitializeAsync() => app = await TestApp.StartAsync();

    public ValueTask DisposeAsync() => app.DisposeAsync();

    /// <summary>Has the app's client send with a new key.</summary>
    async Task<string> UseKeyAsync(JsonObject? rateLimit, params TestApp[] nodes)
    {
        var key = new JsonObject { ["name"] = "shop", ["scopes"] = new JsonArray("send", "read", "manage") };
        if (rateLimit is not null) key["rate_limit"] = rateLimit;
        using var answer = await app.PostAsync(key, "/v1/keys");
        var made = await answer.Content.ReadFromJsonAsync<JsonElement>();
        foreach (var node in nodes.Append(app)) node.Http.DefaultRequestHeaders.Authorization = new("Bearer", made.GetProperty("key").GetString());
        return made.GetProperty("id").GetString()!;
    }

    static JsonObject Limit(int perSecond, int burst) => new() { ["per_second"] = perSecond, ["burst"] = burst };

    static JsonArray Batch(int mails) => new([.. Enumerable.Range(0, mails).Select(_ => TestApp.Mail())]);

    static string? Header(HttpResponseMessage answer, string name) => answer.Headers.TryGetValues(name, out var values) ? string.Join(", ", values) : null;

    async Task<HttpResponseMessage> PatchAsync(string path, JsonObject body) => await app.Http.PatchAsJsonAsync(path, body);

    [Fact]
    public async Task The_mail_after_the_burst_is_refused_with_the_time_to_wait()
    {
        await UseKeyAsync(Limit(1, 2));

        using var first = await app.PostAsync(TestApp.Mail());
        using var second = await app.PostAsync(TestApp.Mail());
        using var third = await app.PostAsync(TestApp.Mail());

        Assert.Equal((HttpStatusCode.Accepted, HttpStatusCode.Accepted, HttpStatusCode.TooManyRequests), (first.StatusCode, second.StatusCode, third.StatusCode));
        Assert.Equal("rate_limited", (await third.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("code").GetString());
        Assert.Equal("1", Header(third, "Retry-After"));
        Assert.Equal("\"key\";q=2;w=2", Header(third, "RateLimit-Policy"));
        Assert.StartsWith("\"key\";r=1;t=", Header(first, "RateLimit"), StringComparison.Ordinal);
        Assert.StartsWith("\"key\";r=0;t=", Header(third, "RateLimit"), StringComparison.Ordinal);
        Assert.Equal(2, await app.QueryAsync(db => Task.FromResult(db.Emails.Count())));
    }

    [Fact]
    public async Task Who_waits_as_told_is_let_through()
    {
        await UseKeyAsync(Limit(1, 5));
        using var first = await app.PostAsync(Batch(5), "/v1/emails/batch");
        using var refused = await app.PostAsync(Batch(5), "/v1/emails/batch");

        await Task.Delay(TimeSpan.FromSeconds(int.Parse(Header(refused, "Retry-After")!, CultureInfo.InvariantCulture) + 0.1));
        using var again = await app.PostAsync(Batch(5), "/v1/emails/batch");

        Assert.Equal((HttpStatusCode.TooManyRequests, HttpStatusCode.Accepted), (refused.StatusCode, again.StatusCode));
    }

    [Fact]
    public async Task Two_nodes_share_a_limit()
    {
        await using var other = await app.StartNodeAsync();
        await UseKeyAsync(Limit(50, 100), other);
        var started = TimeProvider.System.GetTimestamp();
        var accepted = 0;

        await Task.WhenAll(new[] { app, other, app, other }.Select(async node =>
        {
            while (TimeProvider.System.GetElapsedTime(started) < TimeSpan.FromSeconds(4) || Volatile.Read(ref accepted) < 100)   // the burst at least, however slow the machine
            {
                using var answer = await node.PostAsync(TestApp.Mail());
                if (answer.StatusCode is HttpStatusCode.Accepted) Interlocked.Increment(ref accepted);
                else await Task.Delay(5);
            }
        }));

        var allowed = 100 + 50 * TimeProvider.System.GetElapsedTime(started).TotalSeconds;
        Assert.InRange(accepted, 100, allowed + 2);
    }

    [Fact]
    public async Task A_batch_counts_as_its_mails()
    {
        await UseKeyAsync(Limit(1, 30));

        using var whole = await app.PostAsync(Batch(30), "/v1/emails/batch");
        using var more = await app.PostAsync(Batch(30), "/v1/emails/batch");

        Assert.Equal((HttpStatusCode.Accepted, HttpStatusCode.TooManyRequests), (whole.StatusCode, more.StatusCode));
    }

    [Fact]
    public async Task A_batch_that_could_never_pass_is_told_so()
    {
        await UseKeyAsync(Limit(5, 5));

        using var answer = await app.PostAsync(Batch(6), "/v1/emails/batch");

        Assert.Equal(HttpStatusCode.UnprocessableEntity, answer.StatusCode);
        Assert.Contains("at most 5 mails", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_key_has_a_limit_until_another_is_set_and_the_bootstrap_key_none()
    {
        using var unlimited = await app.PostAsync(TestApp.Mail());
        var id = await UseKeyAsync(null);
        using var usual = await app.PostAsync(TestApp.Mail());

        Assert.Null(Header(unlimited, "RateLimit-Policy"));
        Assert.Equal("\"key\";q=2000;w=2", Header(usual, "RateLimit-Policy"));
        Assert.Equal(1000, (await app.GetAsync($"/v1/keys/{id}")).GetProperty("rate_limit").GetProperty("per_second").GetInt32());
    }

    [Fact]
    public async Task A_keys_limit_can_be_changed_and_taken_back()
    {
        var id = await UseKeyAsync(Limit(1, 1));
        using (await app.PostAsync(TestApp.Mail())) { }

        using var changed = await PatchAsync($"/v1/keys/{id}", new() { ["rate_limit"] = Limit(100, 100) });
        await Task.Delay(200);
        using var faster = await app.PostAsync(TestApp.Mail());
        using var back = await PatchAsync($"/v1/keys/{id}", new() { ["rate_limit"] = new JsonObject() });

        Assert.Equal(HttpStatusCode.OK, changed.StatusCode);
        Assert.Equal("\"key\";q=100;w=1", Header(faster, "RateLimit-Policy"));
        Assert.Equal(2000, (await back.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("rate_limit").GetProperty("burst").GetInt32());
    }

    [Fact]
    public async Task The_keys_of_a_project_share_the_projects_limit()
    {
        using (await PatchAsync("/v1/projects/prj_1", new() { ["rate_limit"] = Limit(1, 40) })) { }

        await UseKeyAsync(null);
        using var first = await app.PostAsync(Batch(20), "/v1/emails/batch");
        app.Http.DefaultRequestHeaders.Authorization = new("Bearer", TestApp.Key);
        using var second = await app.PostAsync(Batch(20), "/v1/emails/batch");
        using var third = await app.PostAsync(Batch(20), "/v1/emails/batch");

        Assert.Equal("\"key\";q=2000;w=2, \"project\";q=40;w=40", Header(first, "RateLimit-Policy"));
        Assert.Equal((HttpStatusCode.Accepted, HttpStatusCode.TooManyRequests), (second.StatusCode, third.StatusCode));
    }

    [Theory]
    [InlineData("""{"per_second": 10, "burst": 5}""", "#/rate_limit/burst", "contradiction")]
    [InlineData("""{"per_second": 0}""", "#/rate_limit/per_second", "out_of_range")]
    [InlineData("""{"per_second": 1000001}""", "#/rate_limit/per_second", "out_of_range")]
    [InlineData("""{"burst": 5}""", "#/rate_limit/per_second", "required")]
    [InlineData("""{"per_minute": 5}""", "#/rate_limit/per_minute", "unknown_field")]
    [InlineData("""{"per_second": 101}""", "#/rate_limit/per_second", "contradiction")]   // the project has 100
    public async Task A_limit_that_contradicts_itself_is_refused_with_the_place(string limit, string pointer, string code)
    {
        using (await PatchAsync("/v1/projects/prj_1", new() { ["rate_limit"] = Limit(100, 100) })) { }
        var key = new JsonObject { ["name"] = "shop", ["scopes"] = new JsonArray("send"), ["rate_limit"] = JsonNode.Parse(limit) };

        using var answer = await app.PostAsync(key, "/v1/keys");

        var problem = await answer.Content.ReadFromJsonAsync<JsonElement>();
        Assert.Equal(HttpStatusCode.UnprocessableEntity, answer.StatusCode);
        Assert.Equal((pointer, code), (problem.GetProperty("errors")[0].GetProperty("pointer").GetString(), problem.GetProperty("errors")[0].GetProperty("code").GetString()));
    }

    [Fact]
    public async Task A_projects_own_keys_do_not_set_its_limits()
    {
        using var made = await app.PostAsync(new JsonObject { ["name"] = "tenant" }, "/v1/projects");
        var project = (await made.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("id").GetString()!;
        using var key = await app.PostAsync(new JsonObject { ["name"] = "k", ["scopes"] = new JsonArray("manage"), ["project"] = project }, "/v1/keys");
        app.Http.DefaultRequestHeaders.Authorization = new("Bearer", (await key.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("key").GetString());

        using var limit = await PatchAsync($"/v1/projects/{project}", new() { ["rate_limit"] = Limit(1000, 1000) });
        using var quota = await PatchAsync($"/v1/projects/{project}", new() { ["quota"] = new JsonObject() });

        Assert.Equal((HttpStatusCode.Forbidden, HttpStatusCode.Forbidden), (limit.StatusCode, quota.StatusCode));
    }

    [Fact]
    public async Task A_tenants_key_gives_no_more_than_what_holds_by_default_or_the_projects_limit_allows()
    {
        using var made = await app.PostAsync(new JsonObject { ["name"] = "tenant" }, "/v1/projects");
        var project = (await made.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("id").GetString()!;
        using var key = await app.PostAsync(new JsonObject { ["name"] = "k", ["scopes"] = new JsonArray("manage"), ["project"] = project }, "/v1/keys");
        var tenant = await key.Content.ReadFromJsonAsync<JsonElement>();
        using var http = app.WithKey(tenant.GetProperty("key").GetString());
        Task<HttpResponseMessage> ChangeAsync(JsonObject limit) => http.PatchAsJsonAsync($"/v1/keys/{tenant.GetProperty("id").GetString()}", new JsonObject { ["rate_limit"] = limit });
        Task<HttpResponseMessage> MakeAsync(JsonObject limit) => http.PostAsJsonAsync("/v1/keys", new JsonObject { ["name"] = "faster", ["scopes"] = new JsonArray("manage"), ["rate_limit"] = limit });

        using var lower = await ChangeAsync(Limit(10, 10));
        using var usual = await ChangeAsync(Limit(1000, 2000));
        using var faster = await ChangeAsync(Limit(1001, 2000));
        using var wider = await ChangeAsync(Limit(1000, 2001));
        using var another = await MakeAsync(Limit(1001, 1001));
        using var byOperator = await app.PostAsync(new JsonObject { ["name"] = "k", ["scopes"] = new JsonArray("send"), ["project"] = project, ["rate_limit"] = Limit(5000, 5000) }, "/v1/keys");
        using (await PatchAsync($"/v1/projects/{project}", new() { ["rate_limit"] = Limit(3000, 6000) })) { }
        using var within = await ChangeAsync(Limit(3000, 6000));
        using var beyond = await MakeAsync(Limit(3000, 6001));

        Assert.Equal([HttpStatusCode.OK, HttpStatusCode.OK], [lower.StatusCode, usual.StatusCode]);
        Assert.All([faster, wider, another, beyond], answer => Assert.Equal(HttpStatusCode.Forbidden, answer.StatusCode));
        Assert.Equal([HttpStatusCode.Created, HttpStatusCode.OK], [byOperator.StatusCode, within.StatusCode]);
    }

    [Fact]
    public async Task What_a_node_leased_and_did_not_use_goes_back_when_it_stops()
    {
        await UseKeyAsync(Limit(100, 100));
        using (await app.PostAsync(TestApp.Mail())) { }   // leases 10

        await app.StopAppAsync();
        await app.StartAppAsync();

        Assert.Equal(99, await app.QueryAsync(db => Task.FromResult(db.RateBuckets.Single(b => b.Id.StartsWith("key_")).Level)));
    }
}
