namespace EmailApi.Data;

/// <summary>Texts of others, cut so that the database takes them.</summary>
static class StorableText
{
    /// <summary>At most so many characters, and no half of a surrogate pair at the end.</summary>
    public static string Cut(string text, int max) => text.Length <= max ? text : text[..(char.IsHighSurrogate(text[max - 1]) ? max - 1 : max)];
}
