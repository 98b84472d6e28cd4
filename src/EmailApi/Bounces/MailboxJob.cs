using EmailApi.Data;
using EmailApi.Http;
using EmailApi.Relays;
using Hangfire;
using MailKit;
using MailKit.Net.Imap;
using MailKit.Search;
using Microsoft.Extensions.Options;
using Npgsql;

namespace EmailApi.Bounces;

/// <summary>Every minute: reads what is new in the mailbox that bounces come to. One node at a time; where a run ends early the next goes on.</summary>
[AutomaticRetry(Attempts = 0)]
public sealed partial class MailboxJob(EngineDatabase database, ReportIntake intake, IOptions<AppOptions> options, ILogger<MailboxJob> logger)
{
    /// <summary>Messages a run.</summary>
    const int Step = 1000;
    static readonly TimeSpan Lease = TimeSpan.FromMinutes(5);
    static readonly TimeSpan AnswersWithin = TimeSpan.FromMinutes(1);

    readonly MailboxOptions mailbox = options.Value.Bounce.Mailbox;

    string Name => $"{mailbox.Username}@{mailbox.Host}:{mailbox.Port}/{mailbox.Folder}";

    public async Task RunAsync(CancellationToken cancel)
    {
        if (!mailbox.IsOn || await TakeAsync(cancel) is not var (validity, last)) return;
        try
        {
            using var client = new ImapClient { Timeout = (int)AnswersWithin.TotalMilliseconds, CheckCertificateRevocation = false };
            await client.ConnectAsync(mailbox.Host!, mailbox.Port, mailbox.Security.ToSocketOptions(), cancel);
            await client.AuthenticateAsync(mailbox.Username!, mailbox.Password!, cancel);
            await ReadAsync(await client.GetFolderAsync(mailbox.Folder, cancel), validity, last, cancel);
            await client.DisconnectAsync(quit: true, cancel);
        }
        catch (Exception error) when (error is not (OperationCanceledException or NpgsqlException))
        {
            LogNotRead(logger, Name, error.Message.ReplaceLineEndings(" "));
        }
        finally
        {
            await ExecuteAsync("update mailbox_cursors set lease_until = null where mailbox = $1");
        }
    }

    async Task ReadAsync(IMailFolder folder, long validity, long last, CancellationToken cancel)
    {
        await folder.OpenAsync(mailbox.Deletes ? FolderAccess.ReadWrite : FolderAccess.ReadOnly, cancel);
        if (folder.UidValidity != validity) last = 0;
        var since = new UniqueIdRange(new(folder.UidValidity, (uint)last + 1), UniqueId.MaxValue);
        var uids = await folder.SearchAsync(SearchQuery.Uids(since), cancel);
        var done = new List<UniqueId>();
        foreach (var uid in uids.Where(u => u.Id > last).OrderBy(u => u.Id).Take(Step))   // "n:*" always has the last one
        {
            if (await TakeAsync(folder, uid, cancel) is not { } effect) break;
            if (effect is not ReportEffect.Unmatched) done.Add(uid);
            await ExecuteAsync("update mailbox_cursors set uid_validity = $2, last_uid = $3, lease_until = now() + $4 where mailbox = $1", (long)folder.UidValidity, (long)uid.Id, Lease);
        }

        if (!mailbox.Deletes || done.Count == 0) return;
        await folder.AddFlagsAsync(done, MessageFlags.Deleted, silent: true, cancel);
        await folder.ExpungeAsync(done, cancel);
    }

    /// <returns>Null when it is to be read again by the next run.</returns>
    async Task<ReportEffect?> TakeAsync(IMailFolder folder, UniqueId uid, CancellationToken cancel)
    {
        await using var stream = await folder.GetStreamAsync(uid, "", 0, ReportIntake.MaxBytes, cancel);
        using var message = new MemoryStream();
        await stream.CopyToAsync(message, cancel);
        var taken = await intake.TakeAsync(intake.Read(message.GetBuffer().AsMemory(0, (int)message.Length), cancel), new("imap"), cancel);
        return taken.Effect is ReportEffect.TooEarly ? null : taken.Effect;
    }

    /// <returns>How far it was read; null when another node reads it.</returns>
    async Task<(long Validity, long Last)?> TakeAsync(CancellationToken cancel)
    {
        await using var command = database.Source.CreateCommand("""
            insert into mailbox_cursors as c (mailbox, uid_validity, last_uid, lease_until) values ($1, 0, 0, now() + $2)
            on conflict (mailbox) do update set lease_until = excluded.lease_until where c.lease_until is null or c.lease_until < now()
            returning uid_validity, last_uid
            """);
        command.Parameters.Add(new() { Value = Name });
        command.Parameters.Add(new() { Value = Lease });
        await using var reader = await command.ExecuteReaderAsync(cancel);
        return await reader.ReadAsync(cancel) ? (reader.GetInt64(0), reader.GetInt64(1)) : null;
    }

    async Task ExecuteAsync(string sql, params object[] values)
    {
        await using var command = database.Source.CreateCommand(sql);
        command.Parameters.Add(new() { Value = Name });
        foreach (var value in values) command.Parameters.Add(new NpgsqlParameter { Value = value });
        await command.ExecuteNonQueryAsync(CancellationToken.None);
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The mailbox {Mailbox} cannot be read: {Reason}. The next run tries again in a minute")]
    static partial void LogNotRead(ILogger logger, string mailbox, string reason);
}
