using System.Diagnostics;
using EmailApi.Benchmarks.Servers;
using Npgsql;

namespace EmailApi.Benchmarks;

/// <summary>Accepting and claiming, each alone, without and with a long queue: due now, as urgent, of another project and for the same relay, so that every claim walks by it. An api node accepts while
/// nobody claims, then a worker node claims.</summary>
sealed class Backlog(Options options, WorkFolder folder, string connectionString, SmtpSink sink, NpgsqlDataSource database, Figures figures, CancellationToken cancel)
{
    public const string Short = "short queue", Long = "long queue", Accepted = "accepted while nobody claims", Claimed = "claimed and relayed while nobody accepts";

    const string Project = "news";
    const string New = "project_id = 1";
    static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    readonly Guid beginning = Arrivals.NextId();
    readonly long arrivedBefore = sink.Count;

    /// <returns>Whether all that was expected came to the relay.</returns>
    public async Task<bool> RunAsync(int mails)
    {
        var isComplete = true;
        for (var repetition = 0; repetition < options.Repetitions; repetition++) isComplete &= await MeasureAsync(Short, mails);
        var start = Stopwatch.GetTimestamp();
        await FillAsync();
        Console.WriteLine($"{options.Queued:N0} mails wait, made in {Stopwatch.GetElapsedTime(start).TotalSeconds:0} s");
        for (var repetition = 0; repetition < options.Repetitions; repetition++) isComplete &= await MeasureAsync(Long, mails);
        return isComplete;
    }

    async Task<bool> MeasureAsync(string name, int mails)
    {
        var warmUp = mails / 2;
        await using (var api = await EmailApiServer.StartAsync(folder, connectionString, Settings("api"), cancel))
        {
            var load = new Load(api.Port);
            await load.PostAsync(warmUp, options.Clients, cancel);
            var posted = Stopwatch.GetTimestamp();
            await load.PostAsync(mails, options.Clients, cancel);
            figures.Add($"{name}: {Accepted}", "mails/s", mails / Stopwatch.GetElapsedTime(posted).TotalSeconds);
        }

        var (before, sentBefore) = (sink.Count, await CountAsync(New));
        await using (var worker = await EmailApiServer.StartAsync(folder, connectionString, Settings("worker"), cancel))
        {
            await sink.WaitForAsync(before + warmUp, Patience, cancel);
            var (first, start) = (sink.Count, Stopwatch.GetTimestamp());
            var last = await sink.WaitForAsync(before + warmUp + mails, Patience, cancel);
            figures.Add($"{name}: {Claimed}", "mails/s", (last - first) / Stopwatch.GetElapsedTime(start).TotalSeconds);
            figures.Add($"{name}: share of the new project's mail meanwhile", "%", 100d * (await CountAsync(New) - sentBefore) / (last - before));
        }

        var (arrived, recorded) = (sink.Count - arrivedBefore, await CountAsync("true"));
        if (arrived == recorded && sink.Count - before >= warmUp + mails) return true;
        Console.WriteLine($"{name}: {sink.Count - before} came to the relay of {warmUp + mails} that were waited for; in all {arrived} came, and {recorded} are recorded.");
        return false;
    }

    /// <summary>Sent at the first attempt since the beginning.</summary>
    async Task<long> CountAsync(string condition)
    {
        await using var command = database.CreateCommand($"select count(*) from recipients where email_id >= $1 and state = 'sent' and attempts = 1 and {condition}");
        command.Parameters.Add(new() { Value = beginning });
        return (long)(await command.ExecuteScalarAsync(cancel))!;
    }

    async Task FillAsync()
    {
        await WaitingMails.AddAsync(database, Project, options.Queued, await WaitingMails.DocumentAsync(database, cancel), cancel);
        await using var analyze = database.CreateCommand("vacuum analyze queue");
        await analyze.ExecuteNonQueryAsync(cancel);
    }

    Dictionary<string, string> Settings(string role) => new(EmailApiServer.RelaySettings(sink.Port, options.Connections)) { ["EmailApi__Role"] = role };
}
