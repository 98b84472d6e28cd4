using EmailApi.Data;
using EmailApi.Http;
using EmailApi.Projects;
using FluentValidation;
using Microsoft.EntityFrameworkCore;

namespace EmailApi.Pauses;

/// <summary>/v1/pause and /v1/resume: the emergency stop. Once a pause is answered nothing that it matches goes to a relay; what is being sent just then goes on.</summary>
public static class ManagePauses
{
    /// <summary>Stops mail by project, stream, key, tag or relay. Again changes nothing: the pause that is there stays, with its time and reason.</summary>
    public static async Task<PauseResponse> PauseAsync(
        RequestBody<PauseRequest> body, Caller caller, IValidator<PauseRequest> validator, PauseAccess access, WalkPauses walk, PausesInForce inForce, EmailDb db, CancellationToken cancel)
    {
        var request = validator.Valid(body.Value);
        var (project, by, value) = await access.TargetAsync(request, caller, mustExist: true, cancel);
        await using (var transaction = await db.BeginAloneAsync(cancel))
        {
            // One that is just being resumed stands up again; the operator's own takes the place of a tenant's, who could resume it.
            await db.Database.ExecuteSqlAsync($"""
                insert into pauses as p (project_id, by, value, note, paused_by, walked_to, walked_n)
                values ({project}, {by.Word()}, {value}, {request.Reason}, {caller.KeyId}, {Guid.Empty}, 0)
                on conflict (project_id, by, value) do update set note = excluded.note, paused_by = excluded.paused_by, paused_at = now(), resumed_at = null,
                    walked_to = excluded.walked_to, walked_n = 0
                where p.resumed_at is not null
                    or (p.project_id <> {caller.ProjectId} and p.project_id = (select k.project_id from api_keys k where k.id = p.paused_by))
                """, cancel);
            await transaction.CommitAsync(cancel);
        }

        var pause = await Of(project, by, value, db).SingleAsync(cancel);
        return await WalkAsync(pause, walk, inForce, db, cancel);
    }

    /// <summary>Lets paused mail go, but for what another pause matches.</summary>
    public static async Task<PauseResponse> ResumeAsync(
        RequestBody<PauseRequest> body, Caller caller, IValidator<PauseRequest> validator, PauseAccess access, WalkPauses walk, PausesInForce inForce, EmailDb db, CancellationToken cancel)
    {
        var request = validator.Valid(body.Value);
        var (project, by, value) = await access.TargetAsync(request, caller, mustExist: false, cancel);
        Pause pause;
        await using (var transaction = await db.BeginAloneAsync(cancel))
        {
            var paused = Of(project, by, value, db).Where(p => p.ResumedAt == null);
            pause = await paused.SingleOrDefaultAsync(cancel)
                ?? throw new ProblemException(ProblemKind.NotPaused, $"{by.Word()} {value} is not paused; GET /v1/pause lists what is.");
            await access.DemandResumeAsync(pause, caller, cancel);
            await paused.ExecuteUpdateAsync(set => set.SetProperty(p => p.ResumedAt, _ => EmailDb.Now()).SetProperty(p => p.Note, request.Reason)
                .SetProperty(p => p.WalkedTo, Guid.Empty).SetProperty(p => p.WalkedN, 0), cancel);
            pause = await Of(project, by, value, db).SingleAsync(cancel);
            await transaction.CommitAsync(cancel);
        }

        return await WalkAsync(pause, walk, inForce, db, cancel);
    }

    /// <summary>What is paused now: in the key's project and at the relays; for who runs the server, in all projects.</summary>
    public static async Task<Page<PauseResponse>> ListAsync(string? after, int? limit, Caller caller, ProjectAccess access, EmailDb db, CancellationToken cancel)
    {
        var take = Paging.Limit(limit);
        var last = Paging.After<long>(after) ?? 0;
        var all = await access.IsOperatorAsync(caller, cancel);
        var rows = await db.Pauses.AsNoTracking()
            .Where(p => p.Id > last && p.ResumedAt == null && (all || p.ProjectId == null || p.ProjectId == caller.ProjectId))
            .OrderBy(p => p.Id).Take(take + 1).ToListAsync(cancel);
        return Paging.Page(rows, take, p => PauseResponse.Of(p, p.WalkedTo is null), p => [p.Id]);
    }

    /// <summary>A pause that stops this email; null: none does.</summary>
    /// <param name="lane">Where it would go if nothing of it is open.</param>
    internal static Task<Pause?> PauseOfAsync(this EmailDb db, Guid email, string lane, CancellationToken cancel) =>
        db.Pauses.FromSqlRaw($$"""
            select x.* from emails e
            cross join lateral (select e.project_id, coalesce((select lane from queue where email_id = e.id limit 1), {1}) as lane) q
            join pauses x on x.resumed_at is null and {{PauseSql.Matches}} where e.id = {0}
            """, email, lane).AsNoTracking().OrderBy(p => p.Id).FirstOrDefaultAsync(cancel);

    static IQueryable<Pause> Of(int? project, PauseBy by, string value, EmailDb db) =>
        db.Pauses.AsNoTracking().Where(p => p.ProjectId == project && p.By == by && p.Value == value);

    /// <summary>A short while of the work at once; the sweeper does the rest, or all of it where this fails.</summary>
    static async Task<PauseResponse> WalkAsync(Pause pause, WalkPauses walk, PausesInForce inForce, EmailDb db, CancellationToken cancel)
    {
        try
        {
            await inForce.LookAsync(cancel);
            await walk.WalkAsync(pause.Id, cancel);
        }
        catch (Npgsql.NpgsqlException)
        {
            // What was asked is committed, and holds.
        }

        var isSettled = !await db.Pauses.AnyAsync(p => p.Id == pause.Id && p.WalkedTo != null, cancel);
        return PauseResponse.Of(pause, isSettled);
    }

    static async Task<Microsoft.EntityFrameworkCore.Storage.IDbContextTransaction> BeginAloneAsync(this EmailDb db, CancellationToken cancel)
    {
        var transaction = await db.Database.BeginTransactionAsync(cancel);
        await db.Database.ExecuteSqlRawAsync(PauseSql.LockAlone, cancel);
        return transaction;
    }
}
