using EmailApi.Data;

namespace EmailApi.Webhooks;

/// <summary>Turns events into calls that are to be made: for each webhook whose filters an event meets a row of the queue, in the transaction that moves the project's place in the feed on. So
/// each event is turned exactly once, whoever is killed when. Reads as <see cref="Events.EventFeed"/> does, below the oldest open transaction.</summary>
public sealed class WebhookFanOut(EngineDatabase database)
{
    /// <summary>Events a step: none lasts long.</summary>
    const int Step = 1000;

    /// <summary>Projects with webhooks, and whether there is something new: an index probe for each week of events.</summary>
    const string News = """
        select f.project_id, exists (
            select from events e where e.project_id = f.project_id and (e.transaction, e.ordinal) > (f.transaction, f.ordinal) and e.transaction < pg_snapshot_xmin(pg_current_snapshot()))
        from webhook_feeds f
        """;

    const string Turn = $"""
        with feed as materialized (
            select project_id, transaction, ordinal from webhook_feeds where project_id = $1 for update skip locked   -- another node turns it: let it
        ), step as materialized (
            select e.* from feed f cross join lateral (
                select e.project_id, e.email_id, e.n, e.sequence, e.type, e.transaction, e.ordinal from events e
                where e.project_id = $1 and (e.transaction, e.ordinal) > (f.transaction, f.ordinal) and e.transaction < pg_snapshot_xmin(pg_current_snapshot())
                order by e.transaction, e.ordinal limit $2) e
        ), queued as (
            insert into webhook_queue (webhook_id, email_id, n, sequence, project_id)
            select w.id, e.email_id, e.n, e.sequence, e.project_id from step e join webhooks w on w.project_id = $1 and w.disabled_at is null and e.transaction > w.since
            where {WebhookSql.Matches} order by e.transaction, e.ordinal
            on conflict do nothing
        ), moved as (
            update webhook_feeds f set transaction = last.transaction, ordinal = last.ordinal
            from (select transaction, ordinal from step order by transaction desc, ordinal desc limit 1) last where f.project_id = $1
        )
        select count(*)::int from step
        """;

    /// <summary>One step for each project that has news.</summary>
    /// <returns>Whether some project has webhooks, and whether there may be more at once.</returns>
    public async Task<(bool HasWebhooks, bool HasMore)> TurnAsync(CancellationToken cancel)
    {
        var (hasWebhooks, hasMore) = (false, false);
        var news = new List<int>();
        await using (var batch = database.Source.CreateBatch())
        {
            batch.BatchCommands.Add(IndexPlans.Command());
            batch.BatchCommands.Add(new(News));
            await using var reader = await batch.ExecuteReaderAsync(cancel);
            await reader.NextResultAsync(cancel);
            while (await reader.ReadAsync(cancel))
            {
                hasWebhooks = true;
                if (reader.GetBoolean(1)) news.Add(reader.GetInt32(0));
            }
        }

        foreach (var project in news)
        {
            await using var batch = database.Source.CreateBatch();
            batch.BatchCommands.Add(IndexPlans.Command());
            batch.BatchCommands.Add(new(Turn) { Parameters = { new() { Value = project }, new() { Value = Step } } });
            await using var reader = await batch.ExecuteReaderAsync(cancel);
            await reader.NextResultAsync(cancel);
            hasMore |= await reader.ReadAsync(cancel) && reader.GetInt32(0) == Step;
        }

        return (hasWebhooks, hasMore);
    }
}

static class WebhookSql
{
    /// <summary>Whether event <c>e</c> meets the filters of webhook <c>w</c>.</summary>
    public const string Matches = """
        (e.type = any(w.events) or '*' = any(w.events) or split_part(e.type, '.', 1) || '.*' = any(w.events))
            and (w.streams is null and w.tags is null or exists (
                select from emails m where m.id = e.email_id and (w.streams is null or m.stream = any(w.streams)) and (w.tags is null or m.tags @> w.tags)))
        """;

    /// <summary>Serializes what makes and removes webhooks of a project, until the transaction ends.</summary>
    public const string LockOf = "select pg_advisory_xact_lock(hashtextextended('emailapi.webhooks', {0}))";
}
