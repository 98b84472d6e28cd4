using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Nodes;
using EmailApi.Tests.Support;

namespace EmailApi.Faults;

/// <summary>Clients that post mail, each under an idempotency key of its own, and repeat it until it is answered. They keep to one node and go to the
/// next when that refuses the connection or breaks it.</summary>
sealed class Clients : IDisposable
{
    static readonly string Paragraph = string.Concat(Enumerable.Repeat("The quick brown fox jumps over the lazy dog. ", 38));
    static readonly string Attachment = Convert.ToBase64String(new byte[20_000]);

    readonly HttpClient[] nodes;
    readonly ConcurrentDictionary<int, string> answered = new();
    readonly TimeSpan pause;
    readonly CancellationToken cancel;
    readonly Lock gate = new();
    readonly Stopwatch watch = Stopwatch.StartNew();
    TimeSpan nextAt;
    int differing, refused, cut, unavailable;
    long slowestUnavailable;
    volatile string? lastUnavailable, lastCut;
    volatile bool isStopped;
    volatile int allowed = int.MaxValue;

    /// <param name="perSecond">New mails a second at most, all clients together; 0: as many as are taken. Time in which no node answers is not made up for.</param>
    public Clients(IEnumerable<Uri> nodes, double perSecond, CancellationToken cancel)
    {
        pause = perSecond > 0 ? TimeSpan.FromSeconds(1 / perSecond) : TimeSpan.Zero;
        this.cancel = cancel;
        this.nodes = [.. nodes.Select(node =>
        {
            var http = new HttpClient { BaseAddress = node, Timeout = TimeSpan.FromSeconds(15) };
            http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", TestApp.Key);
            return http;
        })];
    }

    /// <summary>The ids of the mails that were answered with 202, by their number.</summary>
    public IReadOnlyDictionary<int, string> Answered => answered;

    /// <summary>Repeats under the same key that were answered with another id.</summary>
    public int Differing => differing;

    /// <summary>Connections that a node refused.</summary>
    public int Refused => refused;

    /// <summary>Requests whose connection was lost, or that got no answer in time.</summary>
    public int Cut => cut;

    /// <summary>Requests answered with 503, or with 409 as the first was still under way.</summary>
    public int Unavailable => unavailable;

    /// <summary>The words of the last of these answers; null when there was none.</summary>
    public string? LastUnavailable => lastUnavailable;

    /// <summary>How the last connection was lost, and how long after the request; null when there was none.</summary>
    public string? LastCut => lastCut;

    /// <summary>The longest wait for a 503.</summary>
    public TimeSpan SlowestUnavailable => TimeSpan.FromTicks(Interlocked.Read(ref slowestUnavailable));

    /// <summary>A mail of 2 KB; each 25th carries an attachment of 20 KB.</summary>
    public static JsonObject Mail(int number)
    {
        var mail = TestApp.Mail($"r{number}@example.net");
        mail["text"] = Paragraph;
        if (number % 25 == 0) mail["attachments"] = new JsonArray(new JsonObject { ["filename"] = "a.bin", ["content"] = Attachment });
        return mail;
    }

    /// <summary>No mail with a higher number is begun before more are allowed.</summary>
    public void Allow(int upTo) => allowed = upTo;

    /// <summary>What is posted is answered; nothing more is begun.</summary>
    public void Stop() => isStopped = true;

    /// <summary>Posts the mails from one number to another, the last included; each tenth twice, as a client does whose answer was lost.</summary>
    public Task PostAsync(int from, int to, int clients = 16, Func<int, JsonObject>? mail = null)
    {
        var next = from - 1;
        return Task.WhenAll(Enumerable.Range(0, clients).Select(client => Task.Run(async () =>
        {
            var node = client % nodes.Length;
            while (!isStopped && Interlocked.Increment(ref next) is var number && number <= to)
            {
                while (number > allowed) await Task.Delay(5, cancel);
                await TurnAsync();
                var body = (mail ?? Mail)(number).ToJsonString();
                (answered[number], node) = await PostAsync(number, body, node);
                if (number % 10 != 0) continue;
                (var again, node) = await PostAsync(number, body, node);
                if (again != answered[number]) Interlocked.Increment(ref differing);
            }
        }, cancel)));
    }

    public void Dispose()
    {
        foreach (var node in nodes) node.Dispose();
    }

    async Task<(string Id, int Node)> PostAsync(int number, string body, int node)
    {
        while (true)
        {
            cancel.ThrowIfCancellationRequested();
            var wait = TimeSpan.FromMilliseconds(50);
            var startedAt = Stopwatch.GetTimestamp();
            try
            {
                using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/emails") { Content = new StringContent(body, new MediaTypeHeaderValue("application/json")) };
                request.Headers.Add("Idempotency-Key", $"k{number}");
                using var answer = await nodes[node].SendAsync(request, cancel);
                if (answer.IsSuccessStatusCode) return ((await answer.Content.ReadFromJsonAsync<JsonElement>(cancel)).Text("id"), node);
                if (answer.StatusCode is not (HttpStatusCode.ServiceUnavailable or HttpStatusCode.Conflict)) throw new InvalidOperationException(await answer.Content.ReadAsStringAsync(cancel));
                Interlocked.Increment(ref unavailable);
                lastUnavailable = await answer.Content.ReadAsStringAsync(cancel);
                wait = answer.Headers.RetryAfter?.Delta ?? wait;
                Raise(ref slowestUnavailable, Stopwatch.GetElapsedTime(startedAt).Ticks);
            }
            catch (HttpRequestException error) when (error.InnerException is SocketException { SocketErrorCode: SocketError.ConnectionRefused })
            {
                Interlocked.Increment(ref refused);
                node = (node + 1) % nodes.Length;
                if (nodes.Length > 1) continue;
            }
            catch (Exception error) when (error is HttpRequestException or IOException || error is OperationCanceledException && !cancel.IsCancellationRequested)
            {
                Interlocked.Increment(ref cut);
                lastCut = $"{error.GetBaseException().Message} ({Stopwatch.GetElapsedTime(startedAt).TotalSeconds:0.0} s)";
                node = (node + 1) % nodes.Length;
            }

            await Task.Delay(wait, cancel);
        }
    }

    /// <summary>Waits for the next mail's turn.</summary>
    Task TurnAsync()
    {
        if (pause == TimeSpan.Zero) return Task.CompletedTask;
        lock (gate)
        {
            var now = watch.Elapsed;
            // A timer of the system is too coarse for single mails: up to 20 ms may be made up for.
            nextAt = (nextAt < now - TimeSpan.FromMilliseconds(20) ? now : nextAt) + pause;
            return nextAt > now ? Task.Delay(nextAt - now, cancel) : Task.CompletedTask;
        }
    }

    static void Raise(ref long most, long value)
    {
        for (long now; value > (now = Interlocked.Read(ref most)) && Interlocked.CompareExchange(ref most, value, now) != now;) { }
    }
}
