namespace EmailApi.Client;

/// <summary>A file to go along. At most 100 a mail, 25 MB over all of them.</summary>
public sealed record Attachment
{
    /// <summary>As the reader sees it, without a folder.</summary>
    public required string Filename { get; init; }

    /// <summary>The bytes; base64 on the wire, so a third more there.</summary>
    public required ReadOnlyMemory<byte> Content { get; init; }

    /// <summary>E.g. <c>application/pdf</c>; the server tells it from the file name when left out.</summary>
    public string? ContentType { get; init; }

    /// <summary>Makes it an inline image that the HTML names as <c>cid:…</c>.</summary>
    public string? ContentId { get; init; }

    /// <summary>A file from memory. The bytes are not copied: leave them be until the mail is sent.</summary>
    public static Attachment FromBytes(string filename, ReadOnlyMemory<byte> content, string? contentType = null) =>
        new() { Filename = filename, Content = content, ContentType = contentType };

    /// <summary>Reads a stream from where it stands to its end, into memory. The stream is not closed.</summary>
    /// <exception cref="IOException">It could not be read.</exception>
    public static async Task<Attachment> FromStreamAsync(string filename, Stream content, string? contentType = null, CancellationToken cancel = default)
    {
        ArgumentNullException.ThrowIfNull(content);
        using var bytes = new MemoryStream();
        await content.CopyToAsync(bytes, cancel).ConfigureAwait(false);
        return FromBytes(filename, bytes.ToArray(), contentType);
    }

    /// <summary>Reads a file into memory; it goes under its own name.</summary>
    /// <exception cref="IOException">It is not there, or could not be read.</exception>
    public static async Task<Attachment> FromFileAsync(string path, string? contentType = null, CancellationToken cancel = default) =>
        FromBytes(Path.GetFileName(path), await File.ReadAllBytesAsync(path, cancel).ConfigureAwait(false), contentType);
}
