using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.DataProtection;

namespace EmailApi.Webhooks;

/// <summary>A secret as Standard Webhooks has it, <c>whsec_</c> and base64 of 32 random bytes; at rest its bytes are encrypted under the key ring.</summary>
public sealed class WebhookSecrets(IDataProtectionProvider protection)
{
    const string Prefix = "whsec_";
    const int Bytes = 32;

    /// <summary>A secret that was replaced signs beside the new one for so long.</summary>
    public static readonly TimeSpan Overlap = TimeSpan.FromHours(24);

    /// <summary>More in a day take the oldest one's time: a header has its limits.</summary>
    const int MaxReplaced = 10;

    readonly IDataProtector protector = protection.CreateProtector("EmailApi.Webhooks");

    /// <returns>As it is shown, once, and as it is kept.</returns>
    public (string Shown, byte[] Kept) Create()
    {
        var secret = RandomNumberGenerator.GetBytes(Bytes);
        return (Prefix + Convert.ToBase64String(secret), protector.Protect(secret));
    }

    /// <summary>All that sign now: the secret in force, then those that it replaced less than 24 h ago, the oldest first.</summary>
    /// <param name="previous">As <see cref="Replace"/> kept it; null: there is none.</param>
    /// <exception cref="CryptographicException">The key ring does not open one.</exception>
    public IReadOnlyList<byte[]> Open(byte[] secret, byte[]? previous, DateTimeOffset now) => [protector.Unprotect(secret), .. Replaced(previous, now).Select(r => r.Secret)];

    /// <summary>Who rotates again before a day is over, perhaps as the first answer was lost, takes their time from none of those before.</summary>
    /// <param name="secret">The one that is replaced.</param>
    /// <param name="previous">What it replaced itself and is still in its time.</param>
    /// <returns>As it is kept: for each the Unix seconds until when it signs, and the secret.</returns>
    public byte[] Replace(byte[] secret, byte[]? previous, DateTimeOffset now)
    {
        List<(DateTimeOffset Until, byte[] Secret)> replaced = [.. Replaced(previous, now), (now + Overlap, protector.Unprotect(secret))];
        using var kept = new MemoryStream();
        Span<byte> until = stackalloc byte[sizeof(long)];
        foreach (var one in replaced.TakeLast(MaxReplaced))
        {
            BinaryPrimitives.WriteInt64BigEndian(until, one.Until.ToUnixTimeSeconds());
            kept.Write(until);
            kept.Write(one.Secret);
        }

        return protector.Protect(kept.ToArray());
    }

    /// <summary>Those in their time. One that stands alone, without a time, was kept by an earlier version: the webhook's row has its time.</summary>
    IEnumerable<(DateTimeOffset Until, byte[] Secret)> Replaced(byte[]? previous, DateTimeOffset now)
    {
        if (previous is null) return [];
        var bytes = protector.Unprotect(previous);
        return bytes.Length == Bytes ? [(now + Overlap, bytes)]
            : bytes.Chunk(sizeof(long) + Bytes).Select(one => (Until: DateTimeOffset.FromUnixTimeSeconds(BinaryPrimitives.ReadInt64BigEndian(one)), Secret: one[sizeof(long)..])).Where(r => r.Until > now);
    }
}

/// <summary>Signatures of Standard Webhooks: <c>v1,</c> and base64 of HMAC-SHA256 over id, timestamp and body.</summary>
public static class WebhookSignature
{
    /// <summary>The header's value: a signature for each secret, with a space between.</summary>
    /// <param name="timestamp">Unix seconds.</param>
    public static string Of(IReadOnlyList<byte[]> secrets, string id, long timestamp, byte[] body)
    {
        var signed = (byte[])[.. Encoding.UTF8.GetBytes($"{id}.{timestamp}."), .. body];
        return string.Join(' ', secrets.Select(secret => $"v1,{Convert.ToBase64String(HMACSHA256.HashData(secret, signed))}"));
    }
}
