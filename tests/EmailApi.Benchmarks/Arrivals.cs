using EmailApi.Benchmarks.Servers;
using Npgsql;

namespace EmailApi.Benchmarks;

/// <summary>Whether every mail came to the sink, and is recorded as sent: a server that forgets one or the other must not look faster.</summary>
sealed class Arrivals(SmtpSink sink, NpgsqlDataSource database, CancellationToken cancel)
{
    static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    public bool IsComplete { get; private set; } = true;

    /// <summary>Waits until the sink has so many in all.</summary>
    public async Task ArriveAsync(string name, long count)
    {
        var arrived = await sink.WaitForAsync(count, Patience, cancel);
        if (arrived != count) Fail($"{name}: {Math.Abs(count - arrived)} mails {(arrived < count ? "are missing" : "too many")}.");
    }

    /// <summary>Waits until so many recipients are recorded as sent, of mails from an id on.</summary>
    public async Task RecordedAsync(string name, Guid from, long count)
    {
        var until = Environment.TickCount64 + (long)Patience.TotalMilliseconds;
        long sent;
        while ((sent = await SentAsync(from)) != count && Environment.TickCount64 < until) await Task.Delay(50, cancel);
        if (sent != count) Fail($"{name}: {sent} of {count} recipients are recorded as sent.");
    }

    public void Fail(string sentence)
    {
        IsComplete = false;
        Console.WriteLine(sentence);
    }

    /// <summary>An id below those of all mails that are accepted from now on.</summary>
    public static Guid NextId() => Guid.CreateVersion7(TimeProvider.System.GetUtcNow().AddMilliseconds(-5));

    async Task<long> SentAsync(Guid from)
    {
        await using var command = database.CreateCommand("select count(*) from recipients where email_id >= $1 and state = 'sent'");
        command.Parameters.Add(new() { Value = from });
        return (long)(await command.ExecuteScalarAsync(cancel))!;
    }
}
