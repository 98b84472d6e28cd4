using Npgsql;
using NpgsqlTypes;

namespace EmailApi.Benchmarks;

/// <summary>A mail of the past.</summary>
sealed record StoredMail(Guid Id, DateTimeOffset At, int Project, string Key, string Stream, string Subject, string? Tags, (string Address, string State)[] To);

/// <summary>Writes mails of the past into their tables, by COPY.</summary>
/// <param name="until">What is open becomes due a day after.</param>
/// <param name="document">What each mail says; null: nothing any more.</param>
sealed class LogRows(NpgsqlDataSource database, DateTimeOffset until, byte[]? document, CancellationToken cancel)
{
    public async Task CopyAsync(StoredMail[] part)
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
        await CopyAsync(connection, "attempts (email_id, n, project_id, number, relay, started_at, ended_at, step, reply_code, outcome)", to => EachAsync(part, async (mail, n, _, state) =>
        {
            if (state is not ("sent" or "delivered" or "bounced")) return;
            await RowAsync(to, mail, n);
            await to.WriteAsync(1, cancel);
            await to.WriteAsync("relay", cancel);
            foreach (var milliseconds in new[] { 990, 1000 }) await to.WriteAsync(mail.At.UtcDateTime.AddMilliseconds(milliseconds), cancel);
            await to.WriteAsync("data", cancel);
            await to.WriteAsync(state is "bounced" ? 550 : 250, cancel);
            await to.WriteAsync(state is "bounced" ? "bounced" : "sent", cancel);
        }));
        if (document is not null) await CopyAsync(connection, "contents (email_id, project_id, document, is_protected)", async to =>
        {
            foreach (var mail in part)
            {
                await to.StartRowAsync(cancel);
                await to.WriteAsync(mail.Id, cancel);
                await to.WriteAsync(mail.Project, cancel);
                await to.WriteAsync(document, cancel);
                await to.WriteAsync(false, cancel);
            }
        });
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

    async Task RowAsync(NpgsqlBinaryImporter to, StoredMail mail, int n)
    {
        await to.StartRowAsync(cancel);
        await to.WriteAsync(mail.Id, cancel);
        await to.WriteAsync(n, cancel);
        await to.WriteAsync(mail.Project, cancel);
    }

    static async Task EachAsync(StoredMail[] part, Func<StoredMail, int, string, string, Task> write)
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
}
