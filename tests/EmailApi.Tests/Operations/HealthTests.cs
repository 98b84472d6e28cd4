using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Net;
using EmailApi.Emails;
using EmailApi.Operations;
using EmailApi.Tests.Support;
using Microsoft.Extensions.DependencyInjection;

namespace EmailApi.Tests.Operations;

public sealed class HealthTests
{
    static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    static async Task<(HttpStatusCode, string Status, string[] Details)> ReadyAsync(HttpClient client)
    {
        using var answer = await client.GetAsync("/readyz");
        var body = await answer.JsonAsync();
        return (answer.StatusCode, body.GetProperty("status").GetString()!, [.. body.GetProperty("details").EnumerateArray().Select(d => d.GetString()!)]);
    }

    [Fact]
    public async Task A_node_with_its_database_is_live_and_ready_without_a_key()
    {
        await using var app = await TestApp.StartAsync();
        using var client = app.WithKey(null);

        Assert.Equal("ok", await client.GetStringAsync("/livez"));
        Assert.Equivalent((HttpStatusCode.OK, "ready", Array.Empty<string>()), await ReadyAsync(client));
    }

    [Fact]
    public async Task It_stays_ready_with_its_relay_down()
    {
        await using var app = await TestApp.StartAsync();
        await app.Relay.StopAsync();

        var id = await app.SendAsync();
        await app.WaitForAsync(id, RecipientState.Deferred);

        Assert.Equivalent((HttpStatusCode.OK, "ready", new[] { "relay_down:test" }), await ReadyAsync(app.Http), strict: true);
    }

    [Fact]
    public async Task A_relay_that_is_away_at_the_start_is_named_before_any_mail_and_until_it_is_there()
    {
        await using var relay = FakeRelay.Start();
        await relay.StopAsync();
        await using var app = await TestApp.StartAsync($"--EmailApi:Relays:0:Port={relay.Port}");

        await Eventually.IsAsync(async () => (await ReadyAsync(app.Http)) is (HttpStatusCode.OK, "ready", ["relay_down:test"]), Limit);
        relay.Restart();
        await Eventually.IsAsync(async () => (await ReadyAsync(app.Http)) is (HttpStatusCode.OK, "ready", []), Limit);
    }

    [Fact]
    public async Task Without_a_relay_it_accepts_and_says_so()
    {
        await using var app = await TestApp.StartWithoutRelayAsync();

        var id = await app.SendAsync();

        Assert.Equivalent((HttpStatusCode.OK, "ready", new[] { "no_relay" }), await ReadyAsync(app.Http));
        Assert.Equal("queued", (await app.GetAsync($"/v1/emails/{id}")).GetProperty("status").GetString());
    }

    [Fact]
    public async Task Metrics_show_the_apps_own_figures_and_no_address()
    {
        await using var app = await TestApp.StartAsync();
        await app.WaitForAsync(await app.SendAsync(), RecipientState.Sent);
        using var client = app.WithKey(null);

        var text = await client.GetStringAsync("/metrics");

        Assert.Matches(@"(?m)^emailapi_emails_accepted_total\{[^}]*\} [1-9]", text);
        Assert.Matches(@"(?m)^emailapi_accept_commit_duration_seconds_count\{[^}]*\} [1-9]", text);
        Assert.Matches(@"(?m)^emailapi_recipients_recorded_total\{[^}]*relay=""test"",state=""sent""[^}]*\} [1-9]", text);
        Assert.DoesNotContain("example.jp", text, StringComparison.Ordinal);
        Assert.DoesNotContain("Password", text, StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public async Task Times_are_counted_in_parts_of_a_second()
    {
        await using var app = await TestApp.StartAsync();
        var meters = app.Services.GetRequiredService<IMeterFactory>();
        var bounds = new ConcurrentDictionary<string, IReadOnlyList<double>?>();
        using var listener = new MeterListener
        {
            InstrumentPublished = (published, _) =>
            {
                if (ReferenceEquals(published.Meter.Scope, meters) && published.Meter.Name == Metrics.Meter && published is Histogram<double> { Unit: "s" } times)
                    bounds[times.Name] = times.Advice?.HistogramBucketBoundaries;
            },
        };
        listener.Start();

        Assert.Contains("emailapi.webhook.duration", bounds.Keys);
        Assert.All(bounds, b => Assert.True(b.Value?.Count(limit => limit < 1) >= 5, b.Key));   // what is usual otherwise are milliseconds
    }
}
