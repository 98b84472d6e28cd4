using EmailApi.Data;
using EmailApi.Webhooks;
using Npgsql;

namespace EmailApi.Operations;

/// <summary>Hourly: what mail's streams keep no longer. A week of which no stream keeps anything goes as a whole; before that, the mails of
/// streams that keep less go in batches, each one statement, so that a kill leaves every mail whole or gone. Nothing goes that has an open
/// recipient. Two nodes at once find the rows of the other gone.</summary>
public sealed class RetentionJob(EngineDatabase database, Partitions partitions)
{
    /// <summary>What is kept at least so long may stay until its whole week is over; less than that is kept to the hour.</summary>
    static readonly TimeSpan WaitsForTheWeek = TimeSpan.FromDays(30);

    public async Task RunAsync(CancellationToken cancel)
    {
        await using var connection = await database.Source.OpenConnectionAsync(cancel);
        var now = await database.NowAsync(cancel);
        await partitions.DropCallsAsync(now - WebhookCall.KeptFor, cancel);
        foreach (var week in await partitions.WeeksAsync(cancel))
        {
            var streams = await RetentionSql.StreamsAsync(connection, week, cancel);
            var longest = streams.Select(s => s.Metadata ?? TimeSpan.MaxValue).DefaultIfEmpty(TimeSpan.Zero).Max();
            // Last week's and newer ones are made anew and may still be written to.
            var isOver = week.EndsAt < now.AddDays(-7) && now - week.EndsAt >= longest;
            if (isOver && await partitions.DropAsync(week, now - longest, cancel) is not DropResult.Needed)
            {
                await RetentionSql.DeleteCallsAsync(connection, week, cancel);
                continue;
            }

            foreach (var stream in streams)
                await DeleteAsync(connection, week, stream, waits: !isOver && stream.Metadata == longest && longest >= WaitsForTheWeek, now, cancel);
        }
    }

    /// <param name="waits">The mails themselves wait for their week's end; what is to go with them waits too.</param>
    static async Task DeleteAsync(NpgsqlConnection connection, PartitionWeek week, KeptStream stream, bool waits, DateTimeOffset now, CancellationToken cancel)
    {
        var mail = stream.Metadata ?? TimeSpan.MaxValue;
        if (stream.Metadata is not null && !waits) await RetentionSql.DeleteAsync(connection, RetentionSql.Mail, week, stream, now - mail, cancel);
        if (stream.Content is { } content && content < mail) await RetentionSql.DeleteAsync(connection, RetentionSql.Content, week, stream, now - content, cancel);
        if (stream.Events is { } events && events < mail) await RetentionSql.DeleteAsync(connection, RetentionSql.Events, week, stream, now - events, cancel);
    }
}
