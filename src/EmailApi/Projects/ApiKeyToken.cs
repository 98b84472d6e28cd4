using System.Security.Cryptography;
using System.Text;

namespace EmailApi.Projects;

/// <summary>The form of a key: <c>ek_live_ID_SECRETCHECK</c>. The checksum lets a scanner for leaked secrets tell one without asking us.</summary>
public static class ApiKeyToken
{
    const int IdLength = 12;
    const int SecretBytes = 24;
    const int CheckLength = 8;

    public static (string Id, string Token) Create(KeyMode mode)
    {
        var id = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(IdLength / 2));
        var body = $"ek_{(mode is KeyMode.Test ? "test" : "live")}_{id}_{Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(SecretBytes))}";
        return (id, body + Check(body));
    }

    /// <returns>The id in the middle; null when the token has not this form or its checksum is wrong.</returns>
    public static string? TryParseId(string token)
    {
        if (!token.StartsWith("ek_", StringComparison.Ordinal) || token.Length < CheckLength || token.Split('_') is not [_, "live" or "test", { Length: IdLength } id, _]) return null;
        return token.EndsWith(Check(token[..^CheckLength]), StringComparison.Ordinal) ? id : null;
    }

    static string Check(string body) => Convert.ToHexStringLower(SHA256.HashData(Encoding.ASCII.GetBytes(body)).AsSpan(0, CheckLength / 2));
}
