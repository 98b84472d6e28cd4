using System.Globalization;
using EmailApi.Data;
using Npgsql;
using NpgsqlTypes;

namespace EmailApi.Benchmarks;

/// <summary>Fills a database with mail of the last five weeks, by COPY: three projects, five streams, several keys; nine of ten were sent, the
/// others are in every other status, some of them a handful of times in all.</summary>
sealed class LogFill(NpgsqlDataSource database, int mails, CancellationToken cancel)
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
            select p.id, s, 100, interval '48 hours', 'retry' from projects p, unnest(array['transactional', 'otp', 'invoice', 'newsletter', 'alert']) s on conflict do nothing
            """);
        const int part = 20_000;
        for (var done = 0; done < mails; done += part)
        {
            await CopyAsync([.. Enumerable.Range(done, Math.Min(part, mails - done)).Select(Make)]);
            if (done % 100_000 == 0) Console.Write($"\r{done:#,0} mails");
        }

        Console.WriteLine($"\r{mails:#,0} mails are stored; analyze");
        await ExecuteAsync("vacuum analyze");
    }

    sealed record Mail(Guid Id, DateTimeOffset At, int Project, string Key, string Stream, string Subject, string? Tags, (string Address, string State)[] To);

    Mail Make(int i)
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

    async Task CopyAsync(Mail[] part)
    {
        await using var connection = await database.OpenConnectionAsync(cancel);
        await CopyAsync(connection, "emails (id, project_id, key_id, stream, from_address, from_name, subject, internet_message_id, envelope, is_sensitive, tags, created_at, expires_at)", async to =>
        {
            foreach (var mail in part)
            {
                await to.StartRowAsync(cancel);
                await to.WriteAsync(mail.Id, cancel);
                await to.WriteAsync(mail.Project, cancel);
                foreach (var text in new[] { mail.Key, mail.Stream, "orders@shop.example", "Shop", mail.Subject, $"{mail.Id:n}@shop.example", "shared" }) await to.WriteAsync(text, cancel);
                await to.WriteAsync(false, cancel);
                if (mail.Tags is null) await to.WriteNullAsync(cancel);
                else await to.WriteAsync(mail.Tags, NpgsqlDbType.Jsonb, cancel);
                await to.WriteAsync(mail.At.UtcDateTime, cancel);
                await to.WriteAsync(mail.At.UtcDateTime.AddDays(2), cancel);
            }
        });
        await CopyAsync(connection, "recipients (email_id, n, project_id, address, kind, state, attempts, sequence, final_at)", to => EachAsync(part, async (mail, n, address, state) =>
        {
            await RowAsync(to, mail, n);
            foreach (var text in new[] { address, "to", state }) await to.WriteAsync(text, cancel);
            await to.WriteAsync(1, cancel);
            await to.WriteAsync(2, cancel);
            if (IsOpen(state)) await to.WriteNullAsync(cancel);
            else await to.WriteAsync(mail.At.UtcDateTime.AddSeconds(1), cancel);
        }));
        await CopyAsync(connection, "queue (email_id, n, project_id, lane, priority, due_at, expires_at, claims, doubts)", to => EachAsync(part, async (mail, n, _, state) =>
        {
            if (!IsOpen(state)) return;
            await RowAsync(to, mail, n);
            await to.WriteAsync("relay", cancel);
            await to.WriteAsync((short)100, cancel);
            foreach (var at in new[] { until.AddDays(1), until.AddDays(30) }) await to.WriteAsync(at.UtcDateTime, cancel);
            await to.WriteAsync((short)0, cancel);
            await to.WriteAsync((short)0, cancel);
        }));
        await CopyAsync(connection, "events (email_id, n, sequence, project_id, type, at)", to => EachAsync(part, async (mail, n, _, state) =>
        {
            foreach (var (sequence, type) in new[] { (1, "accepted"), (2, state) })
            {
                await to.StartRowAsync(cancel);
                await to.WriteAsync(mail.Id, cancel);
                await to.WriteAsync(n, cancel);
                await to.WriteAsync(sequence, cancel);
                await to.WriteAsync(mail.Project, cancel);
                await to.WriteAsync($"email.{type}", cancel);
                await to.WriteAsync(mail.At.UtcDateTime.AddSeconds(sequence - 1), cancel);
            }
        }));
    }

    async Task RowAsync(NpgsqlBinaryImporter to, Mail mail, int n)
    {
        await to.StartRowAsync(cancel);
        await to.WriteAsync(mail.Id, cancel);
        await to.WriteAsync(n, cancel);
        await to.WriteAsync(mail.Project, cancel);
    }

    static async Task EachAsync(Mail[] part, Func<Mail, int, string, string, Task> write)
    {
        foreach (var mail in part)
            for (var n = 0; n < mail.To.Length; n++) await write(mail, n + 1, mail.To[n].Address, mail.To[n].State);
    }

    async Task CopyAsync(NpgsqlConnection connection, string table, Func<NpgsqlBinaryImporter, Task> write)
    {
        await using var to = await connection.BeginBinaryImportAsync($"copy {table} from stdin (format binary)", cancel);
        await write(to);
        await to.CompleteAsync(cancel);
    }

    static bool IsOpen(string state) => state is "scheduled" or "held" or "queued" or "deferred" or "in_doubt";

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
