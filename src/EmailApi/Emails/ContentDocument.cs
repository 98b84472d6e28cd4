using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using EmailApi.Http;
using Microsoft.AspNetCore.DataProtection;

namespace EmailApi.Emails;

/// <summary>The content as it is stored: large bodies are named by their hash and lie in blobs.</summary>
/// <param name="BodyBytes">Of the bodies that lie in blobs.</param>
public sealed record ContentDocument(EmailContent Content, string? HtmlBlob, string? TextBlob, [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)] int BodyBytes = 0)
{
    /// <summary>Bytes that its blobs take in memory, the bodies as text and as octets.</summary>
    [JsonIgnore]
    public long BlobBytes => Content.Attachments.Sum(a => (long)a.SizeBytes) + 4L * BodyBytes;
}

/// <summary>Bytes to be stored once per hash.</summary>
public sealed record BlobDraft(byte[] Hash, byte[] Bytes)
{
    /// <param name="owner">Set for sensitive mail: the hash then tells nobody that two mails carry the same file.</param>
    public static BlobDraft Of(byte[] bytes, Guid? owner)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        if (owner is { } email) hash.AppendData(email.ToByteArray(bigEndian: true));
        hash.AppendData(bytes);
        return new(hash.GetHashAndReset(), bytes);
    }

    public string Hex => Convert.ToHexStringLower(Hash);
}

/// <summary>Content ready to be stored.</summary>
public sealed record PackedContent(byte[] Document, IReadOnlyList<BlobDraft> Blobs)
{
    public long SizeBytes => Document.Length + Blobs.Sum(b => (long)b.Bytes.Length);
}

/// <summary>Turns content into rows and back; sensitive content is encrypted under the key ring on the way.</summary>
public sealed class ContentCodec(IDataProtectionProvider protection)
{
    /// <summary>Bodies above this are stored once per content hash, like attachments.</summary>
    public const int LargeBodyChars = 32 * 1024;

    readonly IDataProtector protector = protection.CreateProtector("EmailApi.Content");

    /// <param name="owner">The email's id when it is sensitive: its content is then encrypted.</param>
    public PackedContent Pack(EmailContent content, IReadOnlyList<BlobDraft> attachments, Guid? owner)
    {
        var isSensitive = owner is not null;
        var html = Large(content.Html, owner);
        var text = Large(content.Text, owner);
        var document = new ContentDocument(
            content with { Html = html is null ? content.Html : null, Text = text is null ? content.Text : null }, html?.Hex, text?.Hex, (html?.Bytes.Length ?? 0) + (text?.Bytes.Length ?? 0));
        var bytes = Protect(JsonSerializer.SerializeToUtf8Bytes(document, ApiJson.Wire.ContentDocument), isSensitive);
        if (attachments.Count == 0 && html is null && text is null) return new(bytes, []);

        IEnumerable<BlobDraft?> blobs = [.. attachments, html, text];
        return new(bytes, [.. blobs.OfType<BlobDraft>().DistinctBy(b => b.Hex).Select(b => b with { Bytes = Protect(b.Bytes, isSensitive) })]);
    }

    /// <summary>The content, and the bytes of its blobs by hash.</summary>
    /// <param name="load">Reads blobs by hash, that take so many bytes of memory; asked only when there are any.</param>
    public async Task<(EmailContent Content, IReadOnlyDictionary<string, byte[]> Blobs)> UnpackAsync(
        byte[] document, bool isProtected, Func<IReadOnlyList<byte[]>, long, Task<IReadOnlyDictionary<string, byte[]>>> load)
    {
        var stored = JsonSerializer.Deserialize(Unprotect(document, isProtected), ApiJson.Wire.ContentDocument)
            ?? throw new InvalidDataException("A stored content document is empty.");
        var names = stored.Content.Attachments.Select(a => a.Hash).Append(stored.HtmlBlob).Append(stored.TextBlob).OfType<string>().Distinct().ToList();
        if (names.Count == 0) return (stored.Content, Empty);

        var loaded = await load([.. names.Select(Convert.FromHexString)], (isProtected ? 2 : 1) * stored.BlobBytes);
        var blobs = loaded.ToDictionary(b => b.Key, b => Unprotect(b.Value, isProtected));
        return (stored.Content with
        {
            Html = stored.HtmlBlob is { } html ? Encoding.UTF8.GetString(blobs[html]) : stored.Content.Html,
            Text = stored.TextBlob is { } text ? Encoding.UTF8.GetString(blobs[text]) : stored.Content.Text,
        }, blobs);
    }

    static readonly IReadOnlyDictionary<string, byte[]> Empty = new Dictionary<string, byte[]>();

    static BlobDraft? Large(string? body, Guid? owner) => body?.Length > LargeBodyChars ? BlobDraft.Of(Encoding.UTF8.GetBytes(body), owner) : null;

    byte[] Protect(byte[] bytes, bool isSensitive) => isSensitive ? protector.Protect(bytes) : bytes;

    byte[] Unprotect(byte[] bytes, bool isProtected) => isProtected ? protector.Unprotect(bytes) : bytes;
}
