using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using EmailApi.Delivery;
using EmailApi.Tests.Support;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace EmailApi.Tests.Faults;

/// <summary>What a fault run does.</summary>
/// <param name="Mails">Accepted in all, each under an idempotency key of its own.</param>
/// <param name="Kills">kill -9 of the app, spread evenly over them.</param>
/// <param name="Senders">Clients that post at the same time.</param>
/// <param name="RelayMs">How long the relay takes for each mail.</param>
/// <param name="Wait">True: leases die in their own time (30 s), and the last kill is followed by 60 s. False: they are ended by hand.</param>
public sealed record FaultParameters(int Mails = 20_000, int Kills = 50, int Senders = 16, int RelayMs = 5, bool Wait = true);

/// <summary>What came of it.</summary>
/// <param name="Lost">Answered with 202, and neither at the relay nor waiting.</param>
/// <param name="Unmarked">Doubled without an event <c>email.in_doubt</c>.</param>
/// <param name="Stuck">Still leased by a dead node 60 s after the last kill.</param>
public sealed record FaultFigures(
    int Answered, int Emails, int Lost, int Doubled, int Unmarked, int Tripled, int InDoubt, int Held, int Stuck, int OtherAnswers, bool Balanced, TimeSpan Took)
{
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"""
        answered 202          {Answered}
        emails stored         {Emails}
        lost                  {Lost}
        at the relay twice    {Doubled}, of those not marked in_doubt {Unmarked}
        three times or more   {Tripled}
        in doubt              {InDoubt}, of those held for a person {Held}
        stuck in sending      {Stuck}
        repeats that differed {OtherAnswers}
        ledger balanced       {Balanced}
        took                  {Took.TotalSeconds:0} s ({Answered / Took.TotalSeconds:0} mails a second)
        """);
}

/// <summary>Kills the app with -9 while mails are accepted and sent, starts it again at once, and counts what the relay got.</summary>
public static class FaultRun
{
    /// <summary>The command: <c>mails=20000 kills=50 senders=16 relay-ms=5 wait=true</c>, each as here unless given.</summary>
    public static async Task<int> MainAsync(string[] arguments)
    {
        var given = arguments.Select(a => a.Split('=', 2)).ToDictionary(a => a[0], a => a[^1]);
        int Number(string name, int usual) => given.TryGetValue(name, out var text) ? int.Parse(text, CultureInfo.InvariantCulture) : usual;
        var usual = new FaultParameters();
        var parameters = new FaultParameters(
            Number("mails", usual.Mails), Number("kills", usual.Kills), Number("senders", usual.Senders), Number("relay-ms", usual.RelayMs), given.GetValueOrDefault("wait", "true") == "true");
        await using var database = new TestDatabase();
        Console.WriteLine(parameters);
        var figures = await RunAsync(parameters, Console.WriteLine);
        Console.WriteLine(figures);
        return figures is { Lost: 0, Unmarked: 0, Tripled: 0, Stuck: 0, OtherAnswers: 0, Balanced: true } ? 0 : 1;
    }

    public static async Task<FaultFigures> RunAsync(FaultParameters parameters, Action<string>? say = null)
    {
        await using var test = await TestApp.StartAsync();   // makes database and relay; the nodes that are killed are processes of their own
        await test.StopAppAsync();
        if (parameters.RelayMs > 0) test.Relay.AnswerAt(RelayStep.Dot, $"delay:{parameters.RelayMs}");
        var startedAt = Stopwatch.StartNew();

        var answers = new ConcurrentDictionary<string, string>();
        var others = await KillAsync(test, parameters, answers, say);
        var took = startedAt.Elapsed;
        var sinceKill = Stopwatch.StartNew();

        await test.StartAppAsync();
        if (parameters.Wait)
        {
            await Task.Delay(TimeSpan.FromSeconds(60) - sinceKill.Elapsed is var left && left > TimeSpan.Zero ? left : TimeSpan.Zero);
        }
        else
        {
            var dead = await test.QueryAsync(db => db.Queue.Where(q => q.LeaseUntil != null).Select(q => q.LeaseToken).ToListAsync());
            await test.ExecuteAsync($"update queue set lease_until = now() - interval '1 second' where lease_token in ({string.Join(", ", dead.Append(Guid.Empty).Select(t => $"'{t}'"))})");
            await test.Services.GetRequiredService<SweepQueue>().SettleDeadAsync(CancellationToken.None);
        }

        await SettleAsync(test);
        return await CountAsync(test, answers, others, took);
    }

    /// <returns>How often a repeat under the same key was answered with another id.</returns>
    static async Task<int> KillAsync(TestApp test, FaultParameters parameters, ConcurrentDictionary<string, string> answers, Action<string>? say)
    {
        using var folder = new TemporaryFolder();
        var url = FreeUrl();
        Task<AppProcess> StartAsync() => AppProcess.Start(folder.Path,
        [
            "--environment=Production", $"--urls={url}", $"--ConnectionStrings:EmailApi={test.ConnectionString}", $"--EmailApi:Bootstrap:ApiKey={TestApp.Key}", $"--EmailApi:MasterKey={TestApp.MasterKey}", "--EmailApi:Relays:0:Name=test",
            "--EmailApi:Relays:0:Host=127.0.0.1", $"--EmailApi:Relays:0:Port={test.Relay.Port}", "--EmailApi:Relays:0:Security=None", "--Logging:LogLevel:EmailApi=Error",
        ]).ReadyAsync();
        var app = await StartAsync();
        using var http = new HttpClient { BaseAddress = new Uri(url), Timeout = TimeSpan.FromSeconds(10) };
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", TestApp.Key);

        var (next, others) = (0, 0);
        var senders = Enumerable.Range(0, parameters.Senders).Select(_ => Task.Run(async () =>
        {
            while (Interlocked.Increment(ref next) is var i && i <= parameters.Mails)
            {
                answers[$"k{i}"] = await PostAsync(http, i);
                // Every tenth is asked for again, as a client would whose answer was lost.
                if (i % 10 == 0 && await PostAsync(http, i) != answers[$"k{i}"]) Interlocked.Increment(ref others);
            }
        })).ToList();
        for (var kill = 1; kill <= parameters.Kills; kill++)
        {
            while (answers.Count < (long)parameters.Mails * kill / (parameters.Kills + 1)) await Task.Delay(5);
            app.Kill();
            app.Dispose();
            app = await StartAsync();
            say?.Invoke($"kill {kill}: {answers.Count} answered, {test.Relay.Mails.Count} at the relay");
        }

        await Task.WhenAll(senders);
        app.Kill();   // while the last of them are on their way
        app.Dispose();
        return others;
    }

    static async Task<string> PostAsync(HttpClient http, int i)
    {
        while (true)
        {
            try
            {
                using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/emails") { Content = JsonContent.Create(JsonSerializer.SerializeToElement(TestApp.Mail($"r{i}@example.net"))) };
                request.Headers.Add("Idempotency-Key", $"k{i}");
                using var answer = await http.SendAsync(request);
                if (answer.IsSuccessStatusCode) return (await answer.Content.ReadFromJsonAsync<JsonElement>()).Text("id");
                if ((int)answer.StatusCode is not (503 or 409)) throw new InvalidOperationException(await answer.Content.ReadAsStringAsync());
            }
            catch (Exception error) when (error is HttpRequestException or IOException or TaskCanceledException)
            {
                // Killed, or not there yet.
            }

            await Task.Delay(50);
        }
    }

    /// <summary>Waits until nothing is due or being sent any more; held mail stays.</summary>
    static async Task SettleAsync(TestApp test)
    {
        for (var before = -1; await test.QueryAsync(db => db.Queue.CountAsync(q => q.LeaseUntil == null && q.DueAt <= DateTimeOffset.UtcNow)) is var due && (due > 0 || test.Relay.Mails.Count != before);)
        {
            before = test.Relay.Mails.Count;
            await Task.Delay(300);
        }
    }

    static async Task<FaultFigures> CountAsync(TestApp test, ConcurrentDictionary<string, string> answers, int others, TimeSpan took)
    {
        var copies = test.Relay.Mails.GroupBy(m => $"em_{m.MessageId!.TrimStart('<').Split('@')[0]}").ToDictionary(g => g.Key, g => g.Count());
        var doubts = (await test.QueryAsync(db => db.Events.Where(e => e.Type == "email.in_doubt").Select(e => e.EmailId).Distinct().ToListAsync())).ConvertAll(id => $"em_{id:n}").ToHashSet();
        var open = (await test.QueryAsync(db => db.Queue.Select(q => q.EmailId).ToListAsync())).ConvertAll(id => $"em_{id:n}").ToHashSet();
        var doubled = copies.Where(c => c.Value > 1).Select(c => c.Key).ToList();
        return new(
            answers.Count, await test.QueryAsync(db => db.Emails.CountAsync()), answers.Values.Count(id => !copies.ContainsKey(id) && !open.Contains(id)),
            doubled.Count, doubled.Count(id => !doubts.Contains(id)), copies.Count(c => c.Value > 2), doubts.Count, open.Count(doubts.Contains),
            await test.QueryAsync(db => db.Queue.CountAsync(q => q.LeaseUntil != null)), others, (await test.GetAsync("/v1/ledger")).GetProperty("balanced").GetBoolean(), took);
    }

    static string FreeUrl()
    {
        using var listener = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Loopback, 0);
        listener.Start();
        return $"http://127.0.0.1:{((System.Net.IPEndPoint)listener.LocalEndpoint).Port}";
    }
}
