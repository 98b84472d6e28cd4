using System.Diagnostics;
using System.Net;
using System.Text;
using System.Text.Json;
using EmailApi.Benchmarks.Servers;
using EmailApi.Data.Embedded;
using Microsoft.Extensions.Logging.Abstractions;

namespace EmailApi.Benchmarks;

/// <summary>How long a million suppressions take to import and to export, and what they cost the mail that is accepted afterwards.</summary>
sealed class Suppressions(Options options, CancellationToken cancel)
{
    const int DefaultAddresses = 1_000_000;
    const double MaxSeconds = 60;
    const int Mails = 4000;

    /// <returns>The exit code: 1 when the import took longer than a minute.</returns>
    public async Task<int> RunAsync()
    {
        var addresses = options.Mails ?? DefaultAddresses;
        using var folder = new WorkFolder(options.Folder);
        await using var postgres = await EmbeddedPostgres.StartAsync(folder.NewFolder("postgres"), NullLogger.Instance, cancel);
        // Nothing is delivered: what is accepted is measured alone.
        await using var app = await EmailApiServer.StartAsync(folder, postgres.ConnectionString, new Dictionary<string, string> { ["EmailApi__Role"] = "api" }, cancel);
        using var http = new HttpClient { BaseAddress = app.Http.BaseAddress, Timeout = TimeSpan.FromMinutes(10) };
        http.DefaultRequestHeaders.Authorization = app.Http.DefaultRequestHeaders.Authorization;

        for (var round = 0; round < 3; round++) await AcceptAsync(http);   // compiled
        var without = await AcceptAsync(http);
        var seconds = await ImportAsync(http, app, addresses, "imported");
        await ImportAsync(http, app, addresses, "imported again");
        var with = await AcceptAsync(http);
        await ExportAsync(http);
        Console.WriteLine($"accepted a second: {without:0} without a suppression, {with:0} with {addresses:N0} ({with / without:0.00} of it)");
        Console.WriteLine(seconds <= MaxSeconds ? $"The import is within {MaxSeconds} s." : $"The import is above {MaxSeconds} s.");
        return seconds <= MaxSeconds ? 0 : 1;
    }

    async Task<double> ImportAsync(HttpClient http, EmailApiServer app, int addresses, string what)
    {
        using var content = new SuppressionLines(addresses);
        var startedAt = Stopwatch.GetTimestamp();
        using var answer = await http.PostAsync("/v1/suppressions/import", content, cancel);
        var seconds = Stopwatch.GetElapsedTime(startedAt).TotalSeconds;
        var said = await answer.Content.ReadAsStringAsync(cancel);
        if (!answer.IsSuccessStatusCode) throw new CannotRunException(said);
        var result = JsonDocument.Parse(said).RootElement;
        Console.WriteLine($"{what}: {addresses:N0} lines in {seconds:0.0} s, {result.GetProperty("added")} added, {result.GetProperty("known")} known; RSS of the app {app.Process.ResidentBytes / 1e6:0} MB");
        return seconds;
    }

    async Task ExportAsync(HttpClient http)
    {
        var startedAt = Stopwatch.GetTimestamp();
        await using var stream = await http.GetStreamAsync("/v1/suppressions/export", cancel);
        var (buffer, bytes) = (new byte[1 << 16], 0L);
        while (await stream.ReadAsync(buffer, cancel) is var read and > 0) bytes += read;
        Console.WriteLine($"exported: {bytes / 1e6:0.0} MB in {Stopwatch.GetElapsedTime(startedAt).TotalSeconds:0.0} s");
    }

    /// <returns>Mails a second.</returns>
    async Task<double> AcceptAsync(HttpClient http)
    {
        var startedAt = Stopwatch.GetTimestamp();
        await Parallel.ForAsync(0, Mails, new ParallelOptions { MaxDegreeOfParallelism = options.Clients, CancellationToken = cancel }, async (i, stop) =>
        {
            using var body = new StringContent($$"""{"from": "orders@shop.example", "to": "customer{{i}}@example.org", "subject": "Order {{i}}", "text": "{{new string('x', 1500)}}"}""", Encoding.UTF8, "application/json");
            using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/emails") { Content = body };
            request.Headers.Add("Idempotency-Key", Guid.NewGuid().ToString());
            using var answer = await http.SendAsync(request, stop);
            if (answer.StatusCode is not HttpStatusCode.Accepted) throw new CannotRunException(await answer.Content.ReadAsStringAsync(stop));
        });
        return Mails / Stopwatch.GetElapsedTime(startedAt).TotalSeconds;
    }
}
