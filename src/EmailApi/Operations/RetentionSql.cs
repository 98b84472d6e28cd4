using EmailApi.Data;
using Npgsql;

namespace EmailApi.Operations;

/// <summary>What a stream with mail in a week keeps; null: for ever.</summary>
public sealed record KeptStream(int ProjectId, string Name, TimeSpan? Content, TimeSpan? Metadata, TimeSpan? Events);

/// <summary>The one place where rows of mail are deleted because their time is over.</summary>
static class RetentionSql
{
    /// <summary>Mails a statement: none lasts long.</summary>
    const int Step = 500;

    /// <summary>A part of a mail that goes.</summary>
    /// <param name="Is">Whether mail <c>e</c> still has it.</param>
    /// <param name="Delete">Deletes it of the emails in <c>due</c>. The ids are given once more for the partitions they are in.</param>
    public sealed record Part(string Is, string Delete);

    public static readonly Part Content = new("exists (select from contents c where c.email_id = e.id)", """
        , uses as (delete from blob_uses u using due where u.email_id = any($1) and u.email_id = due.email_id)
        delete from contents c using due where c.email_id = any($1) and c.email_id = due.email_id
        """);

    /// <summary><c>email.accepted</c> stays with the mail: the ledger counts it, and holds it against the recipients.</summary>
    public static readonly Part Events = new("""
        (exists (select from events v where v.email_id = e.id and v.type <> 'email.accepted' and v.at <= $5) or exists (select from attempts a where a.email_id = e.id))
        """, """
        , tried as (delete from attempts a using due where a.email_id = any($1) and a.email_id = due.email_id)
        , called as (delete from webhook_calls c using due where c.email_id = any($1) and c.email_id = due.email_id and c.at <= $2)
        delete from events v using due where v.email_id = any($1) and v.email_id = due.email_id and v.type <> 'email.accepted' and v.at <= $2
        """);

    public static readonly Part Mail = new("true", """
        , uses as (delete from blob_uses u using due where u.email_id = any($1) and u.email_id = due.email_id)
        , said as (delete from contents c using due where c.email_id = any($1) and c.email_id = due.email_id)
        , tried as (delete from attempts a using due where a.email_id = any($1) and a.email_id = due.email_id)
        , called as (delete from webhook_calls c using due where c.email_id = any($1) and c.email_id = due.email_id)
        , told as (delete from events v using due where v.email_id = any($1) and v.email_id = due.email_id)
        , addressed as (delete from recipients r using due where r.email_id = any($1) and r.email_id = due.email_id)
        delete from emails e using due where e.id = any($1) and e.id = due.email_id
        """);

    /// <summary>The streams that have mail in a week; that of a stream which was removed is kept as <c>transactional</c> keeps its own. Walks the
    /// index from stream to stream.</summary>
    public static async Task<IReadOnlyList<KeptStream>> StreamsAsync(NpgsqlConnection connection, PartitionWeek week, CancellationToken cancel)
    {
        await using var command = new NpgsqlCommand($"""
            with recursive used as (
                (select project_id, stream from emails where id >= $1 and id < $2 order by project_id, stream limit 1)
                union all
                select next.project_id, next.stream from used cross join lateral (
                    select e.project_id, e.stream from emails e where (e.project_id, e.stream) > (used.project_id, used.stream) and e.id >= $1 and e.id < $2
                    order by e.project_id, e.stream limit 1) next
            )
            select u.project_id, u.stream, s.keep_content, s.keep_metadata, s.keep_events from used u
            left join streams s on s.project_id = u.project_id
                and s.name = coalesce((select own.name from streams own where own.project_id = u.project_id and own.name = u.stream), '{Projects.Stream.Transactional}')
            """, connection)
        { Parameters = { new() { Value = week.First }, new() { Value = week.End } } };
        var streams = new List<KeptStream>();
        await using var reader = await command.ExecuteReaderAsync(cancel);
        while (await reader.ReadAsync(cancel)) streams.Add(new(reader.GetInt32(0), reader.GetString(1), Time(2), Time(3), Time(4)));
        return streams;

        TimeSpan? Time(int column) => reader.IsDBNull(column) ? null : reader.GetFieldValue<TimeSpan>(column);
    }

    /// <summary>Calls that told of a week's mail, which is gone as a whole.</summary>
    public static async Task DeleteCallsAsync(NpgsqlConnection connection, PartitionWeek week, CancellationToken cancel)
    {
        await using var command = new NpgsqlCommand(
            $"delete from webhook_calls where id in (select id from webhook_calls where email_id >= $1 and email_id < $2 limit {Step}) and email_id >= $1 and email_id < $2", connection)
        { Parameters = { new() { Value = week.First }, new() { Value = week.End } } };
        while (await command.ExecuteNonQueryAsync(cancel) > 0) cancel.ThrowIfCancellationRequested();
    }

    /// <summary>Deletes a part of a stream's mails of a week whose last recipient became final before a time, in batches.</summary>
    public static async Task DeleteAsync(NpgsqlConnection connection, Part part, PartitionWeek week, KeptStream stream, DateTimeOffset finalBefore, CancellationToken cancel)
    {
        var before = Partitions.FirstId(finalBefore);
        if (before.CompareTo(week.First) <= 0) return;   // all were accepted later
        for (var last = week.First; await CandidatesAsync(last) is { Length: > 0 } ids; last = ids[^1])
        {
            // A retry of such a mail needs its recipients: either it comes first and the mail is not due, or it finds the mail gone.
            await using var command = new NpgsqlCommand($"""
                with locked as materialized (
                    select r.email_id, r.final_at from recipients r where r.email_id = any($1) order by r.email_id, r.n for update
                ), due as materialized (
                    select email_id from locked group by email_id having bool_and(coalesce(final_at <= $2, false))
                )
                {part.Delete}
                """, connection)
            { Parameters = { new() { Value = ids }, new() { Value = finalBefore } } };
            await command.ExecuteNonQueryAsync(cancel);
        }

        async Task<Guid[]> CandidatesAsync(Guid last)
        {
            await using var command = new NpgsqlCommand($"""
                select array(select e.id from emails e where e.project_id = $1 and e.stream = $2 and e.id > $3 and e.id < $4
                    and not exists (select from queue q where q.email_id = e.id) and $5::timestamptz is not null and {part.Is}
                    order by e.id limit {Step})
                """, connection)
            {
                CommandTimeout = 0,
                Parameters =
                {
                    new() { Value = stream.ProjectId }, new() { Value = stream.Name }, new() { Value = last },
                    new() { Value = before.CompareTo(week.End) < 0 ? before : week.End }, new() { Value = finalBefore },
                },
            };
            return (Guid[])(await command.ExecuteScalarAsync(cancel))!;
        }
    }
}
