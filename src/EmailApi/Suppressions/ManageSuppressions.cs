using EmailApi.Data;
using EmailApi.Emails;
using EmailApi.Http;
using EmailApi.Projects;
using FluentValidation;
using Microsoft.EntityFrameworkCore;

namespace EmailApi.Suppressions;

/// <summary>/v1/suppressions: the addresses that must not be mailed, in all of the project or in one stream. Who sends to one is told so, with the reason.</summary>
public static class ManageSuppressions
{
    /// <summary>Those that hold, the newest first.</summary>
    /// <param name="address">Only of this address, however it is spelt.</param>
    /// <param name="stream">Only those of this stream; those of the whole project are not among them.</param>
    public static async Task<Page<SuppressionResponse>> ListAsync(
        string? after, int? limit, string? address, string? stream, string? reason, string? source, Caller caller, EmailDb db, CancellationToken cancel)
    {
        var take = Paging.Limit(limit);
        var found = Holding(db, caller.ProjectId);
        if (Paging.After<long>(after) is { } last) found = found.Where(s => s.Id < last);
        if (address is not null)
        {
            if (!Address.TryParse(address, out var kept, out var error)) throw new ProblemException(ProblemKind.BadRequest, error);
            var key = Address.Key(kept);
            found = found.Where(s => s.Address == key);
        }

        if (stream is not null)
        {
            if (!StreamValidator.IsName(stream)) throw new ProblemException(ProblemKind.BadRequest, StreamValidator.NameWanted);
            found = found.Where(s => s.Stream == stream);
        }

        if (reason is not null)
        {
            if (!Suppression.Reasons.Contains(reason)) throw new ProblemException(ProblemKind.BadRequest, $"There is no reason {JsonPointer.Short(reason)}; there are {string.Join(", ", Suppression.Reasons)}.");
            found = found.Where(s => s.Reason == reason);
        }

        if (source is not null)
        {
            if (!Words.TryParse<SuppressionSource>(source, out var word)) throw new ProblemException(ProblemKind.BadRequest, $"There is no source {JsonPointer.Short(source)}; there are {string.Join(", ", Words.All<SuppressionSource>())}.");
            found = found.Where(s => s.Source == word);
        }

        var rows = await found.OrderByDescending(s => s.Id).Take(take + 1).ToListAsync(cancel);
        return Paging.Page(rows, take, SuppressionResponse.Of, s => [s.Id]);
    }

    /// <summary>Suppresses an address. Where it is suppressed already, what is said now takes the place of what was said before, its end too.</summary>
    public static async Task<IResult> AddAsync(
        RequestBody<SuppressionRequest> body, Caller caller, IValidator<SuppressionRequest> validator, SuppressedProjects known, EmailDb db, TimeProvider clock, CancellationToken cancel)
    {
        var request = validator.Valid(body.Value);
        caller.DemandWholeProject();
        var streams = await StreamsAsync(db, caller.ProjectId, cancel);
        var faults = SuppressionRules.Faults(request.Email, request.Reason, request.Stream, request.ExpiresAt, streams, clock.GetUtcNow()).ToList();
        if (faults.Count > 0) throw Validation.Invalid(faults.ConvertAll(f => new FieldError(JsonPointer.Of(f.Field), f.Code, f.Detail)));

        var (project, key, reason, source) = (caller.ProjectId, Address.Key(Address.Parse(request.Email!)), request.Reason ?? Suppression.Manual, SuppressionSource.Manual.Word());
        await using var transaction = await db.Database.BeginTransactionAsync(cancel);
        await db.Suppressions.Where(s => s.ProjectId == project && s.Address == key && s.Stream == request.Stream && s.ExpiresAt <= EmailDb.Now()).ExecuteDeleteAsync(cancel);
        var isNew = (await db.Database.SqlQuery<bool>($"""
            insert into suppressions (project_id, address, stream, reason, source, expires_at)
            values ({project}, {key}, {request.Stream}, {reason}, {source}, {Instant.OrNull(request.ExpiresAt)})
            on conflict (project_id, address, stream) do update set reason = excluded.reason, source = excluded.source, expires_at = excluded.expires_at, email_id = null
            returning (xmax = 0) as "Value"
            """).ToListAsync(cancel)).Single();
        var made = await db.Suppressions.AsNoTracking().SingleAsync(s => s.ProjectId == project && s.Address == key && s.Stream == request.Stream, cancel);
        await transaction.CommitAsync(cancel);
        known.Added(project);
        var shown = SuppressionResponse.Of(made);
        return isNew ? Results.Created($"/v1/suppressions/{Uri.EscapeDataString(shown.Email)}", shown) : Results.Ok(shown);
    }

    /// <summary>All that hold for an address: that of the whole project, and those of streams.</summary>
    public static async Task<Page<SuppressionResponse>> GetAsync(string email, Caller caller, EmailDb db, CancellationToken cancel)
    {
        var key = KeyOf(email);
        var rows = await Holding(db, caller.ProjectId).Where(s => s.Address == key).OrderBy(s => s.Stream != null).ThenBy(s => s.Stream).ToListAsync(cancel);
        return rows.Count > 0 ? new(rows.ConvertAll(SuppressionResponse.Of), null) : throw Unknown();
    }

    /// <summary>Lifts the suppression of an address.</summary>
    /// <param name="stream">That of this stream; left out: that of the whole project, and those of streams stay.</param>
    public static async Task<IResult> DeleteAsync(string email, string? stream, Caller caller, EmailDb db, CancellationToken cancel)
    {
        caller.DemandWholeProject();
        var key = KeyOf(email);
        var lifted = await Holding(db, caller.ProjectId).Where(s => s.Address == key && s.Stream == stream).ExecuteDeleteAsync(cancel);
        if (lifted > 0) return Results.NoContent();
        var others = await Holding(db, caller.ProjectId).Where(s => s.Address == key).Select(s => s.Stream).ToListAsync(cancel);
        throw others.Count == 0 ? Unknown()
            : others.Contains(null) ? new(ProblemKind.NotFound, "The address is suppressed in the whole project; leave stream out to lift that.")
            : new(ProblemKind.NotFound, $"The address is suppressed in streams only: {string.Join(", ", others)}; name one as ?stream=.");
    }

    /// <summary>The names of a project's streams.</summary>
    internal static async Task<HashSet<string>> StreamsAsync(EmailDb db, int project, CancellationToken cancel) =>
        [.. await db.Streams.Where(s => s.ProjectId == project).Select(s => s.Name).ToListAsync(cancel)];

    internal static IQueryable<Suppression> Holding(EmailDb db, int project) =>
        db.Suppressions.AsNoTracking().Where(s => s.ProjectId == project && (s.ExpiresAt == null || s.ExpiresAt > EmailDb.Now()));

    /// <summary>From the path, in which routing leaves an escaped slash as it came.</summary>
    static string KeyOf(string email) =>
        Address.TryParse(email.Replace("%2F", "/", StringComparison.OrdinalIgnoreCase), out var address, out _) ? Address.Key(address) : throw Unknown();

    static ProblemException Unknown() => new(ProblemKind.NotFound, "The address is not suppressed in the key's project.");
}
