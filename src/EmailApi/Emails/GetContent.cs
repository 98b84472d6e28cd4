using System.Security.Cryptography;
using EmailApi.Data;
using EmailApi.Http;
using EmailApi.Projects;
using EmailApi.Relays;
using EmailApi.Tracking;
using Microsoft.EntityFrameworkCore;

namespace EmailApi.Emails;

/// <summary>GET /v1/emails/{id}/content and /raw: what a mail says, as asked and as it leaves.</summary>
public static class GetContent
{
    public static async Task<GetContentResponse> HandleAsync(string id, Caller caller, EmailDb db, ContentCodec codec, CancellationToken cancel)
    {
        var email = await db.FindAsync(id, caller, cancel);
        var (content, blobs) = await ReadAsync(email, db, codec, cancel);
        return new(content.From, content.To, content.Cc, content.ReplyTo, content.Subject, content.Html, content.Text,
            content.Headers.GroupBy(h => h.Name).ToDictionary(h => h.Key, h => h.First().Value),
            [.. content.Attachments.Select(a => new AttachmentResponse(a.FileName, a.ContentType, a.ContentId, a.SizeBytes, Convert.ToHexStringLower(SHA256.HashData(blobs[a.Hash])), blobs[a.Hash]))]);
    }

    /// <summary>The message as a relay gets it; with separate envelopes or tracking, the first recipient's copy.</summary>
    public static async Task<IResult> HandleRawAsync(string id, Caller caller, HttpContext http, EmailDb db, ContentCodec codec, TrackedCopies copies, CancellationToken cancel)
    {
        var email = await db.FindAsync(id, caller, cancel);
        var (content, blobs) = await ReadAsync(email, db, codec, cancel);
        Mailbox? only = null;
        if (email.Envelope is EnvelopeKind.Separate)
        {
            var first = await db.Recipients.AsNoTracking().Where(r => r.EmailId == email.Id).OrderBy(r => r.N).FirstAsync(cancel);
            only = new(first.Address, first.Name);
        }

        var date = email.SendAt ?? email.CreatedAt;
        if (email.Tracked is { } tracked) content = copies.Of(content, tracked, new(email.ProjectId, email.Id, N: 1), date);
        using var message = MimeComposer.Compose(content, email.InternetMessageId, date, part => new MemoryStream(blobs[part.Hash]), only);
        RawMessage.Protect(http.Response);
        return Results.Bytes(MimeComposer.ToBytes(message), RawMessage.MediaType, $"{id}.eml");
    }

    /// <exception cref="ProblemException">409 <c>content_gone</c>.</exception>
    static async Task<(EmailContent Content, IReadOnlyDictionary<string, byte[]> Blobs)> ReadAsync(Email email, EmailDb db, ContentCodec codec, CancellationToken cancel)
    {
        var stored = await db.Contents.AsNoTracking().SingleOrDefaultAsync(c => c.EmailId == email.Id, cancel)
            ?? throw Gone();
        return await codec.UnpackAsync(stored.Document, stored.IsProtected, (hashes, _) => db.BlobsAsync(email.ProjectId, hashes, cancel));
    }

    internal static ProblemException Gone() =>
        new(ProblemKind.ContentGone, "The content was erased, its time is over, or it was sensitive and all recipients are final; the events remain.");
}

/// <summary>How a stored message is handed out: as a download that no browser interprets.</summary>
static class RawMessage
{
    public const string MediaType = "message/rfc822";

    public static void Protect(HttpResponse response)
    {
        response.Headers.XContentTypeOptions = "nosniff";
        response.Headers.ContentSecurityPolicy = "default-src 'none'; sandbox";
    }
}

public sealed record GetContentResponse(
    Mailbox From, IReadOnlyList<Mailbox> To, IReadOnlyList<Mailbox> Cc, IReadOnlyList<Mailbox> ReplyTo, string Subject, string? Html, string? Text,
    IReadOnlyDictionary<string, string> Headers, IReadOnlyList<AttachmentResponse> Attachments);

/// <param name="Sha256">Lower-case hex.</param>
/// <param name="Content">Base64.</param>
public sealed record AttachmentResponse(string Filename, string ContentType, string? ContentId, int SizeBytes, string Sha256, byte[] Content);
