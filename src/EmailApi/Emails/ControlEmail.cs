using System.Text.Json;
using System.Text.Json.Serialization;
using EmailApi.Data;
using EmailApi.Delivery;
using EmailApi.Http;
using EmailApi.Pauses;
using EmailApi.Projects;
using EmailApi.Relays;
using FluentValidation;
using Microsoft.AspNetCore.Mvc;
using Microsoft.EntityFrameworkCore;

namespace EmailApi.Emails;

/// <summary>POST /v1/emails/{id}/cancel: ends what has not left. A recipient that is being sent just now goes on.</summary>
public static class CancelEmail
{
    internal static readonly Decision Cancel = new(
        [RecipientState.Scheduled, RecipientState.Held, RecipientState.Queued, RecipientState.Deferred, RecipientState.InDoubt], RecipientState.Canceled, "canceled");

    public static async Task<GetEmailResponse> HandleAsync(string id, Caller caller, EmailDb db, CancellationToken cancel)
    {
        var email = await db.FindOwnAsync(id, caller, cancel);
        if (await db.DecideAsync(caller.ProjectId, [email.Id], Cancel, cancel) == 0)
            throw await db.WrongStateAsync(email.Id, "only a recipient that is scheduled, held, queued, deferred or in_doubt can be canceled", cancel);
        await db.DropSensitiveAsync([email.Id], cancel);
        return await GetEmail.ShowAsync(email.Id, db, cancel);
    }
}

/// <summary>PATCH /v1/emails/{id}: another time for a mail of which nothing was tried yet.</summary>
public static class RescheduleEmail
{
    public static async Task<GetEmailResponse> HandleAsync(
        string id, RequestBody<RescheduleRequest> body, Caller caller, IValidator<RescheduleRequest> validator, StreamCatalog streams, EmailDb db, CancellationToken cancel)
    {
        var request = validator.Valid(body.Value);
        var email = await db.FindOwnAsync(id, caller, cancel);
        var at = Instant.OrNull(request.SendAt)!.Value;
        var stream = await streams.FindAsync(caller.ProjectId, email.Stream, cancel);
        var expiresAt = Instant.OrNull(request.ExpiresAt) ?? at + (stream?.Life ?? Projects.Stream.DefaultLife);
        await using var transaction = await db.Database.BeginTransactionAsync(cancel);
        var moved = await db.DecideAsync(caller.ProjectId, [email.Id],
            new([RecipientState.Scheduled, RecipientState.Queued], RecipientState.Scheduled, "scheduled") { DueAt = at, ExpiresAt = expiresAt }, cancel);
        if (moved == 0) throw await db.WrongStateAsync(email.Id, "only a recipient that is scheduled or queued can be given another time", cancel);
        await db.Emails.Where(e => e.Id == email.Id).ExecuteUpdateAsync(set => set.SetProperty(e => e.SendAt, at).SetProperty(e => e.ExpiresAt, expiresAt).SetProperty(e => e.HasOwnExpiry, request.ExpiresAt != null), cancel);
        await transaction.CommitAsync(cancel);
        return await GetEmail.ShowAsync(email.Id, db, cancel);
    }
}

/// <summary>POST /v1/emails/{id}/retry: tries at once what waits, is in doubt, or had ended without being sent.</summary>
public static class RetryEmail
{
    static readonly RecipientState[] Ended = [RecipientState.Bounced, RecipientState.Failed, RecipientState.Expired, RecipientState.Suppressed];

    /// <param name="overrideSuppression">From now on the mail goes to suppressed addresses too.</param>
    public static async Task<GetEmailResponse> HandleAsync(
        string id, [FromQuery(Name = "override_suppression")] string? overrideSuppression, Caller caller, StreamCatalog streams, RelayCatalog relays, DeliverySignals signals, EmailDb db, CancellationToken cancel)
    {
        if (overrideSuppression is not (null or "true" or "false")) throw new ProblemException(ProblemKind.BadRequest, $"override_suppression is true or false; {JsonPointer.Short(overrideSuppression)} is neither.");
        var overrides = overrideSuppression is "true";
        if (overrides && !caller.Scopes.Contains(Scopes.OverrideSuppression)) throw new ProblemException(ProblemKind.Forbidden, $"The key lacks the scope {Scopes.OverrideSuppression}.");
        var email = await db.FindOwnAsync(id, caller, cancel);
        if (!await db.Contents.AnyAsync(c => c.EmailId == email.Id, cancel)) throw GetContent.Gone();
        var stream = await streams.FindAsync(caller.ProjectId, email.Stream, cancel);
        var lane = relays.LaneOf(await db.ModeOfAsync(email, cancel));   // of the key that sent it: what a test key sent never leaves, whoever retries

        if (await db.PauseOfAsync(email.Id, lane, cancel) is { } pause)
            throw new ProblemException(ProblemKind.WrongState, $"{EmailId.Format(email.Id)} is paused by {pause.Name}; it can be retried after POST /v1/resume with {pause.Json}.");

        await using var transaction = await db.Database.BeginTransactionAsync(cancel);
        if (overrides) await db.Emails.Where(e => e.Id == email.Id).ExecuteUpdateAsync(set => set.SetProperty(e => e.OverridesSuppression, true), cancel);
        var retried = await db.DecideAsync(caller.ProjectId, [email.Id], new([RecipientState.Deferred, RecipientState.InDoubt], RecipientState.Queued, "retried"), cancel)
            + await db.DecideAsync(caller.ProjectId, [email.Id], new([RecipientState.Held], RecipientState.Queued, "retried") { OnlyReason = "in_doubt" }, cancel)
            + await db.ReopenAsync(caller.ProjectId, email.Id, Ended, lane, stream?.Priority ?? 100, stream?.Life ?? Projects.Stream.DefaultLife, cancel);
        if (retried == 0 && await db.Recipients.AnyAsync(r => r.EmailId == email.Id && Ended.Contains(r.State), cancel))
            throw await db.WrongStateAsync(email.Id, "what could be retried is suppressed; DELETE /v1/suppressions lifts that, and ?override_suppression=true passes over it", cancel);
        if (retried == 0)
            throw await db.WrongStateAsync(email.Id, "only a recipient that is deferred, in_doubt, held in doubt, bounced, failed, expired or suppressed can be retried", cancel);
        await transaction.CommitAsync(cancel);
        signals.WakeAll();
        return await GetEmail.ShowAsync(email.Id, db, cancel);
    }
}

/// <summary>POST /v1/emails/{id}/resolve: a person says what became of a mail in doubt.</summary>
public static class ResolveEmail
{
    public static async Task<GetEmailResponse> HandleAsync(string id, RequestBody<ResolveRequest> body, Caller caller, EmailDb db, CancellationToken cancel)
    {
        if (body.Value.Unknown?.Keys.FirstOrDefault() is { } field) throw Validation.Invalid([new(JsonPointer.Of(field), "unknown_field", $"There is no field {JsonPointer.Short(field)}; leave it out.")]);
        if (body.Value.As is not ("sent" or "failed")) throw Validation.Invalid([new("#/as", "unknown_value", "Give sent or failed.")]);
        var email = await db.FindOwnAsync(id, caller, cancel);
        var state = Words.Parse<RecipientState>(body.Value.As);
        var resolved = await db.DecideAsync(caller.ProjectId, [email.Id], new([RecipientState.Held], state, body.Value.As) { OnlyReason = "in_doubt", Reason = "resolved" }, cancel)
            + await db.DecideAsync(caller.ProjectId, [email.Id], new([RecipientState.InDoubt], state, body.Value.As) { Reason = "resolved" }, cancel);
        if (resolved == 0) throw await db.WrongStateAsync(email.Id, "only a recipient in doubt can be resolved", cancel);
        await db.DropSensitiveAsync([email.Id], cancel);
        return await GetEmail.ShowAsync(email.Id, db, cancel);
    }
}

static class Control
{
    /// <summary>A key that is bound to something decides about the mail that it sent itself, a test key about that of test keys.</summary>
    /// <exception cref="ProblemException">404.</exception>
    public static async Task<Email> FindOwnAsync(this EmailDb db, string id, Caller caller, CancellationToken cancel)
    {
        var email = await db.FindAsync(id, caller, cancel);
        if (caller.IsBound && email.KeyId != caller.KeyId) throw GetEmail.Unknown();
        if (caller.Mode is KeyMode.Test && await db.ModeOfAsync(email, cancel) is not KeyMode.Test) throw GetEmail.Unknown();
        return email;
    }

    /// <summary>The mode of the key that sent it.</summary>
    public static Task<KeyMode> ModeOfAsync(this EmailDb db, Email email, CancellationToken cancel) =>
        db.ApiKeys.Where(k => k.Id == email.KeyId).Select(k => k.Mode).SingleAsync(cancel);

    /// <summary>409, naming where the recipients are.</summary>
    public static async Task<ProblemException> WrongStateAsync(this EmailDb db, Guid email, string rule, CancellationToken cancel)
    {
        var shown = await GetEmail.ShowAsync(email, db, cancel);
        var states = shown.Recipients.Select(r => r.Status).Distinct().Order(StringComparer.Ordinal);
        return new(ProblemKind.WrongState, $"{shown.Id} is {string.Join(", ", states)}; {rule}.");
    }
}

/// <summary>Another time for a mail.</summary>
public sealed record RescheduleRequest
{
    /// <summary>RFC 3339 with an offset; up to 5 minutes past means now, at most one year ahead.</summary>
    public string? SendAt { get; init; }
    /// <summary>When to give up; left out: the stream's life after <c>send_at</c>.</summary>
    public string? ExpiresAt { get; init; }

    [JsonExtensionData]
    public Dictionary<string, JsonElement>? Unknown { get; set; }
}

public sealed class RescheduleValidator : AbstractValidator<RescheduleRequest>
{
    public RescheduleValidator(TimeProvider clock) => RuleFor(r => r).Custom((request, context) =>
    {
        context.RefuseUnknown(request.Unknown);
        if (request.SendAt is null) context.Add("required", "Give the new time.", "send_at");
        context.CheckTimes(request.SendAt, request.ExpiresAt, clock.GetUtcNow());
    });
}

public sealed record ResolveRequest
{
    /// <summary><c>sent</c> or <c>failed</c>.</summary>
    public string? As { get; init; }

    [JsonExtensionData]
    public Dictionary<string, JsonElement>? Unknown { get; set; }
}
