using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using EmailApi.Data;
using Microsoft.EntityFrameworkCore;

namespace EmailApi.Projects;

/// <summary>Finds the key behind a token. Keys are remembered for 5 s, unknown ones too, so that guessing costs no query each.</summary>
public sealed class ApiKeys(IDbContextFactory<EmailDb> databases, TimeProvider clock)
{
    /// <summary>The id of the key that the settings or the first start make; its token has no form.</summary>
    public const string BootstrapId = "bootstrap";

    static readonly TimeSpan Memory = TimeSpan.FromSeconds(5);
    const int MaxRemembered = 10_000;

    readonly ConcurrentDictionary<string, (ApiKey? Key, long ReadAt)> remembered = new(StringComparer.Ordinal);

    /// <returns>The key, or null when the token is none.</returns>
    public async ValueTask<ApiKey?> FindAsync(string token, CancellationToken cancel)
    {
        var hash = SHA256.HashData(Encoding.UTF8.GetBytes(token));
        var id = ApiKeyToken.TryParseId(token);
        var key = id is null ? null : await ByIdAsync(id, cancel);
        if (Matches(key, hash)) return key;
        // A bootstrap key is taken as it is, so it may look like anything.
        key = await ByIdAsync(BootstrapId, cancel);
        return Matches(key, hash) ? key : null;
    }

    static bool Matches(ApiKey? key, byte[] hash) => key is not null && CryptographicOperations.FixedTimeEquals(key.Hash, hash);

    async ValueTask<ApiKey?> ByIdAsync(string id, CancellationToken cancel)
    {
        if (remembered.TryGetValue(id, out var known) && clock.GetElapsedTime(known.ReadAt) < Memory) return known.Key;

        await using var db = await databases.CreateDbContextAsync(cancel);
        var key = await db.ApiKeys.AsNoTracking().SingleOrDefaultAsync(k => k.Id == id, cancel);
        if (remembered.Count > MaxRemembered) remembered.Clear();
        remembered[id] = (key, clock.GetTimestamp());
        return key;
    }
}

/// <summary>The form of a key: <c>ek_live_ID_SECRETCHECK</c>. The checksum lets a scanner for leaked secrets tell one without asking us.</summary>
public static class ApiKeyToken
{
    const int IdLength = 12;
    const int SecretBytes = 24;
    const int CheckLength = 8;

    /// <param name="mode"><c>live</c> or <c>test</c>.</param>
    public static (string Id, string Token) Create(string mode)
    {
        var id = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(IdLength / 2));
        var body = $"ek_{mode}_{id}_{Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(SecretBytes))}";
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
