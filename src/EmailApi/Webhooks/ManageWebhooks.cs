using EmailApi.Data;
using EmailApi.Http;
using EmailApi.Http.Outbound;
using EmailApi.Projects;
using EmailApi.Suppressions;
using FluentValidation;
using Microsoft.EntityFrameworkCore;

namespace EmailApi.Webhooks;

/// <summary>/v1/webhooks: the endpoints of a project that are told of its events.</summary>
public static class ManageWebhooks
{
    /// <summary>Makes a webhook and shows its secret, this once. Nothing is called.</summary>
    public static async Task<IResult> CreateAsync(
        RequestBody<WebhookRequest> body, Caller caller, IValidator<WebhookRequest> validator, GuardedClient client, WebhookSecrets secrets, EmailDb db, TimeProvider clock, CancellationToken cancel)
    {
        var request = validator.Valid(body.Value);
        caller.DemandWholeProject();
        if (request.Url is null) throw Validation.Invalid([new("#/url", "required", "Give the URL that is called.")]);
        await CheckAsync(request, caller, client, db, cancel);

        var now = clock.GetUtcNow();
        var (shown, kept) = secrets.Create();
        var webhook = new Webhook { Id = Guid.CreateVersion7(now), ProjectId = caller.ProjectId, Url = request.Url, Events = ["*"], Secret = kept };
        request.ApplyTo(webhook, now);
        await using var transaction = await db.Database.BeginTransactionAsync(cancel);
        await db.Database.ExecuteSqlRawAsync(WebhookSql.LockOf, [caller.ProjectId], cancel);
        if (await Of(caller, db).CountAsync(cancel) >= Webhook.MaxPerProject) throw Validation.Invalid([new("#", "too_many", $"A project has at most {Webhook.MaxPerProject} webhooks.")]);
        db.Webhooks.Add(webhook);
        await db.SaveChangesAsync(cancel);
        // The first one of the project: its events count from here on.
        await db.Database.ExecuteSqlAsync($"insert into webhook_feeds (project_id) values ({caller.ProjectId}) on conflict do nothing", cancel);
        await transaction.CommitAsync(cancel);
        return Results.Json(WebhookResponse.Of(webhook) with { Secret = shown }, ApiJson.Wire.WebhookResponse, statusCode: 201);
    }

    public static async Task<Page<WebhookResponse>> ListAsync(string? after, int? limit, Caller caller, EmailDb db, CancellationToken cancel)
    {
        var take = Paging.Limit(limit);
        var found = Of(caller, db).AsNoTracking();
        if (Paging.After<Guid>(after) is { } last) found = found.Where(w => w.Id > last);
        var rows = await found.OrderBy(w => w.Id).Take(take + 1).ToListAsync(cancel);
        return Paging.Page(rows, take, WebhookResponse.Of, w => [w.Id]);
    }

    public static async Task<WebhookResponse> GetAsync(string id, Caller caller, EmailDb db, CancellationToken cancel) => WebhookResponse.Of(await FindAsync(id, caller, db, cancel));

    /// <summary>Changes the fields that are given. What waits already is told to where the webhook leads then.</summary>
    public static async Task<WebhookResponse> ChangeAsync(
        string id, RequestBody<WebhookRequest> body, Caller caller, IValidator<WebhookRequest> validator, GuardedClient client, EmailDb db, TimeProvider clock, CancellationToken cancel)
    {
        var request = validator.Valid(body.Value);
        caller.DemandWholeProject();
        var webhook = await FindAsync(id, caller, db, cancel);
        await CheckAsync(request, caller, client, db, cancel);
        request.ApplyTo(webhook, clock.GetUtcNow());
        await db.SaveChangesAsync(cancel);
        return WebhookResponse.Of(webhook);
    }

    /// <summary>Removes a webhook, and what waits for it.</summary>
    public static async Task<IResult> DeleteAsync(string id, Caller caller, EmailDb db, CancellationToken cancel)
    {
        caller.DemandWholeProject();
        var webhook = await FindAsync(id, caller, db, cancel);
        await using var transaction = await db.Database.BeginTransactionAsync(cancel);
        await db.Database.ExecuteSqlRawAsync(WebhookSql.LockOf, [caller.ProjectId], cancel);
        await Of(caller, db).Where(w => w.Id == webhook.Id).ExecuteDeleteAsync(cancel);
        if (!await Of(caller, db).AnyAsync(cancel)) await db.WebhookFeeds.Where(f => f.ProjectId == caller.ProjectId).ExecuteDeleteAsync(cancel);
        await transaction.CommitAsync(cancel);
        return Results.NoContent();   // its rows in the queue go with the next housekeeping: there may be many
    }

    /// <summary>Gives the webhook another secret and shows it, this once. Each one before signs beside it until 24 hours after it was replaced.</summary>
    public static async Task<WebhookResponse> RotateAsync(string id, Caller caller, WebhookSecrets secrets, EmailDb db, TimeProvider clock, CancellationToken cancel)
    {
        caller.DemandWholeProject();
        await using var transaction = await db.Database.BeginTransactionAsync(cancel);
        await db.Database.ExecuteSqlRawAsync(WebhookSql.LockOf, [caller.ProjectId], cancel);   // of two at once each shows a secret that signs
        var webhook = await FindAsync(id, caller, db, cancel);
        var (now, (shown, kept)) = (clock.GetUtcNow(), secrets.Create());
        var before = webhook.PreviousUntil > now ? webhook.PreviousSecret : null;
        (webhook.PreviousSecret, webhook.PreviousUntil, webhook.Secret) = (secrets.Replace(webhook.Secret, before, now), now + WebhookSecrets.Overlap, kept);
        await db.SaveChangesAsync(cancel);
        await transaction.CommitAsync(cancel);
        return WebhookResponse.Of(webhook) with { Secret = shown, PreviousSecretUntil = webhook.PreviousUntil };
    }

    internal static IQueryable<Webhook> Of(Caller caller, EmailDb db) => db.Webhooks.Where(w => w.ProjectId == caller.ProjectId);

    /// <exception cref="ProblemException">404.</exception>
    internal static async Task<Webhook> FindAsync(string id, Caller caller, EmailDb db, CancellationToken cancel) =>
        (Webhook.TryParse(id, out var guid) ? await Of(caller, db).SingleOrDefaultAsync(w => w.Id == guid, cancel) : null)
        ?? throw new ProblemException(ProblemKind.NotFound, "There is no webhook with this id in the key's project.");

    /// <summary>What only the database and the network know.</summary>
    /// <exception cref="ProblemException">422.</exception>
    static async Task CheckAsync(WebhookRequest request, Caller caller, GuardedClient client, EmailDb db, CancellationToken cancel)
    {
        var faults = new List<FieldError>();
        if (request.Streams is { Count: > 0 } streams)
        {
            var known = await ManageSuppressions.StreamsAsync(db, caller.ProjectId, cancel);
            faults.AddRange(streams.Select((name, i) => (name, i)).Where(s => s.name is null || !known.Contains(s.name))
                .Select(s => new FieldError(JsonPointer.Of("streams", s.i), "unknown_stream", $"The project has no stream {JsonPointer.Short(s.name ?? "null")}.")));
        }

        if (request.Url is { } url && await client.IsRefusedAsync(new(url), cancel))
            faults.Add(new("#/url", "private_address", "The URL leads into a network that is not public. Whoever runs the server can allow it (EmailApi__Webhooks__AllowedNetworks)."));
        if (faults.Count > 0) throw Validation.Invalid(faults);
    }
}
