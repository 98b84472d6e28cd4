namespace EmailApi.Suppressions;

/// <summary>Fields of CSV that a spreadsheet takes for text and never for a formula (OWASP ASVS 1.2.10), and the way back: an address may begin with <c>=</c>, <c>+</c> or
/// <c>-</c>, and what was exported is imported again as it was.</summary>
static class CsvGuard
{
    const string Dangerous = "=+-@\t\r\n＝＋－＠";

    /// <summary>A field as it stands in a file: an apostrophe before what could be a formula, one more where there are some already; quotes where they are needed.</summary>
    public static string Close(string field)
    {
        if (IsDangerous(field)) field = $"'{field}";
        return field.AsSpan().ContainsAnyExcept(Plain) ? $"\"{field.Replace("\"", "\"\"", StringComparison.Ordinal)}\"" : field;
    }

    /// <summary>Takes the apostrophe of <see cref="Close"/> away again. An address of its own that begins with <c>'=</c> would have two.</summary>
    public static string Open(string field) => field.StartsWith('\'') && IsDangerous(field) ? field[1..] : field;

    static bool IsDangerous(string field) => field.AsSpan().TrimStart('\'') is [var first, ..] && Dangerous.Contains(first, StringComparison.Ordinal);

    static readonly System.Buffers.SearchValues<char> Plain = System.Buffers.SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@._-+:");
}
