using EmailApi.Projects;
using MimeKit;
using Npgsql;

namespace EmailApi.Capture;

/// <summary>Keeps what the capture relay takes, in the project whose email it is.</summary>
public sealed class CaptureStore(NpgsqlDataSource database, TimeProvider clock)
{
    /// <summary>Of each project the newest are kept.</summary>
    public const int MaxPerProject = 10_000;

    volatile TaskCompletionSource arrived = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Completes with the next mail that arrives at this node.</summary>
    public Task Arrived => arrived.Task;

    public async Task AddAsync(string reversePath, IReadOnlyList<string> recipients, ReadOnlyMemory<byte> message, CancellationToken cancel)
    {
        var headers = Headers(message);
        var emailId = EmailIdOf(headers);
        await using var command = database.CreateCommand("""
            insert into captured (id, project_id, email_id, reverse_path, recipients, subject, raw)
            select $1, coalesce(e.project_id, (select id from projects where name = $7)), e.id, $3, $4, $5, $6
            from (select 1) one left join emails e on e.id = $2
            """);
        command.Parameters.Add(new() { Value = Guid.CreateVersion7(clock.GetUtcNow()) });
        command.Parameters.Add(new() { Value = emailId ?? Guid.Empty });
        command.Parameters.Add(new() { Value = reversePath });
        command.Parameters.Add(new() { Value = recipients.ToArray() });
        command.Parameters.Add(new() { Value = (headers?[HeaderId.Subject] ?? "").Replace('\0', '\uFFFD') });
        command.Parameters.Add(new() { Value = message });
        command.Parameters.Add(new() { Value = Project.Default });
        await command.ExecuteNonQueryAsync(cancel);

        Interlocked.Exchange(ref arrived, new(TaskCreationOptions.RunContinuationsAsynchronously)).TrySetResult();
    }

    /// <summary>Drops all but the newest <see cref="MaxPerProject"/> of each project.</summary>
    public async Task TrimAsync(CancellationToken cancel)
    {
        await using var command = database.CreateCommand("""
            delete from captured c using projects p
            where c.project_id = p.id and c.id < (select id from captured n where n.project_id = p.id order by id desc offset $1 limit 1)
            """);
        command.Parameters.Add(new() { Value = MaxPerProject - 1 });
        await command.ExecuteNonQueryAsync(cancel);
    }

    static HeaderList? Headers(ReadOnlyMemory<byte> message)
    {
        try
        {
            var end = message.Span.IndexOf("\r\n\r\n"u8);
            using var head = new MemoryStream(message[..(end < 0 ? message.Length : end + 4)].ToArray());
            return HeaderList.Load(head);
        }
        catch (FormatException)
        {
            return null;   // kept all the same: a captured message may be anything
        }
    }

    /// <summary>Our own Message-IDs begin with the email's id.</summary>
    static Guid? EmailIdOf(HeaderList? headers) =>
        headers?[HeaderId.MessageId] is { } id && Guid.TryParseExact(id.TrimStart('<').Split('@')[0], "n", out var emailId) ? emailId : null;
}
