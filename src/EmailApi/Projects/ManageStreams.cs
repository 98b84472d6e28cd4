using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.RegularExpressions;
using EmailApi.Data;
using EmailApi.Http;
using EmailApi.Tracking;
using FluentValidation;
using Microsoft.EntityFrameworkCore;
using Npgsql;

namespace EmailApi.Projects;

/// <summary>/v1/streams: classes of mail, each with its priority, life, retries, in-doubt rule, tracking and retention. A change is seen by
/// every node within 5 s.</summary>
public static class ManageStreams
{
    public static async Task<IResult> CreateAsync(
        RequestBody<StreamRequest> body, Caller caller, IValidator<StreamRequest> validator, EmailDb db, StreamCatalog catalog, PublicUrl publicUrl, CancellationToken cancel)
    {
        var request = validator.Valid(body.Value);
        caller.DemandWholeProject();
        publicUrl.Demand(request.Track, request.Unsubscribe);
        var name = request.Name ?? throw Validation.Invalid([new("#/name", "required", StreamValidator.NameWanted)]);
        var stream = Stream.New(caller.ProjectId, name);
        request.ApplyTo(stream);
        db.Streams.Add(stream);
        try
        {
            await db.SaveChangesAsync(cancel);
        }
        catch (DbUpdateException error) when (error.InnerException is PostgresException { SqlState: PostgresErrorCodes.UniqueViolation })
        {
            throw new ProblemException(ProblemKind.Exists, $"There is a stream {name}; PATCH /v1/streams/{name} changes it.", inner: error);
        }

        catalog.Forget(caller.ProjectId, name);
        return Results.Json(StreamResponse.Of(stream), ApiJson.Wire.StreamResponse, statusCode: 201);
    }

    public static async Task<Page<StreamResponse>> ListAsync(string? after, int? limit, Caller caller, EmailDb db, CancellationToken cancel)
    {
        var take = Paging.Limit(limit);
        var last = Paging.AfterName(after);
        var rows = await Of(caller, db).AsNoTracking().Where(s => last == null || string.Compare(s.Name, last) > 0).OrderBy(s => s.Name).Take(take + 1).ToListAsync(cancel);
        return Paging.Page(rows, take, StreamResponse.Of, s => [s.Name]);
    }

    public static async Task<StreamResponse> GetAsync(string name, Caller caller, EmailDb db, CancellationToken cancel) =>
        StreamResponse.Of(await FindAsync(name, caller, db, cancel));

    /// <summary>Changes the fields that are given. Mail accepted before keeps the life and priority that it has.</summary>
    public static async Task<StreamResponse> ChangeAsync(
        string name, RequestBody<StreamRequest> body, Caller caller, IValidator<StreamRequest> validator, EmailDb db, StreamCatalog catalog, PublicUrl publicUrl, CancellationToken cancel)
    {
        var request = validator.Valid(body.Value);
        caller.DemandWholeProject();
        publicUrl.Demand(request.Track, request.Unsubscribe);
        if (request.Name is { } other && other != name) throw Validation.Invalid([new("#/name", "not_changeable", "A stream keeps its name; make another.")]);
        var stream = await FindAsync(name, caller, db, cancel);
        request.ApplyTo(stream);
        await db.SaveChangesAsync(cancel);
        catalog.Forget(caller.ProjectId, name);
        return StreamResponse.Of(stream);
    }

    /// <summary>Removes a stream that has no open mail. Its sent mail stays, as long as <c>transactional</c> keeps its own.</summary>
    public static async Task<IResult> DeleteAsync(string name, Caller caller, EmailDb db, StreamCatalog catalog, CancellationToken cancel)
    {
        caller.DemandWholeProject();
        if (name == Stream.Transactional) throw new ProblemException(ProblemKind.InUse, "Every project has the stream transactional.");
        await FindAsync(name, caller, db, cancel);
        if (await db.Queue.AnyAsync(q => q.ProjectId == caller.ProjectId && db.Emails.Any(e => e.Id == q.EmailId && e.Stream == name), cancel))
            throw new ProblemException(ProblemKind.InUse, "The stream has open mail; cancel it or wait for it.");
        await Of(caller, db).Where(s => s.Name == name).ExecuteDeleteAsync(cancel);
        catalog.Forget(caller.ProjectId, name);
        return Results.NoContent();
    }

    static IQueryable<Stream> Of(Caller caller, EmailDb db) => db.Streams.Where(s => s.ProjectId == caller.ProjectId);

    static async Task<Stream> FindAsync(string name, Caller caller, EmailDb db, CancellationToken cancel) =>
        (StreamValidator.IsName(name) ? await Of(caller, db).SingleOrDefaultAsync(s => s.Name == name, cancel) : null)
        ?? throw new ProblemException(ProblemKind.NotFound, "There is no stream of this name in the key's project.");
}

/// <summary>A stream to be made, or what is to change in one. What is left out stays as it is.</summary>
public sealed record StreamRequest
{
    /// <summary>1 to 40 of a-z, 0-9, - and _.</summary>
    public string? Name { get; init; }
    /// <summary>1 to 1000; lower goes first, 100 is ordinary.</summary>
    public int? Priority { get; init; }
    /// <summary>How long delivery is tried, 1 minute to 30 days, as an ISO 8601 duration; PT48H, for <c>otp</c> PT10M.</summary>
    public string? Life { get; init; }
    /// <summary>The waits between tries, 1 to 20 of 1 second to 1 day; the last is repeated. An empty list brings the server's own back.</summary>
    public IReadOnlyList<string>? Retry { get; init; }
    /// <summary><c>retry</c>, <c>hold</c> or <c>stop</c>: what becomes of a mail when nobody knows whether the relay took it.</summary>
    public string? InDoubt { get; init; }
    /// <summary>What mail gets that says nothing itself, nor its key.</summary>
    public TrackInput? Track { get; init; }
    /// <summary>Asks readers' programs for a notification (RFC 8098).</summary>
    public bool? ReturnReceipt { get; init; }
    /// <summary>Offers one-click unsubscribing (RFC 8058) from the <c>stream</c> or the <c>project</c>; <c>none</c> for a new stream.</summary>
    public string? Unsubscribe { get; init; }
    public StreamRetention? Retention { get; init; }

    [JsonExtensionData]
    public Dictionary<string, JsonElement>? Unknown { get; set; }

    internal void ApplyTo(Stream stream)
    {
        if (Priority is { } priority) stream.Priority = (short)priority;
        if (IsoDuration.TryParse(Life, out var life)) stream.Life = life;
        if (Retry is not null) stream.Retry = Retry.Count == 0 ? null : [.. Retry.Select(r => IsoDuration.TryParse(r, out var wait) ? wait : default)];
        if (Words.TryParse<InDoubtRule>(InDoubt, out var rule)) stream.InDoubt = rule;
        stream.TrackOpens = Track?.Opens ?? stream.TrackOpens;
        stream.TrackClicks = Track?.Clicks ?? stream.TrackClicks;
        stream.TrackClicksText = Track?.ClicksText ?? stream.TrackClicksText;
        stream.ReturnReceipt = ReturnReceipt ?? stream.ReturnReceipt;
        if (Words.TryParse<UnsubscribeScope>(Unsubscribe, out var scope)) stream.Unsubscribe = scope;
        if (IsoDuration.TryParse(Retention?.Content, out var content)) stream.KeepContent = content;
        if (IsoDuration.TryParse(Retention?.Metadata, out var metadata)) stream.KeepMetadata = metadata;
        if (IsoDuration.TryParse(Retention?.Events, out var events)) stream.KeepEvents = events;
    }
}

/// <summary>How long parts of a mail are kept after its last recipient is final: ISO 8601 durations of 1 hour to 3650 days; a new stream has P30D, P90D
/// and P90D.</summary>
public sealed record StreamRetention
{
    public string? Content { get; init; }
    public string? Metadata { get; init; }
    public string? Events { get; init; }

    [JsonExtensionData]
    public Dictionary<string, JsonElement>? Unknown { get; set; }
}

public sealed partial class StreamValidator : AbstractValidator<StreamRequest>
{
    public const string NameWanted = "A stream's name is 1 to 40 of a-z, 0-9, - and _.";
    const int MaxPriority = 1000;
    const int MaxWaits = 20;

    public StreamValidator() => RuleFor(r => r).Custom((request, context) =>
    {
        context.RefuseUnknown(request.Unknown);
        context.CheckTrack(request.Track);
        context.CheckUnsubscribe(request.Unsubscribe);
        context.RefuseUnknown(request.Retention?.Unknown, "retention");
        if (request.Name is { } name && !IsName(name)) context.Add("invalid", NameWanted, "name");
        if (request.Priority is < 1 or > MaxPriority) context.Add("out_of_range", $"A priority is 1 to {MaxPriority}; lower goes first.", "priority");
        Duration(request.Life, TimeSpan.FromMinutes(1), TimeSpan.FromDays(30), "1 minute to 30 days", "life");
        if (request.Retry?.Count > MaxWaits) context.Add("too_many", $"At most {MaxWaits} waits.", "retry");
        for (var i = 0; i < request.Retry?.Count; i++) Duration(request.Retry[i] ?? "", TimeSpan.FromSeconds(1), TimeSpan.FromDays(1), "1 second to 1 day", "retry", i);
        if (request.InDoubt is not null && !Words.TryParse<InDoubtRule>(request.InDoubt, out _)) context.Add("unknown_value", "Give retry, hold or stop.", "in_doubt");
        Keep(request.Retention?.Content, "content");
        Keep(request.Retention?.Metadata, "metadata");
        Keep(request.Retention?.Events, "events");

        void Keep(string? text, string field) => Duration(text, TimeSpan.FromHours(1), TimeSpan.FromDays(3650), "1 hour to 3650 days", "retention", field);

        void Duration(string? text, TimeSpan min, TimeSpan max, string range, params object[] at)
        {
            if (text is null || (IsoDuration.TryParse(text, out var duration) && duration >= min && duration <= max)) return;
            context.Add("invalid", $"Give an ISO 8601 duration of {range}, such as {IsoDuration.Example}.", at);
        }
    });

    public static bool IsName(string name) => Name().IsMatch(name);

    [GeneratedRegex(@"^[a-z0-9][a-z0-9_-]{0,39}\z")]
    private static partial Regex Name();
}

public sealed record StreamResponse(
    string Name, int Priority, string Life, IReadOnlyList<string>? Retry, string InDoubt, TrackingResponse Track, bool ReturnReceipt, string Unsubscribe, RetentionResponse Retention)
{
    internal static StreamResponse Of(Stream stream) => new(
        stream.Name, stream.Priority, IsoDuration.Format(stream.Life), stream.Retry?.Select(IsoDuration.Format).ToList(), stream.InDoubt.Word(),
        new(stream.TrackOpens, stream.TrackClicks, stream.TrackClicksText), stream.ReturnReceipt, stream.Unsubscribe.Word(), new(Format(stream.KeepContent), Format(stream.KeepMetadata), Format(stream.KeepEvents)));

    static string? Format(TimeSpan? duration) => duration is { } time ? IsoDuration.Format(time) : null;
}

public sealed record TrackingResponse(bool Opens, bool Clicks, bool ClicksText);

/// <summary>Null: for ever.</summary>
public sealed record RetentionResponse(string? Content, string? Metadata, string? Events);
