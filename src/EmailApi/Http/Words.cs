using System.Text.Json;

namespace EmailApi.Http;

/// <summary>One word per thing: an enum's member is the same snake_case word in code, table, wire and docs.</summary>
public static class Words
{
    public static string Word<T>(this T value) where T : struct, Enum => Cache<T>.Words[value];

    public static bool TryParse<T>(string? word, out T value) where T : struct, Enum
    {
        value = default;
        return word is not null && Cache<T>.Values.TryGetValue(word, out value);
    }

    public static T Parse<T>(string word) where T : struct, Enum =>
        TryParse<T>(word, out var value) ? value : throw new FormatException($"'{word}' is no {typeof(T).Name}.");

    public static IEnumerable<string> All<T>() where T : struct, Enum => Cache<T>.Values.Keys;

    static class Cache<T> where T : struct, Enum
    {
        public static readonly Dictionary<T, string> Words =
            Enum.GetValues<T>().ToDictionary(v => v, v => JsonNamingPolicy.SnakeCaseLower.ConvertName(v.ToString()));

        public static readonly Dictionary<string, T> Values = Words.ToDictionary(w => w.Value, w => w.Key);
    }
}
