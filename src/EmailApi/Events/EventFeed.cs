using System.Text.Json;
using System.Text.Json.Serialization;
using EmailApi.Data;
using EmailApi.Http;
using EmailApi.Projects;
using Microsoft.EntityFrameworkCore;
using Npgsql;

namespace EmailApi.Events;

/// <summary>GET /v1/events: every event of the project once, in an order that never grows a gap: by the transaction that wrote it, read only
/// below the oldest transaction still open. An id made before its commit could appear behind a reader's back.</summary>
public static class EventFeed
{
    /// <summary>The events of a step that are of the types, and the step's last place. Without types a step is a page.</summary>
    const string Feed = """
        with step as materialized (
            select e.email_id, e.n, e.sequence, e.type, e.at, e.data, e.transaction, e.ordinal from events e
            where e.project_id = $1 and (e.transaction, e.ordinal) > ($2, $3) and e.transaction < pg_snapshot_xmin(pg_current_snapshot())
            order by e.transaction, e.ordinal limit $4
        ), last as materialized (
            select s.transaction, s.ordinal, (select count(*)::int from step) as count from step s order by s.transaction desc, s.ordinal desc limit 1
        ), found as materialized (
            select * from step s where $5::text[] is null or s.type = any($5) order by s.transaction, s.ordinal limit $6
        )
        select e.email_id, e.n, e.sequence, e.type, e.at, e.data, e.transaction, e.ordinal, r.address, m.stream, m.tags, m.metadata, last.transaction, last.ordinal, last.count
        from last left join found e on true
        left join emails m on m.id = e.email_id
        left join recipients r on r.email_id = e.email_id and r.n = e.n
        order by e.transaction, e.ordinal
        """;

    /// <summary>All there are in the contract; not each is written yet.</summary>
    internal static readonly string[] Types =
    [
        .. "accepted scheduled held approved released canceled rejected sent delivered deferred bounced complained failed expired suppressed in_doubt retried opened clicked unsubscribed read_receipt"
            .Split(' ').Select(word => "email." + word),
        "webhook.disabled", "domain.broken", "ledger.mismatch",
    ];

    const int MaxWaitSeconds = 30;
    /// <summary>Events that are looked through for those of the types at once: a reader of few among many keeps its place in between.</summary>
    const int Step = 5_000;
    static readonly TimeSpan LookAgain = TimeSpan.FromMilliseconds(500);

    /// <param name="wait">Seconds to wait, at most 30, while there is nothing new.</param>
    public static async Task<Page<EventResponse>> HandleAsync(
        string? after, int? limit, string? types, int? wait, Caller caller, IDbContextFactory<EmailDb> databases, TimeProvider clock, IHostApplicationLifetime life, CancellationToken cancel)
    {
        if (wait is < 0 or > MaxWaitSeconds) throw new ProblemException(ProblemKind.BadRequest, $"wait is 0 to {MaxWaitSeconds} seconds; {wait} is not.");
        (ulong Transaction, long Ordinal) place = Paging.After<ulong, long>(after);
        var take = Paging.Limit(limit);
        var only = types?.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        if (only?.FirstOrDefault(t => !Types.Contains(t)) is { } unknown)
            throw new ProblemException(ProblemKind.BadRequest, $"There is no event type {unknown}; there are {string.Join(", ", Types)}.");

        var startedAt = clock.GetTimestamp();
        while (true)
        {
            // No transaction stays open while it waits.
            var look = await LookAsync(databases, caller, place, take, only, cancel);
            place = look.Place;
            var left = TimeSpan.FromSeconds(wait ?? 0) - clock.GetElapsedTime(startedAt);
            if (look.Events.Count > 0 || (!look.HasMore && left <= TimeSpan.Zero) || life.ApplicationStopping.IsCancellationRequested)
                return new(look.Events, place == default ? after : Paging.Cursor(place.Transaction, place.Ordinal));   // the feed has no last page

            if (!look.HasMore) await Task.Delay(left < LookAgain ? left : LookAgain, clock, cancel);
        }
    }

    /// <param name="Place">Up to which all was looked at and is told.</param>
    /// <param name="HasMore">There may be more at once.</param>
    sealed record Look(IReadOnlyList<EventResponse> Events, (ulong Transaction, long Ordinal) Place, bool HasMore);

    static async Task<Look> LookAsync(
        IDbContextFactory<EmailDb> databases, Caller caller, (ulong Transaction, long Ordinal) after, int take, string[]? only, CancellationToken cancel)
    {
        var step = only is null ? take : Step;
        await using var db = await databases.CreateDbContextAsync(cancel);
        await using var reading = await db.ReadAsAsync(caller, cancel);
        await using var batch = new NpgsqlBatch((NpgsqlConnection)db.Database.GetDbConnection());
        batch.BatchCommands.Add(IndexPlans.Command());
        batch.BatchCommands.Add(new(Feed)
        {
            Parameters =
            {
                new() { Value = caller.ProjectId }, new() { Value = after.Transaction, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Xid8 }, new() { Value = after.Ordinal }, new() { Value = step },
                new() { Value = (object?)only ?? DBNull.Value, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Array | NpgsqlTypes.NpgsqlDbType.Text }, new() { Value = take },
            },
        });
        var events = new List<EventResponse>();
        var (place, last, count) = (after, after, 0);
        await using var reader = await batch.ExecuteReaderAsync(cancel);
        await reader.NextResultAsync(cancel);
        while (await reader.ReadAsync(cancel))
        {
            (last, count) = (Place(12), reader.GetInt32(14));
            if (reader.IsDBNull(0)) break;   // none is of the types
            events.Add(EventResponse.Of(reader.GetGuid(0), reader.GetInt32(1), reader.GetInt32(2), reader.GetString(3), reader.GetFieldValue<DateTimeOffset>(4),
                Text(5), Text(8)) with
            { Stream = Text(9), Tags = Json(Text(10)), Metadata = Json(Text(11)) });
            place = Place(6);
        }

        return new(events, events.Count == take ? place : last, count == step);

        (ulong, long) Place(int column) => (reader.GetFieldValue<ulong>(column), reader.GetInt64(column + 1));
        string? Text(int column) => reader.IsDBNull(column) ? null : reader.GetString(column);
    }

    internal static JsonElement? Json(string? stored) => stored is null ? null : JsonDocument.Parse(stored).RootElement;
}

/// <summary>A fact about a recipient, or about the project.</summary>
/// <param name="EmailId">Null when it is about no mail, as <c>webhook.disabled</c> is.</param>
/// <param name="Sequence">Counts from 1 per recipient.</param>
public sealed record EventResponse(string Id, string Type, DateTimeOffset At, string? EmailId, string? Recipient, int Sequence)
{
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Stream { get; init; }
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public JsonElement? Tags { get; init; }
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public JsonElement? Metadata { get; init; }
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ReplyResponse? Reply { get; init; }
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public BounceResponse? Bounce { get; init; }
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Reason { get; init; }
    /// <summary>Why it was paused or resumed, in the words of who did it.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Note { get; init; }
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Relay { get; init; }
    /// <summary>Of <c>email.suppressed</c>: what made the suppression.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Source { get; init; }
    /// <summary>Of <c>email.suppressed</c>: when the suppression was made.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public DateTimeOffset? Since { get; init; }
    /// <summary>Of <c>webhook.disabled</c>: which one.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Webhook { get; init; }

    /// <summary>Of <c>email.read_receipt</c>: what became of the mail at its reader's.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ReceiptResponse? Receipt { get; init; }
    /// <summary>Of <c>email.unsubscribed</c>: what it ends, the mail of the stream or of the project.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Scope { get; init; }
    /// <summary>Of <c>email.opened</c> and <c>email.clicked</c>: the recipient's first of this kind for this mail.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public bool? First { get; init; }
    /// <summary>Of <c>email.opened</c> and <c>email.clicked</c>: who or what it is taken for.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Class { get; init; }
    /// <summary>How sure the class is, 0 to 1.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? Confidence { get; init; }
    /// <summary>Why, in words; see docs/tracking.md.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public IReadOnlyList<string>? Reasons { get; init; }
    /// <summary>The program, without its version.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? UserAgentFamily { get; init; }
    /// <summary>Only where the project's <c>keeps_ip</c> is on.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Ip { get; init; }
    /// <summary>Of <c>email.clicked</c>: where the link leads; not of a sensitive mail.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Url { get; init; }
    /// <summary>Of <c>email.clicked</c>: which link, counted from 1.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? Link { get; init; }

    internal static EventResponse Of(Guid emailId, int n, int sequence, string type, DateTimeOffset at, string? data, string? address)
    {
        var said = data is null ? null : JsonSerializer.Deserialize(data, ApiJson.Wire.EventData);
        return new(Emails.EmailId.OfEvent(emailId, n, sequence), type, at, n == 0 ? null : Emails.EmailId.Format(emailId), address, sequence)
        {
            Reply = said?.Reply,
            Bounce = said?.Bounce,
            Reason = said?.Reason,
            Note = said?.Note,
            Relay = said?.Relay,
            Source = said?.Source,
            Since = said?.Since,
            Receipt = said?.Receipt,
            Scope = said?.Scope,
            First = said?.First,
            Class = said?.Class,
            Confidence = said?.Confidence,
            Reasons = said?.Reasons,
            UserAgentFamily = said?.UserAgentFamily,
            Ip = said?.Ip,
            Url = said?.Url,
            Link = said?.Link,
            Webhook = said?.Webhook,
        };
    }
}
