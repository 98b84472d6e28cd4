using System.Globalization;
using System.Text;

namespace EmailApi.Emails;

/// <summary>What a file name and a content id may be before they stand in a header. Names are never used as a path here; the reader's
/// program may, so they are made harmless.</summary>
public static class AttachmentRules
{
    public const int MaxFileNameBytes = 255;    // what file systems take; the extension is kept
    public const int MaxContentIdLength = 250;  // with the field's name and brackets still a line far below 998

    /// <summary>The last segment of the name, without control, format and bidi characters and encoded-words, never empty, <c>.</c> or <c>..</c>.</summary>
    public static string SafeFileName(string? name)
    {
        var segment = (name ?? "").AsSpan();
        segment = segment[(segment.LastIndexOfAny('/', '\\') + 1)..];

        var clean = new StringBuilder(segment.Length);
        foreach (var rune in segment.EnumerateRunes())
            if (MailText.IsVisible(rune) || Rune.GetUnicodeCategory(rune) == UnicodeCategory.SpaceSeparator) clean.Append(rune.ToString());
            else if (Rune.IsWhiteSpace(rune)) clean.Append(' ');

        // =? begins an encoded-word (RFC 2047): a reader would decode the name to another one
        var safe = clean.Replace("=?", "=_").ToString().Trim().TrimEnd('.', ' ');
        if (safe.Length == 0) return "attachment";
        return Encoding.UTF8.GetByteCount(safe) <= MaxFileNameBytes ? safe : Shorten(safe);
    }

    /// <summary>A sentence when an HTML body could not name the part as <c>cid:…</c>, else null.</summary>
    public static string? ContentIdRefusal(string contentId) =>
        contentId.Length is 0 or > MaxContentIdLength || SafeContentId(contentId) != contentId
            ? "A content_id is up to 250 printable ASCII characters without spaces, quotes and angle brackets, such as logo@shop."
            : null;

    /// <summary>The content id without what could end the field or its brackets.</summary>
    public static string SafeContentId(string contentId)
    {
        var clean = new string([.. contentId.Where(c => c is > ' ' and <= '~' and not ('<' or '>' or '"' or '\\' or '(' or ')'))]);
        return clean.Length <= MaxContentIdLength ? clean : clean[..MaxContentIdLength];
    }

    static string Shorten(string name)
    {
        var dot = name.LastIndexOf('.');
        var extension = dot > 0 && name.Length - dot <= 16 ? name[dot..] : "";
        var room = MaxFileNameBytes - Encoding.UTF8.GetByteCount(extension);
        var stem = new StringBuilder();
        foreach (var rune in name.AsSpan(0, name.Length - extension.Length).EnumerateRunes())
        {
            if ((room -= rune.Utf8SequenceLength) < 0) break;
            stem.Append(rune.ToString());
        }
        return stem.Append(extension).ToString();
    }
}
