using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using EmailApi.Benchmarks.Servers;
using EmailApi.Data.Embedded;
using Microsoft.Extensions.Logging.Abstractions;
using MimeKit;

namespace EmailApi.Benchmarks;

/// <summary>Many requests with a large attachment at once: what the node's memory grows to, and whether each attachment comes out byte for byte.</summary>
sealed class LargeMails(Options options, CancellationToken cancel)
{
    const double MaxPeakMegabytes = 1000;
    static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    /// <summary>A little below 25 MB, the most that is taken.</summary>
    readonly int bytes = options.Attachment > 0 ? options.Attachment * 1000 : 25 * 1024 * 1024 - 1000;
    readonly int requests = options.Requests;
    int waits;

    /// <returns>The exit code: 1 when the peak is at the bar or above, or an attachment is missing or another.</returns>
    public async Task<int> RunAsync()
    {
        using var folder = new WorkFolder(options.Folder);
        await using var sink = new KeepingSink(folder.NewFolder("kept"));
        await using var postgres = await EmbeddedPostgres.StartAsync(folder.NewFolder("postgres"), NullLogger.Instance, cancel);
        await using var app = await EmailApiServer.StartAsync(folder, postgres.ConnectionString, EmailApiServer.RelaySettings(sink.Port, options.Connections), cancel);
        var idle = app.Process.PeakResidentBytes;

        var start = Stopwatch.GetTimestamp();
        using var http = new HttpClient { BaseAddress = app.Http.BaseAddress, Timeout = TimeSpan.FromMinutes(10) };
        http.DefaultRequestHeaders.Authorization = app.Http.DefaultRequestHeaders.Authorization;
        await Task.WhenAll(Enumerable.Range(0, requests).Select(number => PostAsync(http, number)));
        var (accepted, peakAccepted) = (Stopwatch.GetElapsedTime(start), app.Process.PeakResidentBytes);
        await ArriveAsync(sink);
        var (relayed, peak) = (Stopwatch.GetElapsedTime(start), app.Process.PeakResidentBytes / 1e6);

        var wrong = await WrongAsync(folder["kept"], sink.Count);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{requests} requests at once, {bytes / 1e6:0.0} MB of attachment each: accepted after {accepted.TotalSeconds:0.0} s, relayed after {relayed.TotalSeconds:0.0} s; told to come again {waits} times"));
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"peak RSS: {idle / 1e6:0} MB just started, {peakAccepted / 1e6:0} MB when the last was accepted, {peak:0} MB in all; the bar is below {MaxPeakMegabytes:0} MB"));
        Console.WriteLine(wrong == 0 ? "Every attachment arrived once, byte for byte." : $"{wrong} attachments are missing, too many or not the same.");
        return wrong == 0 && peak < MaxPeakMegabytes ? 0 : 1;
    }

    /// <summary>Repeats when it is told to come again, under the same key.</summary>
    async Task PostAsync(HttpClient http, int number)
    {
        var key = Guid.NewGuid().ToString();
        while (true)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/emails") { Content = new LargeMail(number, bytes) };
            request.Headers.Add("Idempotency-Key", key);
            using var answer = await http.SendAsync(request, cancel);
            if (answer.StatusCode is HttpStatusCode.Accepted) return;
            if (answer.Headers.RetryAfter?.Delta is not { } delay) throw new CannotRunException(await answer.Content.ReadAsStringAsync(cancel));
            Interlocked.Increment(ref waits);
            await Task.Delay(delay, cancel);
        }
    }

    async Task ArriveAsync(KeepingSink sink)
    {
        for (var (last, changedAt) = (0, Stopwatch.GetTimestamp()); sink.Count < requests && Stopwatch.GetElapsedTime(changedAt) < Patience; await Task.Delay(20, cancel))
            if (sink.Count != last) (last, changedAt) = (sink.Count, Stopwatch.GetTimestamp());
        await Task.Delay(TimeSpan.FromSeconds(1), cancel);   // one too many would come now
    }

    /// <returns>How many attachments are missing, doubled or not what was sent.</returns>
    async Task<int> WrongAsync(string folder, int count)
    {
        var right = new HashSet<string>(StringComparer.Ordinal);
        var wrong = 0;
        foreach (var file in Directory.EnumerateFiles(folder))
        {
            await using var stream = File.OpenRead(file);
            using var message = await MimeMessage.LoadAsync(stream, persistent: true, cancel);   // its parts stay in the file
            var number = Enumerable.Range(0, requests).First(n => LargeMail.SubjectOf(n) == message.Subject);
            using var hash = SHA256.Create();
            await using (var hashing = new CryptoStream(System.IO.Stream.Null, hash, CryptoStreamMode.Write))
                await ((MimePart)message.Attachments.Single()).Content!.DecodeToAsync(hashing, cancel);
            var isSame = hash.Hash.AsSpan().SequenceEqual(LargeMail.HashOf(number, bytes));
            if (!isSame || !right.Add(LargeMail.SubjectOf(number))) wrong++;
        }

        return wrong + requests - right.Count + (count - Directory.GetFiles(folder).Length);
    }
}
