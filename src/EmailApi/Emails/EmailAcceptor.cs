using System.Text.Json;
using EmailApi.Delivery;
using EmailApi.Http;
using EmailApi.Limits;
using EmailApi.Operations;
using EmailApi.Projects;
using EmailApi.Relays;
using EmailApi.Tracking;
using FluentValidation;

namespace EmailApi.Emails;

/// <summary>A request's name from its caller, and what it asked, to tell a repeat from another request.</summary>
public sealed record Idempotency(string Key, byte[] Fingerprint);

/// <summary>The one way in: every door hands its mail here. When a call returns, the mail is committed and the rows are the queue.</summary>
public sealed class EmailAcceptor(
    IValidator<SendEmailRequest> validator, StreamCatalog streams, RelayCatalog relays, ContentCodec codec, AcceptWriter writer,
    SendLimits limits, DeliverySignals signals, PublicUrl publicUrl, TimeProvider clock)
{
    public const int MaxBatch = 1000;

    /// <summary>Errors over the whole answer to a permissive batch, beside the first of each mail: an answer must not be many times its request.</summary>
    public const int MaxBatchErrors = 1000;

    /// <summary>Recipients over all mails of a batch: they are rows of one transaction, and none of ours may last long.</summary>
    public const int MaxBatchRecipients = 50_000;

    /// <returns>The answer as JSON; the first one again when this is a repeat.</returns>
    /// <exception cref="ProblemException">422 when the request is not valid, or its idempotency key was used for another; 429 by a limit.</exception>
    public async Task<AcceptedAnswer> AcceptAsync(SendEmailRequest request, Caller caller, Idempotency? idempotency, CancellationToken cancel)
    {
        using var span = Traces.Accept();
        await limits.TakeRateAsync(caller, 1);
        var (draft, refusal) = await CheckAsync(request, caller, pointer: "#", cancel);
        if (draft is null) return await writer.FindAnswerAsync(caller.ProjectId, idempotency, cancel) ?? throw refusal!;

        return await StoreAsync([draft], () => JsonSerializer.SerializeToUtf8Bytes(SendEmailResponse.Of(draft), ApiJson.Wire.SendEmailResponse), idempotency, cancel);
    }

    /// <summary>Up to 1,000 mails, stored in one transaction. Strict: one bad mail and nothing is stored. Permissive: the good ones are.</summary>
    /// <remarks>A permissive answer names its errors in English, whatever language is asked for: it is stored, and a repeat gets the same bytes.</remarks>
    public async Task<AcceptedAnswer> AcceptBatchAsync(
        SendBatchRequest request, bool isPermissive, Caller caller, Idempotency? idempotency, CancellationToken cancel)
    {
        if (request.Items.Count is 0 or > MaxBatch)
            throw Validation.Invalid([new("#", "count", $"A batch has 1 to {MaxBatch:N0} mails; this one has {request.Items.Count:N0}.")]);

        using var span = Traces.Accept();
        await limits.TakeRateAsync(caller, request.Items.Count);
        var drafts = new List<EmailDraft>(request.Items.Count);
        var results = new List<Func<BatchItem>>(request.Items.Count);   // a draft's status may still change
        var refusals = new List<ProblemException>();
        var (recipients, moreErrors) = (0, MaxBatchErrors);
        for (var i = 0; i < request.Items.Count; i++)
        {
            var index = i;
            var (draft, refusal) = await CheckAsync(request.Items[i], caller, $"#/{i}", cancel);
            if (draft is not null)
            {
                recipients += draft.Recipients.Count;
                if (recipients > MaxBatchRecipients)
                    throw Validation.Invalid([new("#", "too_many", $"The mails of a batch have at most {MaxBatchRecipients:N0} recipients together; send several batches.")]);
                drafts.Add(draft);
                results.Add(() => new(index) { Id = EmailId.Format(draft.Id), Status = draft.Status });
            }
            else
            {
                refusals.Add(refusal!);
                var error = BatchItemError.Of(refusal!, ref moreErrors);
                results.Add(() => new(index) { Error = error });
            }
        }

        if (refusals.Count > 0 && !isPermissive)
            return await writer.FindAnswerAsync(caller.ProjectId, idempotency, cancel) ?? throw Together(refusals);

        return drafts.Count > 0
            ? await StoreAsync(drafts, Answer, idempotency, cancel)
            : await writer.FindAnswerAsync(caller.ProjectId, idempotency, cancel) ?? new AcceptedAnswer(Answer(), IsReplayed: false);

        byte[] Answer() => JsonSerializer.SerializeToUtf8Bytes(new SendBatchResponse(results.ConvertAll(r => r())), ApiJson.Wire.SendBatchResponse);
    }

    async Task<AcceptedAnswer> StoreAsync(List<EmailDraft> drafts, Func<byte[]> answer, Idempotency? idempotency, CancellationToken cancel)
    {
        var quota = await limits.TakeQuotaAsync(drafts[0].Caller, drafts.Count);
        AcceptedAnswer? stored = null;
        try
        {
            stored = await writer.WriteAsync(new(drafts, answer, idempotency), cancel);
        }
        finally
        {
            if (stored is not { IsReplayed: false }) quota.Return();
        }

        if (!stored.IsReplayed)
        {
            await writer.DropEndedAsync(drafts);
            foreach (var lane in drafts.Where(d => d.IsDue).Select(d => d.Lane).Distinct())
                signals.Wake(lane);   // best effort: a run looks each second anyway
        }

        return stored;
    }

    async Task<(EmailDraft? Draft, ProblemException? Refusal)> CheckAsync(JsonElement item, Caller caller, string pointer, CancellationToken cancel)
    {
        SendEmailRequest? request;
        try
        {
            request = item.Deserialize(ApiJson.Wire.SendEmailRequest);
        }
        catch (JsonException error)
        {
            return (null, Validation.Invalid([JsonFault.Of(error, pointer)]));
        }

        return request is null
            ? (null, Validation.Invalid([new(pointer, "required", "A mail is an object.")]))
            : await CheckAsync(request, caller, pointer, cancel);
    }

    async Task<(EmailDraft? Draft, ProblemException? Refusal)> CheckAsync(SendEmailRequest request, Caller caller, string pointer, CancellationToken cancel)
    {
        var errors = validator.Validate(request).Errors
            .ConvertAll(e => new FieldError(pointer + e.PropertyName[1..], e.ErrorCode, e.ErrorMessage));
        var name = request.Stream ?? Projects.Stream.Transactional;
        var stream = await streams.FindAsync(caller.ProjectId, name, cancel);
        if (stream is null && name.Length > 0) errors.Add(new(pointer + "/stream", "unknown_stream", $"The project has no stream {JsonPointer.Short(name)}; leave the field out for transactional."));
        var tracked = stream is null ? Tracked.None : TrackRules.Resolve(request, caller, stream);
        errors.AddRange(publicUrl.Refuse(request, tracked, pointer));
        if (errors.Count > 0) return (null, Validation.Invalid(errors));

        var bounds = KeyBounds.Broken(request, caller, pointer).ToList();
        return bounds.Count > 0
            ? (null, Validation.Refusal(ProblemKind.NotAllowed, bounds))
            : (EmailDraft.Of(request, caller, stream!, relays.LaneOf(caller.Mode), tracked, publicUrl.Root, codec, clock.GetUtcNow()), null);
    }

    static ProblemException Together(List<ProblemException> refusals) =>
        Validation.Refusal((refusals.Find(r => r.Kind == ProblemKind.Validation) ?? refusals[0]).Kind, [.. refusals.SelectMany(r => r.Errors!)]);
}
