using System.Text.Json;
using System.Text.Json.Serialization;
using EmailApi.Data;
using EmailApi.Emails;
using EmailApi.Http;
using EmailApi.Projects;
using FluentValidation;
using Npgsql;
using NpgsqlTypes;

namespace EmailApi.Webhooks;

/// <summary>POST /v1/webhooks/{id}/replay: tells a webhook again of one event, of those of a time range that meet its filters, or of all that were given up. The <c>webhook-id</c> stays the same.</summary>
public static class ReplayWebhook
{
    /// <summary>Rows a step: no transaction of ours stays open long.</summary>
    const int Step = 5000;

    const string Again = "on conflict (webhook_id, email_id, n, sequence) do update set due_at = now(), attempts = 0, failed_at = null where webhook_queue.failed_at is not null";

    const string One = $"""
        insert into webhook_queue (webhook_id, email_id, n, sequence, project_id)
        select $1, e.email_id, e.n, e.sequence, e.project_id from events e where e.project_id = $2 and e.email_id = $3 and e.n = $4 and e.sequence = $5
        {Again}
        """;

    /// <summary>Walks the project's part of the feed. An email is not younger than its events, so that later weeks are not looked at.</summary>
    const string Range = $"""
        with step as materialized (
            select e.project_id, e.email_id, e.n, e.sequence, e.type, e.at, e.transaction, e.ordinal from events e
            where e.project_id = $2 and (e.transaction, e.ordinal) > ($3, $4) and e.email_id < $5 order by e.transaction, e.ordinal limit $8
        ), queued as (
            insert into webhook_queue (webhook_id, email_id, n, sequence, project_id)
            select w.id, e.email_id, e.n, e.sequence, e.project_id from step e join webhooks w on w.id = $1
            where e.at >= $6 and e.at < $7 and {WebhookSql.Matches} order by e.transaction, e.ordinal
            {Again} returning 1
        )
        select last.transaction, last.ordinal, (select count(*)::int from queued) from (select transaction, ordinal from step order by transaction desc, ordinal desc limit 1) last
        """;

    const string Failed = """
        update webhook_queue q set due_at = now(), attempts = 0, failed_at = null
        from (select webhook_id, email_id, n, sequence from webhook_queue where webhook_id = $1 and due_at = 'infinity' limit $2 for update skip locked) f
        where q.webhook_id = f.webhook_id and q.email_id = f.email_id and q.n = f.n and q.sequence = f.sequence
        """;

    public static async Task<IResult> HandleAsync(
        string id, RequestBody<ReplayRequest> body, Caller caller, IValidator<ReplayRequest> validator, EngineDatabase database, EmailDb db, CancellationToken cancel)
    {
        var request = validator.Valid(body.Value);
        caller.DemandWholeProject();
        var webhook = await ManageWebhooks.FindAsync(id, caller, db, cancel);
        if (!webhook.IsEnabled) throw new ProblemException(ProblemKind.WebhookOff, "Switch the webhook on first, by a PATCH with enabled true.");
        await using var connection = await database.Source.OpenConnectionAsync(cancel);
        var queued = request.EventId is { } told ? await OneAsync(connection, webhook, told, cancel)
            : request.Failed is true ? await FailedAsync(connection, webhook, cancel)
            : await RangeAsync(connection, webhook, Instant.OrNull(request.From)!.Value, Instant.OrNull(request.To)!.Value, cancel);
        return Results.Json(new ReplayResponse(queued), ApiJson.Wire.ReplayResponse, statusCode: 202);
    }

    static async Task<long> OneAsync(NpgsqlConnection connection, Webhook webhook, string eventId, CancellationToken cancel)
    {
        if (!EmailId.TryParseEvent(eventId, out var email, out var n, out var sequence) || await ExistsAsync() is not true) throw new ProblemException(ProblemKind.NotFound, "There is no event with this id in the key's project; retention may have taken it.");
        await using var command = new NpgsqlCommand(One, connection) { Parameters = { new() { Value = webhook.Id }, new() { Value = webhook.ProjectId }, new() { Value = email }, new() { Value = n }, new() { Value = sequence } } };
        return await command.ExecuteNonQueryAsync(cancel);

        async Task<object?> ExistsAsync()
        {
            await using var look = new NpgsqlCommand("select exists (select from events e where e.project_id = $1 and e.email_id = $2 and e.n = $3 and e.sequence = $4)", connection)
            { Parameters = { new() { Value = webhook.ProjectId }, new() { Value = email }, new() { Value = n }, new() { Value = sequence } } };
            return await look.ExecuteScalarAsync(cancel);
        }
    }

    static async Task<long> RangeAsync(NpgsqlConnection connection, Webhook webhook, DateTimeOffset from, DateTimeOffset to, CancellationToken cancel)
    {
        var (transaction, ordinal, queued) = (0ul, 0L, 0L);
        while (true)
        {
            await using var command = new NpgsqlCommand(Range, connection)
            {
                Parameters =
                {
                    new() { Value = webhook.Id }, new() { Value = webhook.ProjectId }, new() { Value = transaction, NpgsqlDbType = NpgsqlDbType.Xid8 }, new() { Value = ordinal },
                    new() { Value = Partitions.FirstId(to) }, new() { Value = from }, new() { Value = to }, new() { Value = Step },
                },
            };
            await using var reader = await command.ExecuteReaderAsync(cancel);
            if (!await reader.ReadAsync(cancel)) return queued;
            (transaction, ordinal, queued) = (reader.GetFieldValue<ulong>(0), reader.GetInt64(1), queued + reader.GetInt32(2));
        }
    }

    static async Task<long> FailedAsync(NpgsqlConnection connection, Webhook webhook, CancellationToken cancel)
    {
        for (var queued = 0L; ;)
        {
            await using var command = new NpgsqlCommand(Failed, connection) { Parameters = { new() { Value = webhook.Id }, new() { Value = Step } } };
            if (await command.ExecuteNonQueryAsync(cancel) is not (> 0 and var more)) return queued;
            queued += more;
        }
    }
}

/// <summary>What a webhook is to be told again: one event, a time range, or all that was given up.</summary>
public sealed record ReplayRequest
{
    /// <summary>One event, whatever the webhook's filters.</summary>
    public string? EventId { get; init; }
    /// <summary>RFC 3339 with an offset: events from then on that meet the filters, those of before the webhook was made too.</summary>
    public string? From { get; init; }
    /// <summary>Events before then.</summary>
    public string? To { get; init; }
    /// <summary>true: every event whose calls were given up.</summary>
    public bool? Failed { get; init; }

    [JsonExtensionData]
    public Dictionary<string, JsonElement>? Unknown { get; set; }
}

public sealed class ReplayValidator : AbstractValidator<ReplayRequest>
{
    public ReplayValidator() => RuleFor(r => r).Custom((request, context) =>
    {
        context.RefuseUnknown(request.Unknown);
        var isRange = request.From is not null || request.To is not null;
        if ((request.EventId is null ? 0 : 1) + (isRange ? 1 : 0) + (request.Failed is true ? 1 : 0) != 1) context.Add("required", "Give one of event_id, from with to, and failed.");
        if (!isRange) return;
        var (from, to) = (Time(request.From, "from"), Time(request.To, "to"));
        if (from >= to) context.Add("invalid", "from must lie before to.", "from");

        DateTimeOffset? Time(string? text, string field)
        {
            if (Instant.OrNull(text) is { } at) return at;
            context.Add("invalid_time", Instant.Wanted, field);
            return null;
        }
    });
}

/// <param name="Queued">Events that are told again; one that waits anyway is not counted.</param>
public sealed record ReplayResponse(long Queued);
