namespace EmailApi.Tests.Support;

/// <summary>Request bodies as text, so that what no serializer would write can be sent.</summary>
static class Json
{
    /// <summary>A mail that is taken as it stands, with some fields in other words.</summary>
    /// <param name="fields">Null leaves the field out.</param>
    public static string Mail(params ReadOnlySpan<(string Name, string? Json)> fields)
    {
        var mail = new Dictionary<string, string?>
        {
            ["from"] = "\"Shop <orders@shop.example>\"",
            ["to"] = "\"taro@example.jp\"",
            ["subject"] = "\"Hello\"",
            ["text"] = "\"It works.\"",
        };
        foreach (var (name, json) in fields) mail[name] = json;
        return $"{{{string.Join(',', mail.Where(f => f.Value is not null).Select(f => $"\"{f.Key}\":{f.Value}"))}}}";
    }
}
