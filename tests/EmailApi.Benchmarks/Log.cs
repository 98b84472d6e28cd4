using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using EmailApi.Benchmarks.Servers;
using EmailApi.Data.Embedded;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace EmailApi.Benchmarks;

/// <summary>How long the log takes to answer with much mail stored: every filter of GET /v1/emails, first and second pages, and one mail by
/// its id; then the statistics; one request at a time.</summary>
sealed class Log(Options options, CancellationToken cancel)
{
    const int DefaultMails = 1_000_000;
    const int Requests = 200;
    const double MaxP99 = 20;
    const double MaxStatsP99 = 50;

    readonly Random random = new(42);

    /// <returns>The exit code: 1 when a p99 of the log is above 20 ms, or of the statistics above 50.</returns>
    public async Task<int> RunAsync()
    {
        var mails = options.Mails ?? DefaultMails;
        using var folder = new WorkFolder(options.Folder);
        await using var postgres = await EmbeddedPostgres.StartAsync(folder.NewFolder("postgres"), NullLogger.Instance, cancel);
        // Nothing is delivered: the queue stays as it is.
        await using var app = await EmailApiServer.StartAsync(folder, postgres.ConnectionString, new Dictionary<string, string> { ["EmailApi__Role"] = "api" }, cancel);
        await using var database = NpgsqlDataSource.Create(postgres.ConnectionString);
        await new LogFill(database, mails, cancel).RunAsync();

        var times = new ReadTimes(app, random, cancel);
        var ids = await times.IdsAsync(database);
        var isFast = true;
        ReadTimes.PrintHead();
        foreach (var (name, path) in Paths(mails, ids)) isFast &= await times.MeasureAsync(name, path, Requests, MaxP99) <= MaxP99;
        foreach (var (name, query) in Pages()) isFast &= await times.MeasureAsync($"second page, {name}", await times.SecondPagesAsync(query), Requests, MaxP99) <= MaxP99;
        await CountAsync(app.Http);
        await using (var vacuum = database.CreateCommand("vacuum analyze stats")) await vacuum.ExecuteNonQueryAsync(cancel);   // as autovacuum would within a minute, not beside what is measured
        foreach (var (name, query) in Stats()) isFast &= await times.MeasureAsync($"/v1/stats, {name}", () => $"/v1/stats?{query}", Requests, MaxStatsP99) <= MaxStatsP99;
        await times.MeasureAsync("/v1/ledger of one day", () => $"/v1/ledger?from={Day(-2)}&to={Day(-1)}", 20, double.MaxValue);
        await times.MeasureAsync("/v1/ledger of 30 days", () => "/v1/ledger", 5, double.MaxValue);
        Console.WriteLine(isFast ? $"Every p99 of the log is within {MaxP99} ms, of the statistics within {MaxStatsP99}." : $"A p99 of the log is above {MaxP99} ms, or of the statistics above {MaxStatsP99}.");
        return isFast ? 0 : 1;
    }

    IEnumerable<(string Name, Func<string> Path)> Paths(int mails, string[] ids)
    {
        yield return ("/v1/emails/{id}", () => $"/v1/emails/{ids[random.Next(ids.Length)]}");
        yield return List("no filter", () => "");
        yield return List("no filter, limit 100", () => "limit=100");
        foreach (var status in new[] { "sent", "delivered", "bounced", "partial", "deferred", "scheduled", "queued", "sending", "held", "in_doubt", "suppressed", "complained" })
            yield return List($"status={status}", () => $"status={status}");
        yield return List("address, of one of 200,000", () => $"address=customer-{random.Next(200_000)}@example.com");
        yield return List("address, in one mail of a hundred", () => $"address={LogFill.Frequent}");
        yield return List("address that nobody has", () => $"address=nobody-{random.Next(100)}@example.com");
        yield return List("stream, six mails of ten", () => "stream=transactional");
        yield return List("stream, one mail of a hundred", () => "stream=alert");
        yield return List("stream that nobody uses", () => "stream=none");
        yield return List("tag=order:N, one mail", () => $"tag=order:{random.Next(mails)}");
        yield return List("tag=campaign:c3, three mails of a hundred", () => "tag=campaign:c3");
        yield return List("tag=order, half of the mails", () => "tag=order");
        yield return List("tag=none", () => "tag=none");
        yield return List("key, a quarter of the mails", () => "key=key_1");
        yield return List("key, one mail of fifty", () => "key=key_seldom");
        yield return List("key that nobody has", () => "key=none");
        yield return List("subject, one mail", () => $"subject=Order%20{random.Next(mails)}%20has");
        yield return List("subject, six mails of ten", () => "subject=shipped");
        yield return List("subject, one mail of a hundred", () => "subject=disk");
        yield return List("subject, a Japanese word", () => $"subject={Uri.EscapeDataString("請求書")}");
        yield return List("subject, a Japanese number", () => $"subject={Uri.EscapeDataString($"請求書 {random.Next(9973)} の")}");
        yield return List("subject, two Japanese letters", () => $"subject={Uri.EscapeDataString("請求")}");
        yield return List("subject, two Japanese letters that no mail has", () => $"subject={Uri.EscapeDataString("見積")}");
        yield return List("subject, two letters", () => "subject=zz");
        yield return List("subject that no mail has", () => "subject=zzzyyy");
        yield return List("from and to, one day", () => $"from={Day(-random.Next(2, 30))}&to={Day(-1)}");
        yield return List("to, three weeks ago", () => $"to={Day(-21)}");
        yield return List("status=bounced, one day", () => $"status=bounced&from={Day(-9)}&to={Day(-8)}");
        yield return List("status=sent, stream=alert", () => "status=sent&stream=alert");
        yield return List("status=bounced, key seldom", () => "status=bounced&key=key_seldom");
        yield return List("status=failed, stream=alert", () => "status=failed&stream=alert");
        yield return List("status=sent, address of one", () => $"status=sent&address=customer-{random.Next(200_000)}@example.com");
        yield return List("status=bounced, address in one of a hundred", () => $"status=bounced&address={LogFill.Frequent}");
        yield return List("status=held, stream=otp", () => "status=held&stream=otp");
        yield return List("stream=newsletter, tag=campaign:c3", () => "stream=newsletter&tag=campaign:c3");
        yield return List("stream=alert, subject=disk, one day", () => $"stream=alert&subject=disk&from={Day(-9)}&to={Day(-8)}");
        yield return List("stream=invoice, subject=shipped: none", () => "stream=invoice&subject=shipped");
        yield return List("status=bounced, subject=disk", () => "status=bounced&subject=disk");
        yield return List("status=delivered, tag=campaign:c3", () => "status=delivered&tag=campaign:c3");

        static (string, Func<string>) List(string name, Func<string> query) => (name, () => $"/v1/emails?{query()}");
    }

    static IEnumerable<(string Name, string Query)> Pages() =>
    [
        ("no filter", ""), ("status=sent", "status=sent&"), ("status=bounced", "status=bounced&"), ("address in one of a hundred", $"address={LogFill.Frequent}&"),
        ("stream=alert", "stream=alert&"), ("subject=disk", "subject=disk&"), ("tag=campaign:c3", "tag=campaign:c3&"),
    ];

    static IEnumerable<(string Name, string Query)> Stats()
    {
        var month = $"from={Day(-34)}";
        return
        [
            ("a week", ""), ("5 weeks, days", $"{month}&interval=day"), ("5 weeks, hours", $"{month}&interval=hour"), ("5 weeks, days of Tokyo", $"{month}&interval=day&time_zone=Asia/Tokyo"),
            ("5 weeks by stream", $"{month}&by=stream"), ("5 weeks by domain", $"{month}&by=domain"), ("5 weeks by tag", $"{month}&by=tag"), ("5 weeks by relay", $"{month}&by=relay"),
            ("one tag, days", $"{month}&by=tag&value=campaign:c3&interval=day"),
        ];
    }

    /// <summary>What an upgrade does once: counts all that is stored.</summary>
    async Task CountAsync(HttpClient http)
    {
        var start = Stopwatch.GetTimestamp();
        while (true)
        {
            using var answer = JsonDocument.Parse(await http.GetStringAsync("/v1/stats", cancel));
            if (TimeProvider.System.GetUtcNow() - answer.RootElement.GetProperty("as_of").GetDateTimeOffset() < TimeSpan.FromSeconds(5)) break;
        }

        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"All events of a project are counted in {Stopwatch.GetElapsedTime(start).TotalSeconds:0} s"));
    }

    static string Day(int offset) => TimeProvider.System.GetUtcNow().Date.AddDays(offset).ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);
}
