using System.Buffers;
using System.Buffers.Text;
using System.Globalization;
using System.Text;

namespace EmailApi.Http;

/// <summary>A page of a list.</summary>
/// <param name="NextCursor">What to give as <c>after</c> for the next page; null when this is the last.</param>
public sealed record Page<T>(IReadOnlyList<T> Data, string? NextCursor);

/// <summary>Limits and cursors of lists. A cursor is opaque to callers: base64url of the last row's key.</summary>
public static class Paging
{
    public const int DefaultLimit = 25;
    public const int MaxLimit = 100;

    public static int Limit(int? asked) => asked switch
    {
        null => DefaultLimit,
        >= 1 and <= MaxLimit => asked.Value,
        _ => throw new ProblemException(ProblemKind.BadRequest, $"limit must be from 1 to {MaxLimit}; {asked} is not."),
    };

    /// <summary>A page of rows, one more of which was read than it shows.</summary>
    /// <param name="key">What the cursor after a row holds.</param>
    public static Page<TResponse> Page<T, TResponse>(List<T> rows, int take, Func<T, TResponse> show, Func<T, object[]> key) =>
        new([.. rows.Take(take).Select(show)], rows.Count > take ? Cursor(key(rows[take - 1])) : null);

    public static string Cursor(params ReadOnlySpan<object> key) =>
        Base64Url.EncodeToString(Encoding.UTF8.GetBytes(string.Join('.', key.ToArray().Select(k => string.Create(CultureInfo.InvariantCulture, $"{k}")))));

    /// <summary>The key of the last row of the page before; null when the first page is asked for.</summary>
    /// <exception cref="ProblemException">400 <c>bad_cursor</c>.</exception>
    public static T? After<T>(string? cursor) where T : struct, IParsable<T> => Parts(cursor, 1) is { } key ? Part<T>(key[0]) : null;

    /// <summary>The same for a name.</summary>
    public static string? AfterName(string? cursor) => Parts(cursor, 1)?[0];

    /// <summary>The same for a key of two parts; both at zero when the first page is asked for.</summary>
    public static (TFirst, TSecond) After<TFirst, TSecond>(string? cursor) where TFirst : struct, IParsable<TFirst> where TSecond : struct, IParsable<TSecond> =>
        Parts(cursor, 2) is { } key ? (Part<TFirst>(key[0]), Part<TSecond>(key[1])) : default;

    static T Part<T>(string text) where T : struct, IParsable<T> => T.TryParse(text, CultureInfo.InvariantCulture, out var part) ? part : throw BadCursor();

    static string[]? Parts(string? cursor, int count)
    {
        if (string.IsNullOrEmpty(cursor)) return null;
        Span<byte> bytes = stackalloc byte[128];
        // Not TryDecodeFromChars: it throws when the text is no base64url.
        if (cursor.Length <= 128 && Base64Url.DecodeFromChars(cursor, bytes, out _, out var length) is OperationStatus.Done
            && Encoding.UTF8.GetString(bytes[..length]).Split('.') is var parts && parts.Length == count && !bytes[..length].Contains((byte)0))
            return parts;
        throw BadCursor();
    }

    static ProblemException BadCursor() => new(ProblemKind.BadCursor, "Give the next_cursor of an earlier answer, unchanged, or leave after out.");
}
