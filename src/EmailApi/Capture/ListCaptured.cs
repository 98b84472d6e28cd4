using EmailApi.Data;
using EmailApi.Emails;
using EmailApi.Http;
using EmailApi.Projects;
using Microsoft.EntityFrameworkCore;
using MimeKit;

namespace EmailApi.Capture;

/// <summary>GET /v1/captured: what the capture relay took, newest first.</summary>
public static class ListCaptured
{
    const int MaxWaitSeconds = 60;
    static readonly TimeSpan LookAgain = TimeSpan.FromSeconds(1);   // for what another node took

    /// <param name="wait">Seconds to wait, at most 60, when nothing matches yet.</param>
    /// <param name="to">Only mail to this recipient.</param>
    public static async Task<Page<CapturedResponse>> HandleAsync(
        string? after, int? limit, int? wait, string? to, Caller caller, CaptureStore store, IDbContextFactory<EmailDb> databases, TimeProvider clock, CancellationToken cancel)
    {
        if (wait is < 0 or > MaxWaitSeconds) throw new ProblemException(ProblemKind.BadRequest, $"wait is 0 to {MaxWaitSeconds} seconds; {wait} is not.");
        var take = Paging.Limit(limit);
        var before = Paging.After<Guid>(after);

        if (Address.TryParse(to, out var address, out _)) to = Address.ToWire(address);   // as the relay was told

        var startedAt = clock.GetTimestamp();
        while (true)
        {
            var arrived = store.Arrived;   // before the look, so that nothing slips in between
            var rows = await LookAsync(databases, caller, to, before, take + 1, cancel);

            var left = TimeSpan.FromSeconds(wait ?? 0) - clock.GetElapsedTime(startedAt);
            if (rows.Count > 0 || left <= TimeSpan.Zero)
                return Paging.Page(rows, take, CapturedResponse.Of, c => [c.Id.ToString("n")]);

            await Task.WhenAny(arrived, Task.Delay(left < LookAgain ? left : LookAgain, clock, cancel));
            cancel.ThrowIfCancellationRequested();
        }
    }

    static async Task<List<CapturedEmail>> LookAsync(IDbContextFactory<EmailDb> databases, Caller caller, string? to, Guid? before, int take, CancellationToken cancel)
    {
        await using var db = await databases.CreateDbContextAsync(cancel);
        await using var reading = await db.ReadAsAsync(caller, cancel);
        var query = db.Captured.AsNoTracking().Where(c => c.ProjectId == caller.ProjectId);
        if (to is not null) query = query.Where(c => c.Recipients.Contains(to));
        if (before is { } last) query = query.Where(c => c.Id < last);
        return await query.OrderByDescending(c => c.Id).Take(take)
            .Select(c => new CapturedEmail { Id = c.Id, ReversePath = c.ReversePath, Recipients = c.Recipients, Subject = c.Subject, ReceivedAt = c.ReceivedAt, Raw = Array.Empty<byte>() })
            .ToListAsync(cancel);
    }
}

/// <summary>GET /v1/captured/{id} and /raw.</summary>
public static class GetCaptured
{
    public static async Task<CapturedDetailResponse> HandleAsync(string id, Caller caller, EmailDb db, CancellationToken cancel)
    {
        var captured = await FindAsync(id, caller, db, cancel);
        var summary = CapturedResponse.Of(captured);
        MimeMessage? message = null;
        try
        {
            using var raw = new MemoryStream(captured.Raw);
            message = await MimeMessage.LoadAsync(raw, cancel);
        }
        catch (FormatException)
        {
            // Whatever it is, /raw has it.
        }

        using (message)
        {
            return new(summary.Id, summary.From, summary.To, summary.Subject, summary.ReceivedAt,
                captured.EmailId is { } email ? EmailId.Format(email) : null, message?.TextBody, message?.HtmlBody,
                message?.Headers.Select(h => new HeaderField(h.Field, h.Value)).ToList() ?? [],
                message?.BodyParts.OfType<MimePart>().Where(p => p.FileName is not null).Select(p => p.FileName!).ToList() ?? []);
        }
    }

    public static async Task<IResult> HandleRawAsync(string id, Caller caller, HttpContext http, EmailDb db, CancellationToken cancel)
    {
        var captured = await FindAsync(id, caller, db, cancel);
        RawMessage.Protect(http.Response);
        return Results.Bytes(captured.Raw, RawMessage.MediaType, $"{id}.eml");
    }

    static async Task<CapturedEmail> FindAsync(string id, Caller caller, EmailDb db, CancellationToken cancel) =>
        (CapturedResponse.TryParseId(id, out var guid)
            ? await db.Captured.AsNoTracking().SingleOrDefaultAsync(c => c.Id == guid && c.ProjectId == caller.ProjectId, cancel)
            : null)
        ?? throw new ProblemException(ProblemKind.NotFound, "There is no captured mail with this id in the key's project.");
}

/// <summary>A captured mail: its envelope and subject.</summary>
public sealed record CapturedResponse(string Id, string From, IReadOnlyList<string> To, string Subject, DateTimeOffset ReceivedAt)
{
    const string Prefix = "cap_";

    internal static CapturedResponse Of(CapturedEmail captured) =>
        new(Prefix + captured.Id.ToString("n"), captured.ReversePath, captured.Recipients, captured.Subject, captured.ReceivedAt);

    internal static bool TryParseId(string id, out Guid guid)
    {
        guid = default;
        return id.StartsWith(Prefix, StringComparison.Ordinal) && Guid.TryParseExact(id.AsSpan(Prefix.Length), "n", out guid);
    }
}

/// <summary>A captured mail as a reader's program shows it.</summary>
/// <param name="Attachments">File names.</param>
public sealed record CapturedDetailResponse(
    string Id, string From, IReadOnlyList<string> To, string Subject, DateTimeOffset ReceivedAt, string? EmailId, string? Text, string? Html,
    IReadOnlyList<HeaderField> Headers, IReadOnlyList<string> Attachments);
