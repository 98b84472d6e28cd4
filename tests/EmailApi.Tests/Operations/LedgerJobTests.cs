using EmailApi.Operations;
using EmailApi.Tests.Support;
using Microsoft.Extensions.DependencyInjection;

namespace EmailApi.Tests.Operations;

public sealed class LedgerJobTests
{
    static async Task LookAsync(TestApp app)
    {
        await using var scope = app.Services.CreateAsyncScope();
        await scope.ServiceProvider.GetRequiredService<LedgerJob>().RunAsync(CancellationToken.None);
    }

    static Task<string> MetricsAsync(TestApp app) => app.Http.GetStringAsync("/metrics");

    [Fact]
    public async Task Mail_that_is_open_and_in_no_queue_is_found_and_told_once()
    {
        await using var app = await TestApp.StartWithoutRelayAsync();   // it waits
        var lost = await app.SendAsync();
        await app.SendAsync();
        await app.ExecuteAsync($"delete from queue where email_id = '{Guid.Parse(lost[3..])}'");

        await LookAsync(app);
        await LookAsync(app);

        var events = (await app.GetAsync($"/v1/emails/{lost}/events")).GetProperty("data").EnumerateArray().ToList();
        Assert.Equal(["email.accepted", "ledger.mismatch"], events.Select(e => e.GetProperty("type").GetString()));
        Assert.Equal("open but not in the queue", events[1].GetProperty("reason").GetString());
        Assert.Equal(1, await app.QueryAsync(db => Task.FromResult(db.Events.Count(e => e.Type == "ledger.mismatch"))));
        Assert.Contains("emailapi_ledger_mismatches 1", Figures(await MetricsAsync(app)), StringComparison.Ordinal);
        Assert.False((await app.GetAsync("/v1/ledger")).GetProperty("balanced").GetBoolean());
    }

    [Fact]
    public async Task Mail_that_is_final_and_still_in_the_queue_is_found()
    {
        await using var app = await TestApp.StartWithoutRelayAsync();
        var id = await app.SendAsync();
        await app.ExecuteAsync("update recipients set state = 'sent', final_at = now()");

        await LookAsync(app);

        Assert.Equal("ledger.mismatch", (await app.GetAsync($"/v1/emails/{id}/events")).GetProperty("data")[1].GetProperty("type").GetString());
    }

    [Fact]
    public async Task Sent_and_waiting_mail_is_no_mismatch()
    {
        await using var app = await TestApp.StartAsync();
        await app.Http.WaitForStatusAsync(await app.SendAsync(), "sent");
        await app.SendAsync(more: new() { ["send_at"] = DateTimeOffset.UtcNow.AddHours(1).ToString("o") });

        await LookAsync(app);

        Assert.Equal(0, await app.QueryAsync(db => Task.FromResult(db.Events.Count(e => e.Type == "ledger.mismatch"))));
        Assert.Contains("emailapi_ledger_mismatches 0", Figures(await MetricsAsync(app)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_age_of_the_oldest_due_mail_is_a_metric()
    {
        await using var app = await TestApp.StartWithoutRelayAsync();
        await app.SendAsync();
        await app.ExecuteAsync("update queue set due_at = now() - interval '90 seconds'");
        await app.StopAppAsync();
        await app.StartAppAsync();   // it looks at its start, and every 15 s

        var metrics = "";
        await Eventually.IsAsync(async () => (metrics = Figures(await MetricsAsync(app))).Contains("emailapi_queue_oldest_due_age_seconds", StringComparison.Ordinal), TimeSpan.FromSeconds(20));

        var age = metrics.Split('\n').First(l => l.StartsWith("emailapi_queue_oldest_due_age_seconds", StringComparison.Ordinal));
        Assert.Contains("lane=\"unrouted\"", age, StringComparison.Ordinal);
        Assert.True(double.Parse(age.Split(' ')[1], System.Globalization.CultureInfo.InvariantCulture) >= 90, age);
    }

    /// <summary>The app's own samples without the labels that say whose meter it is and without times.</summary>
    static string Figures(string metrics) => string.Join('\n', metrics.Split('\n').Where(l => l.StartsWith("emailapi_", StringComparison.Ordinal))
        .Select(l => System.Text.RegularExpressions.Regex.Replace(l, "otel_scope_name=\"[^\"]*\",?", "").Replace("{} ", " ", StringComparison.Ordinal).Replace("{}", "", StringComparison.Ordinal)));
}
