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

    readonly IDataProtector protector = protection.CreateProtector("EmailApi.Webhooks");

    /// <returns>As it is shown, once, and as it is kept.</returns>
    public (string Shown, byte[] Kept) Create()
    {
        var secret = RandomNumberGenerator.GetBytes(Bytes);
        return (Prefix + Convert.ToBase64String(secret), protector.Protect(secret));
    }

    /// <exception cref="CryptographicException">The key ring does not open it.</exception>
    public byte[] Open(byte[] kept) => protector.Unprotect(kept);
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
