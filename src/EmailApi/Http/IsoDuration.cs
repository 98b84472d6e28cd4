using System.Xml;

namespace EmailApi.Http;

/// <summary>Lengths of time as requests and answers write them: ISO 8601 durations such as <c>PT10M</c> or <c>P2D</c>. No years or months,
/// whose length depends on where they stand.</summary>
public static class IsoDuration
{
    public const string Example = "PT10M, PT48H or P30D";

    public static string Format(TimeSpan duration) => XmlConvert.ToString(duration);

    public static bool TryParse(string? text, out TimeSpan duration)
    {
        duration = default;
        if (text is not { Length: > 2 and < 40 } || text[0] != 'P' || text.AsSpan().IndexOfAny('Y', 'W') >= 0 || text.Split('T')[0].Contains('M', StringComparison.Ordinal)) return false;
        try
        {
            duration = XmlConvert.ToTimeSpan(text);
            return true;
        }
        catch (Exception error) when (error is FormatException or OverflowException)
        {
            return false;
        }
    }
}
