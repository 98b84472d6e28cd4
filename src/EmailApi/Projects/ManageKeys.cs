using System.Text.Json;
using System.Text.Json.Serialization;
using EmailApi.Data;
using EmailApi.Emails;
using EmailApi.Http;
using EmailApi.Limits;
using EmailApi.Tracking;
using FluentValidation;
using Microsoft.EntityFrameworkCore;

namespace EmailApi.Projects;

/// <summary>/v1/keys: made, shown without their secret, given another rate or other tracking, revoked. What a key may do is not changed: make another and revoke this one.</summary>
public static class ManageKeys
{
    public static async Task<IResult> CreateAsync(
        RequestBody<CreateKeyRequest> body, Caller caller, IValidator<CreateKeyRequest> validator, ProjectAccess access, EmailDb db, PublicUrl publicUrl, CancellationToken cancel)
    {
        var request = validator.Valid(body.Value);
        publicUrl.Demand(request.Track, unsubscribe: null);
        if (caller.IsBound) throw Bound();
        if (caller.Mode is KeyMode.Test && request.Mode is not "test") throw new ProblemException(ProblemKind.Forbidden, "A test key makes test keys only; give \"mode\": \"test\".");
        if (request.Scopes!.Except(caller.Scopes).ToList() is { Count: > 0 } more)
            throw new ProblemException(ProblemKind.Forbidden, $"A key gives no more than it has; this one lacks {string.Join(", ", more)}.");

        var project = await access.ProjectAsync(request.Project, caller, cancel);
        await CheckStreamsAsync(request, project, db, cancel);
        await CheckRateAsync(request.RateLimit, project, caller, access, db, cancel);
        var (key, token) = Make(request, project);
        db.ApiKeys.Add(key);
        await db.SaveChangesAsync(cancel);
        return Results.Json(KeyResponse.Of(key) with { Key = token }, ApiJson.Wire.KeyResponse, statusCode: 201);
    }

    /// <summary>The key of a valid request, not stored yet, and its secret.</summary>
    internal static (ApiKey Key, string Token) Make(CreateKeyRequest request, int project)
    {
        var mode = Words.Parse<KeyMode>(request.Mode ?? "live");
        var (id, token) = ApiKeyToken.Create(mode);
        var key = new ApiKey
        {
            Id = id,
            ProjectId = project,
            Name = request.Name!,
            Hash = ApiKeys.HashOf(token),
            Scopes = [.. request.Scopes!.Distinct()],
            Mode = mode,
            Senders = Patterns(request.Senders),
            Streams = [.. request.Streams ?? []],
            Recipients = Patterns(request.Recipients),
            ExpiresAt = Instant.OrNull(request.ExpiresAt),
            RatePerSecond = request.RateLimit?.Value?.PerSecond,
            RateBurst = request.RateLimit?.Value?.Burst,
            TrackOpens = request.Track?.Opens,
            TrackClicks = request.Track?.Clicks,
            TrackClicksText = request.Track?.ClicksText,
            ReturnReceipt = request.ReturnReceipt,
        };
        return (key, token);
    }

    public static async Task<Page<KeyResponse>> ListAsync(string? after, int? limit, Caller caller, EmailDb db, CancellationToken cancel)
    {
        var take = Paging.Limit(limit);
        var last = Paging.AfterName(after);
        var rows = await Of(caller, db).Where(k => last == null || string.Compare(k.Id, last) > 0).OrderBy(k => k.Id).Take(take + 1).ToListAsync(cancel);
        return Paging.Page(rows, take, KeyResponse.Of, k => [k.Id]);
    }

    public static async Task<KeyResponse> GetAsync(string id, Caller caller, EmailDb db, CancellationToken cancel) =>
        KeyResponse.Of(await Of(caller, db).SingleOrDefaultAsync(k => k.Id == id, cancel) ?? throw Unknown());

    /// <summary>Gives a key another rate limit or other tracking; every node knows it within 5 s.</summary>
    public static async Task<KeyResponse> ChangeAsync(
        string id, RequestBody<ChangeKeyRequest> body, Caller caller, IValidator<ChangeKeyRequest> validator, ProjectAccess access, EmailDb db, ApiKeys keys, PublicUrl publicUrl, CancellationToken cancel)
    {
        var request = validator.Valid(body.Value);
        publicUrl.Demand(request.Track, unsubscribe: null);
        if (caller.IsBound) throw Bound();
        var key = await Of(caller, db).AsTracking().SingleOrDefaultAsync(k => k.Id == id && (caller.Mode == KeyMode.Live || k.Mode == KeyMode.Test), cancel) ?? throw Unknown();
        await CheckRateAsync(request.RateLimit, caller.ProjectId, caller, access, db, cancel);
        if (request.RateLimit is { } rate) (key.RatePerSecond, key.RateBurst) = (rate.Value?.PerSecond, rate.Value?.Burst);
        if (request.Track is { } track) (key.TrackOpens, key.TrackClicks, key.TrackClicksText) = (track.Opens, track.Clicks, track.ClicksText);
        if (request.IsReceiptGiven) key.ReturnReceipt = request.ReturnReceipt;
        await db.SaveChangesAsync(cancel);
        keys.Forget(id);
        return KeyResponse.Of(key);
    }

    /// <summary>Ends a key on every node within 5 s; again changes nothing.</summary>
    public static async Task<IResult> RevokeAsync(string id, Caller caller, EmailDb db, ApiKeys keys, CancellationToken cancel)
    {
        if (caller.IsBound) throw Bound();
        var found = await Of(caller, db).Where(k => k.Id == id && (caller.Mode == KeyMode.Live || k.Mode == KeyMode.Test))
            .ExecuteUpdateAsync(set => set.SetProperty(k => k.RevokedAt, k => k.RevokedAt ?? EmailDb.Now()), cancel);
        keys.Forget(id);
        return found > 0 ? Results.NoContent() : throw Unknown();
    }

    static IQueryable<ApiKey> Of(Caller caller, EmailDb db) => db.ApiKeys.AsNoTracking().Where(k => k.ProjectId == caller.ProjectId);

    static async Task CheckStreamsAsync(CreateKeyRequest request, int project, EmailDb db, CancellationToken cancel)
    {
        if (request.Streams is not { Count: > 0 } streams) return;
        var names = streams.Where(s => s is not null && StreamValidator.IsName(s)).ToList();
        var known = await db.Streams.Where(s => s.ProjectId == project && names.Contains(s.Name)).Select(s => s.Name).ToListAsync(cancel);
        var errors = streams.Select((name, i) => (name, i)).Where(s => !known.Contains(s.name))
            .Select(s => new FieldError(JsonPointer.Of("streams", s.i), "unknown_stream", $"The project has no stream {JsonPointer.Short(s.name ?? "null")}.")).ToList();
        if (errors.Count > 0) throw Validation.Invalid(errors);
    }

    /// <summary>A tenant makes its keys as fast as any key is without being asked, or as its project was made; more is for who runs the server.</summary>
    static async Task CheckRateAsync(RateLimitInput? limit, int project, Caller caller, ProjectAccess access, EmailDb db, CancellationToken cancel)
    {
        if (limit?.Value is not { } rate) return;
        var ofProject = (await db.Projects.AsNoTracking().SingleAsync(p => p.Id == project, cancel)).Limits.Rate;
        LimitRules.CheckWithin(rate, ofProject);
        var most = new RateLimit(Math.Max(RateLimit.OfKeys.PerSecond, ofProject?.PerSecond ?? 0), Math.Max(RateLimit.OfKeys.Burst, ofProject?.Burst ?? 0));
        if ((rate.PerSecond > most.PerSecond || rate.Burst > most.Burst) && !await access.IsOperatorAsync(caller, cancel))
            throw new ProblemException(ProblemKind.Forbidden, $"More than {most.PerSecond:N0} mails a second or a burst of {most.Burst:N0} is given to a key by who runs the server; give at most that, or ask them for a project limit that allows it.");
    }

    static string[] Patterns(IReadOnlyList<string>? given) => [.. (given ?? []).Select(g => AddressPattern.TryParse(g, out var pattern, out _) ? pattern : g)];

    static ProblemException Bound() => new(ProblemKind.Forbidden, "A key that is bound to senders, streams or recipients neither makes nor ends keys.");

    static ProblemException Unknown() => new(ProblemKind.NotFound, "There is no key with this id in the key's project.");
}

/// <summary>A key to be made.</summary>
public sealed record CreateKeyRequest
{
    /// <summary>What it is for; 1 to 100 characters.</summary>
    public string? Name { get; init; }
    /// <summary>Of send, read, manage, approve, audit and override_suppression; none that the caller's own key lacks.</summary>
    public IReadOnlyList<string>? Scopes { get; init; }
    /// <summary><c>live</c> (default), or <c>test</c>: its mail is captured and never leaves.</summary>
    public string? Mode { get; init; }
    /// <summary>Addresses and domains it may send as; left out: all.</summary>
    public IReadOnlyList<string>? Senders { get; init; }
    /// <summary>Streams it may use; left out: all.</summary>
    public IReadOnlyList<string>? Streams { get; init; }
    /// <summary>Addresses and domains it may send to; left out: all.</summary>
    public IReadOnlyList<string>? Recipients { get; init; }
    /// <summary>RFC 3339 with an offset; left out: it does not expire.</summary>
    public string? ExpiresAt { get; init; }
    /// <summary>Left out: 1,000 mails a second, 2,000 at once. More, or more than the project's limit where that is higher, is given by who runs the server.</summary>
    public RateLimitInput? RateLimit { get; init; }
    /// <summary>What the key's mail gets that says nothing itself; what is left out, the stream decides.</summary>
    public TrackInput? Track { get; init; }
    /// <summary>Asks readers' programs for a notification (RFC 8098); left out: the stream decides.</summary>
    public bool? ReturnReceipt { get; init; }
    /// <summary>For keys of project <c>default</c>: the id of the project that the key is for.</summary>
    public string? Project { get; init; }

    [JsonExtensionData]
    public Dictionary<string, JsonElement>? Unknown { get; set; }
}

/// <summary>What is to change in a key.</summary>
public sealed record ChangeKeyRequest
{
    /// <summary>An empty object brings back what holds by default.</summary>
    public RateLimitInput? RateLimit { get; init; }
    /// <summary>Takes the place of all that the key said; what is left out, the stream decides again.</summary>
    public TrackInput? Track { get; init; }
    /// <summary>null: the stream decides again.</summary>
    public bool? ReturnReceipt
    {
        get;
        set
        {
            field = value;
            IsReceiptGiven = true;
        }
    }

    internal bool IsReceiptGiven { get; private set; }

    [JsonExtensionData]
    public Dictionary<string, JsonElement>? Unknown { get; set; }
}

public sealed class ChangeKeyValidator : AbstractValidator<ChangeKeyRequest>
{
    public ChangeKeyValidator() => RuleFor(r => r).Custom((request, context) =>
    {
        context.RefuseUnknown(request.Unknown);
        if (request is { RateLimit: null, Track: null, IsReceiptGiven: false }) context.Add("required", "Give what is to change: the rate limit, track or return_receipt.", "rate_limit");
        context.CheckRateLimit(request.RateLimit);
        context.CheckTrack(request.Track);
    });
}

public sealed class CreateKeyValidator : AbstractValidator<CreateKeyRequest>
{
    const int MaxEntries = 100;

    public CreateKeyValidator(TimeProvider clock)
    {
        RuleFor(r => r).Custom((request, context) =>
        {
            context.RefuseUnknown(request.Unknown);
            if (ProjectName.Refusal(request.Name) is { } name) context.Add("invalid", name, "name");
            if (request.Scopes is not { Count: > 0 }) context.Add("required", $"Give at least one of {string.Join(", ", Scopes.All)}.", "scopes");
            for (var i = 0; i < request.Scopes?.Count; i++)
                if (!Scopes.All.Contains(request.Scopes[i])) context.Add("unknown_value", $"A scope is one of {string.Join(", ", Scopes.All)}.", "scopes", i);
            if (request.Mode is not (null or "live" or "test")) context.Add("unknown_value", "Give live or test.", "mode");
            context.CheckRateLimit(request.RateLimit);
            context.CheckTrack(request.Track);
            Patterns(request.Senders, "senders");
            Patterns(request.Recipients, "recipients");
            if (request.Streams?.Count > MaxEntries) context.Add("too_many", $"At most {MaxEntries} entries.", "streams");
            if (request.ExpiresAt is { } text)
            {
                if (!Instant.TryParse(text, out var at)) context.Add("invalid_time", Instant.Wanted, "expires_at");
                else if (at <= clock.GetUtcNow()) context.Add("in_the_past", "expires_at lies in the past; leave it out for a key that does not expire.", "expires_at");
            }

            void Patterns(IReadOnlyList<string>? entries, string field)
            {
                if (entries?.Count > MaxEntries) context.Add("too_many", $"At most {MaxEntries} entries.", field);
                for (var i = 0; i < entries?.Count; i++)
                    if (!AddressPattern.TryParse(entries[i], out _, out var error)) context.Add("invalid", error, field, i);
            }
        });
    }
}

/// <summary>A key without its secret, but for the answer that makes it.</summary>
public sealed record KeyResponse(
    string Id, string Name, IReadOnlyList<string> Scopes, string Mode, IReadOnlyList<string> Senders, IReadOnlyList<string> Streams, IReadOnlyList<string> Recipients,
    DateTimeOffset CreatedAt, DateTimeOffset? ExpiresAt, DateTimeOffset? RevokedAt, DateTimeOffset? LastUsedAt, RateLimitResponse? RateLimit, KeyTrackingResponse Track, bool? ReturnReceipt)
{
    /// <summary>The whole key, shown this once.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Key { get; init; }

    internal static KeyResponse Of(ApiKey key) => new(
        key.Id, key.Name, key.Scopes, key.Mode.Word(), key.Senders, key.Streams, key.Recipients, key.CreatedAt, key.ExpiresAt, key.RevokedAt, key.LastUsedAt, RateLimitResponse.Of(key.Rate),
        new(key.TrackOpens, key.TrackClicks, key.TrackClicksText), key.ReturnReceipt);
}

/// <summary>Null: the stream decides.</summary>
public sealed record KeyTrackingResponse(bool? Opens, bool? Clicks, bool? ClicksText);
