using System.Globalization;
using EmailApi.Data;
using Npgsql;

namespace EmailApi.Benchmarks;

/// <summary>Fills a database with mail of the last five weeks, by COPY: three projects, five streams, several keys; nine of ten were sent, the
/// others are in every other status, some of them a handful of times in all.</summary>
/// <param name="document">What each of them says; null: their content is gone already.</param>
sealed class LogFill(NpgsqlDataSource database, int mails, CancellationToken cancel, byte[]? document = null)
{
    /// <summary>Recipients of a mail that are in rare states: one mail in so many.</summary>
    const int RareEvery = 20_000;
    const int Customers = 200_000;
    public static readonly TimeSpan Span = TimeSpan.FromDays(35);
    static readonly string[] Rare = ["held", "in_doubt", "suppressed", "rejected", "complained"];

    /// <summary>Gets one mail in a hundred.</summary>
    public const string Frequent = "accounts@example.com";

    readonly Random random = new(4711);
    readonly DateTimeOffset until = TimeProvider.System.GetUtcNow();

    public async Task RunAsync()
    {
        for (var week = until - Span; week < until; week = week.AddDays(7)) await new Partitions(database, new Clock(week)).EnsureAsync(cancel);
        await ExecuteAsync("""
            insert into projects (name) values ('wiki'), ('shop') on conflict do nothing;
            insert into streams (project_id, name, priority, life, in_doubt)
            select p.id, s, 100, interval '48 hours', 'retry' from projects p, unnest(array['transactional', 'otp', 'invoice', 'newsletter', 'alert']) s on conflict do nothing;
            update streams set keep_content = null, keep_metadata = null, keep_events = null   -- nothing of it goes meanwhile
            """);
        const int part = 20_000;
        var rows = new LogRows(database, until, document, cancel);
        for (var done = 0; done < mails; done += part)
        {
            await rows.CopyAsync([.. Enumerable.Range(done, Math.Min(part, mails - done)).Select(Make)]);
            if (done % 100_000 == 0) Console.Write($"\r{done:#,0} mails");
        }

        Console.WriteLine($"\r{mails:#,0} mails are stored; analyze");
        await ExecuteAsync("vacuum analyze");
    }

    StoredMail Make(int i)
    {
        var at = until - Span + (Span * ((i + 1.0) / mails)) - TimeSpan.FromMilliseconds(5);
        var project = random.Next(10) switch { < 7 => 1, < 9 => 2, _ => 3 };
        var stream = random.Next(100) switch { < 60 => "transactional", < 80 => "otp", < 90 => "newsletter", < 99 => "invoice", _ => "alert" };
        var subject = stream switch
        {
            "otp" => "Your code",
            "invoice" => $"請求書 {i % 9973} のご案内",
            "newsletter" => $"News of week {i * 5L / mails}",
            "alert" => $"Disk of host-{i % 97} is full",
            _ => $"Order {i} has been shipped",
        };
        var tags = random.Next(10) switch
        {
            < 5 => string.Create(CultureInfo.InvariantCulture, $$"""{"order": "{{i}}"}"""),
            < 8 => string.Create(CultureInfo.InvariantCulture, $$"""{"campaign": "c{{i % 10}}"}"""),
            _ => null,
        };
        var count = random.Next(100) switch { < 90 => 1, < 98 => 2, _ => 5 };
        return new(Guid.CreateVersion7(at), at, project, random.Next(50) == 0 ? "key_seldom" : $"key_{i % 4}", stream, subject, tags,
            [.. Enumerable.Range(0, count).Select(n => (Address(n), State(i)))]);
    }

    string Address(int n) => n == 0 && random.Next(100) == 0 ? Frequent : $"customer-{random.Next(Customers)}@example.com";

    string State(int i) => i % RareEvery == 7 ? Rare[i / RareEvery % Rare.Length] : random.Next(1000) switch
    {
        < 930 => "sent",
        < 960 => "delivered",
        < 985 => "bounced",
        < 990 => "expired",
        < 993 => "failed",
        < 995 => "canceled",
        < 997 => "deferred",
        < 998 => "scheduled",
        _ => "queued",
    };

    async Task ExecuteAsync(string sql)
    {
        await using var command = database.CreateCommand(sql);
        command.CommandTimeout = 0;
        await command.ExecuteNonQueryAsync(cancel);
    }

    /// <summary>A clock that stands.</summary>
    sealed class Clock(DateTimeOffset at) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => at;
    }
}
