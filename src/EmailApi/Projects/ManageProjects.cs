using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using EmailApi.Data;
using EmailApi.Emails;
using EmailApi.Http;
using EmailApi.Limits;
using FluentValidation;
using Microsoft.EntityFrameworkCore;
using Npgsql;

namespace EmailApi.Projects;

/// <summary>/v1/projects: keys of project <c>default</c> that have <c>manage</c> run the server and see all projects; others see their own.</summary>
public static class ManageProjects
{
    /// <summary>Makes a project with its stream <c>transactional</c>; <c>POST /v1/keys</c> with its id makes its first key.</summary>
    public static async Task<IResult> CreateAsync(
        RequestBody<ProjectRequest> body, Caller caller, IValidator<ProjectRequest> validator, ProjectAccess access, EmailDb db, CancellationToken cancel)
    {
        var request = validator.Valid(body.Value);
        await access.DemandOperatorAsync(caller, cancel);
        var project = new Project { Name = request.Name ?? throw Validation.Invalid([new("#/name", "required", ProjectName.Wanted)]) };
        request.ApplyTo(project);
        db.Projects.Add(project);
        await using var transaction = await db.Database.BeginTransactionAsync(cancel);
        await SaveAsync(db, project, cancel);
        db.Streams.Add(Stream.New(project.Id, Stream.Transactional));
        await db.SaveChangesAsync(cancel);
        await transaction.CommitAsync(cancel);
        return Results.Json(ProjectResponse.Of(project), ApiJson.Wire.ProjectResponse, statusCode: 201);
    }

    public static async Task<Page<ProjectResponse>> ListAsync(string? after, int? limit, Caller caller, ProjectAccess access, EmailDb db, CancellationToken cancel)
    {
        var take = Paging.Limit(limit);
        var last = Paging.After<int>(after) ?? 0;
        var all = await access.IsOperatorAsync(caller, cancel);
        var rows = await db.Projects.AsNoTracking().Where(p => p.Id > last && (all || p.Id == caller.ProjectId)).OrderBy(p => p.Id).Take(take + 1).ToListAsync(cancel);
        return Paging.Page(rows, take, ProjectResponse.Of, p => [p.Id]);
    }

    public static async Task<ProjectResponse> GetAsync(string id, Caller caller, ProjectAccess access, EmailDb db, CancellationToken cancel)
    {
        var project = await access.ProjectAsync(id, caller, cancel);
        return ProjectResponse.Of(await db.Projects.AsNoTracking().SingleAsync(p => p.Id == project, cancel));
    }

    /// <summary>Changes the fields that are given. Limits are set by who runs the server; every node knows them within 5 s.</summary>
    public static async Task<ProjectResponse> ChangeAsync(
        string id, RequestBody<ProjectRequest> body, Caller caller, IValidator<ProjectRequest> validator, ProjectAccess access, EmailDb db, ApiKeys keys, CancellationToken cancel)
    {
        var request = validator.Valid(body.Value);
        var projectId = await access.ProjectAsync(id, caller, cancel);
        caller.DemandWholeProject();
        if (request.RateLimit is not null || request.Quota is not null) await access.DemandOperatorAsync(caller, cancel);
        var project = await db.Projects.SingleAsync(p => p.Id == projectId, cancel);
        if (project.Name == Project.Default && request.Name is not (null or Project.Default)) throw new ProblemException(ProblemKind.InUse, "The project default keeps its name.");
        request.ApplyTo(project);
        await SaveAsync(db, project, cancel);
        keys.ForgetProject(projectId);
        return ProjectResponse.Of(project);
    }

    /// <summary>Removes a project that has no mail.</summary>
    public static async Task<IResult> DeleteAsync(string id, Caller caller, ProjectAccess access, EmailDb db, ApiKeys keys, CancellationToken cancel)
    {
        await access.DemandOperatorAsync(caller, cancel);
        var project = await access.ProjectAsync(id, caller, cancel);
        if (project == caller.ProjectId) throw new ProblemException(ProblemKind.InUse, "The project of the key that asks cannot be removed.");
        if (await db.Emails.AnyAsync(e => e.ProjectId == project, cancel)) throw new ProblemException(ProblemKind.InUse, "The project has mail; it can be removed once its retention has dropped all of it.");
        await using var transaction = await db.Database.BeginTransactionAsync(cancel);
        var gone = await db.ApiKeys.Where(k => k.ProjectId == project).Select(k => k.Id).ToListAsync(cancel);
        await db.ApiKeys.Where(k => k.ProjectId == project).ExecuteDeleteAsync(cancel);
        await db.Streams.Where(s => s.ProjectId == project).ExecuteDeleteAsync(cancel);
        await db.Suppressions.Where(s => s.ProjectId == project).ExecuteDeleteAsync(cancel);
        await db.Usage.Where(u => u.ProjectId == project).ExecuteDeleteAsync(cancel);
        await db.Projects.Where(p => p.Id == project).ExecuteDeleteAsync(cancel);
        await transaction.CommitAsync(cancel);
        gone.ForEach(keys.Forget);
        return Results.NoContent();
    }

    static async Task SaveAsync(EmailDb db, Project project, CancellationToken cancel)
    {
        try
        {
            await db.SaveChangesAsync(cancel);
        }
        catch (DbUpdateException error) when (error.InnerException is PostgresException { SqlState: PostgresErrorCodes.UniqueViolation })
        {
            throw new ProblemException(ProblemKind.Exists, $"There is a project named {project.Name}; give another name.", inner: error);
        }
    }
}

/// <summary>Which projects a key may look into beside its own.</summary>
public sealed class ProjectAccess(EmailDb db)
{
    const string Prefix = "prj_";

    public static string Format(int id) => string.Create(CultureInfo.InvariantCulture, $"{Prefix}{id}");

    /// <summary>Whether the caller runs the server: an unbound live key of project <c>default</c> with <c>manage</c>.</summary>
    public async Task<bool> IsOperatorAsync(Caller caller, CancellationToken cancel) =>
        !caller.IsBound && caller.Mode is KeyMode.Live && caller.Scopes.Contains(Scopes.Manage)
        && await db.Projects.AnyAsync(p => p.Id == caller.ProjectId && p.Name == Project.Default, cancel);

    /// <exception cref="ProblemException">403.</exception>
    public async Task DemandOperatorAsync(Caller caller, CancellationToken cancel)
    {
        if (!await IsOperatorAsync(caller, cancel))
            throw new ProblemException(ProblemKind.Forbidden, "Only a live key of project default that has the scope manage, bound to nothing, may do this.");
    }

    /// <param name="id">As shown; null: the caller's own.</param>
    /// <exception cref="ProblemException">404: unknown, malformed, or not the caller's to see.</exception>
    public async Task<int> ProjectAsync(string? id, Caller caller, CancellationToken cancel)
    {
        if (id is null) return caller.ProjectId;
        if (id.StartsWith(Prefix, StringComparison.Ordinal) && int.TryParse(id.AsSpan(Prefix.Length), NumberStyles.None, CultureInfo.InvariantCulture, out var project)
            && (project == caller.ProjectId || (await IsOperatorAsync(caller, cancel) && await db.Projects.AnyAsync(p => p.Id == project, cancel))))
            return project;
        throw new ProblemException(ProblemKind.NotFound, "There is no project with this id that the key may see.");
    }
}

/// <summary>A project to be made, or what is to change in one. What is left out stays as it is.</summary>
public sealed record ProjectRequest
{
    /// <summary>1 to 100 characters; no two projects have the same.</summary>
    public string? Name { get; init; }
    /// <summary>Of all its keys together; none until set.</summary>
    public RateLimitInput? RateLimit { get; init; }
    /// <summary>None until set.</summary>
    public QuotaInput? Quota { get; init; }
    /// <summary>true: events of opens and clicks tell the IP address that they came from; false until set.</summary>
    public bool? KeepsIp { get; init; }

    [JsonExtensionData]
    public Dictionary<string, JsonElement>? Unknown { get; set; }

    internal void ApplyTo(Project project)
    {
        project.Name = Name ?? project.Name;
        if (RateLimit is not null) (project.RatePerSecond, project.RateBurst) = (RateLimit.Value?.PerSecond, RateLimit.Value?.Burst);
        project.KeepsIp = KeepsIp ?? project.KeepsIp;
        if (Quota is not null) (project.QuotaPerDay, project.QuotaPerMonth) = (Quota.PerDay, Quota.PerMonth);
    }
}

public sealed class ProjectValidator : AbstractValidator<ProjectRequest>
{
    public ProjectValidator() => RuleFor(r => r).Custom((request, context) =>
    {
        context.RefuseUnknown(request.Unknown);
        if (request.Name is { } given && ProjectName.Refusal(given) is { } name) context.Add("invalid", name, "name");
        context.CheckRateLimit(request.RateLimit);
        context.CheckQuota(request.Quota);
    });
}

/// <summary>Names that people give to projects and keys.</summary>
static class ProjectName
{
    public const string Wanted = "Give a name of 1 to 100 characters.";
    const int MaxLength = 100;

    public static string? Refusal(string? name) =>
        string.IsNullOrWhiteSpace(name) || name.Length > MaxLength ? Wanted : MailText.ControlFault(name);
}

public sealed record ProjectResponse(string Id, string Name, DateTimeOffset CreatedAt, RateLimitResponse? RateLimit, QuotaResponse Quota, bool KeepsIp)
{
    internal static ProjectResponse Of(Project project) => new(
        ProjectAccess.Format(project.Id), project.Name, project.CreatedAt, RateLimitResponse.Of(project.Limits.Rate), new(project.QuotaPerDay, project.QuotaPerMonth), project.KeepsIp);
}
