using System.Buffers;
using EmailApi.Emails;
using EmailApi.Http;
using EmailApi.Projects;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Mvc;

namespace EmailApi.Bounces;

/// <summary>POST /v1/bounces: a raw bounce, complaint or receipt, for relays that call back and for trying what would be read.</summary>
public static class TakeBounce
{
    /// <summary>How long the outcome of the mail's own attempt may take to be recorded.</summary>
    static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);
    static readonly TimeSpan LookAgain = TimeSpan.FromMilliseconds(100);

    /// <param name="dryRun">Reads and answers, and changes nothing.</param>
    public static async Task<TakenBounceResponse> HandleAsync(
        [FromQuery(Name = "dry_run")] bool? dryRun, Caller caller, HttpContext http, ReportIntake intake, TimeProvider clock, CancellationToken cancel)
    {
        var source = new ReportSource("http") { ProjectId = caller.ProjectId, KeyId = caller.IsBound ? caller.KeyId : null, IsTest = caller.Mode is KeyMode.Test, IsDryRun = dryRun is true };
        var message = await ReadAsync(http);
        if (message.Length == 0) throw new ProblemException(ProblemKind.BadRequest, "The body is empty; send the message as it came, with its header.");

        var read = intake.Read(message, cancel);
        for (var startedAt = clock.GetTimestamp(); ; await Task.Delay(LookAgain, clock, cancel))
        {
            var taken = await intake.TakeAsync(read, source, cancel);
            if (taken.Effect is not ReportEffect.TooEarly) return TakenBounceResponse.Of(taken);
            if (clock.GetElapsedTime(startedAt) > Patience) throw new ProblemException(ProblemKind.WrongState, $"{EmailId.Format(taken.Matched!.EmailId)} is still being handed to the relay; send the report again in a minute.");
        }
    }

    /// <summary>The beginning of the message; what follows is read and thrown away.</summary>
    static async Task<ReadOnlyMemory<byte>> ReadAsync(HttpContext http)
    {
        if (http.Request.ContentType?.Split(';')[0].Trim().Equals(RawMessage.MediaType, StringComparison.OrdinalIgnoreCase) is not true)
            throw new ProblemException(ProblemKind.UnsupportedMediaType, $"Send the message as it came, as {RawMessage.MediaType}.");
        if (http.Request.ContentLength > http.Features.Get<IHttpMaxRequestBodySizeFeature>()?.MaxRequestBodySize) throw new ProblemException(ProblemKind.TooLarge, ProblemWriter.TooLargeDetail);

        using var kept = new MemoryStream((int)Math.Clamp(http.Request.ContentLength ?? 0, 16 * 1024, ReportIntake.MaxBytes));
        var buffer = ArrayPool<byte>.Shared.Rent(64 * 1024);
        try
        {
            // No token: the server itself ends a read whose client has gone; a canceled one would leave the body unfit for what follows.
            while (await http.Request.Body.ReadAsync(buffer, CancellationToken.None) is var count and > 0)
                kept.Write(buffer, 0, (int)Math.Min(count, ReportIntake.MaxBytes - kept.Length));
        }
        catch (Exception error) when (RequestBytes.IsCutOff(error) || http.RequestAborted.IsCancellationRequested)
        {
            await RequestBytes.EndAsync(http);
            throw;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }

        return kept.GetBuffer().AsMemory(0, (int)kept.Length);
    }
}

/// <summary>What a report says, and of which mail.</summary>
/// <param name="Kind"><c>bounce</c>, <c>complaint</c>, <c>auto_reply</c>, <c>read_receipt</c> or <c>other</c>.</param>
/// <param name="Matched">Null when it speaks of no mail of the project.</param>
public sealed record TakenBounceResponse(string Kind, IReadOnlyList<ReportedRecipientResponse> Recipients, MatchedRecipientResponse? Matched)
{
    internal static TakenBounceResponse Of(TakenReport taken) => new(taken.Report.Kind.Word(),
        [.. taken.Report.Recipients.Select(r => new ReportedRecipientResponse(r.Email, r.Type.Word(), r.Status, r.ReplyCode, r.Reason.Word(), r.Diagnostic))],
        taken.Matched is { } matched ? new(EmailId.Format(matched.EmailId), matched.Address) : null);
}

/// <param name="Type"><c>permanent</c>, <c>temporary</c>, <c>delivered</c> or <c>unknown</c>.</param>
/// <param name="Status">The enhanced code (RFC 3463).</param>
/// <param name="Reason">One of the reason words of docs/bounces.md.</param>
public sealed record ReportedRecipientResponse(string? Email, string Type, string? Status, int? ReplyCode, string Reason, string? Diagnostic);

/// <param name="Recipient">The address that the mail went to.</param>
public sealed record MatchedRecipientResponse(string EmailId, string Recipient);
