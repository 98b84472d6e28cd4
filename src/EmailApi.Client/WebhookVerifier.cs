using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace EmailApi.Client;

/// <summary>A call that is not to be believed: answer it with 400, and do nothing of what it says.</summary>
public sealed class WebhookVerificationException : Exception
{
    public WebhookVerificationException() { }

    public WebhookVerificationException(string message) : base(message) { }

    public WebhookVerificationException(string message, Exception innerException) : base(message, innerException) { }
}

/// <summary>Proves that a webhook call came from the server, is unchanged and new, and reads the event in it. Standard Webhooks: HMAC-SHA256 over id, timestamp and body. Safe for use from several threads.</summary>
/// <remarks>The same event may come more than once; keep its <see cref="EmailEvent.Id"/>, which is the <c>webhook-id</c>, to tell.</remarks>
public sealed class WebhookVerifier
{
    public const string IdHeader = "webhook-id";
    public const string TimestampHeader = "webhook-timestamp";
    public const string SignatureHeader = "webhook-signature";

    const string Prefix = "whsec_";
    const string Version = "v1,";
    const int MinSecretBytes = 16;
    /// <summary>More than any sender has: what a stranger sends is not compared without end.</summary>
    const int MaxSignatures = 20;

    static readonly TimeSpan DefaultTolerance = TimeSpan.FromMinutes(5);

    readonly byte[][] keys;
    readonly TimeSpan tolerance;
    readonly TimeProvider clock;

    /// <param name="secret"><c>whsec_…</c>, as shown when the webhook was made or its secret rotated.</param>
    /// <param name="tolerance">How far the timestamp may lie from now, either way; 5 minutes when left out.</param>
    /// <param name="clock">The system's when left out.</param>
    /// <exception cref="ArgumentException">The secret is none.</exception>
    public WebhookVerifier(string secret, TimeSpan? tolerance = null, TimeProvider? clock = null) : this([secret], tolerance, clock) { }

    /// <param name="secrets">Any of them may have signed, as while one is replaced.</param>
    /// <param name="tolerance">How far the timestamp may lie from now, either way; 5 minutes when left out.</param>
    /// <param name="clock">The system's when left out.</param>
    /// <exception cref="ArgumentException">There is none, or one is none.</exception>
    public WebhookVerifier(IEnumerable<string> secrets, TimeSpan? tolerance = null, TimeProvider? clock = null)
    {
        ArgumentNullException.ThrowIfNull(secrets);
        keys = [.. secrets.Select(KeyOf)];
        if (keys.Length == 0) throw new ArgumentException("Give at least one secret.", nameof(secrets));
        (this.tolerance, this.clock) = (tolerance ?? DefaultTolerance, clock ?? TimeProvider.System);
        ArgumentOutOfRangeException.ThrowIfLessThan(this.tolerance, TimeSpan.Zero, nameof(tolerance));
    }

    /// <summary>Verifies a call and reads its event.</summary>
    /// <param name="header">A header's value by its name, e.g. <c>name => request.Headers[name]</c>; null when it is not there.</param>
    /// <param name="body">The bytes as they came: a body that was parsed and written again is another.</param>
    /// <exception cref="WebhookVerificationException">It is not to be believed, or is no event.</exception>
    public EmailEvent Verify(Func<string, string?> header, ReadOnlySpan<byte> body)
    {
        ArgumentNullException.ThrowIfNull(header);
        return Verify(header(IdHeader), header(TimestampHeader), header(SignatureHeader), body);
    }

    /// <summary>Verifies a call and reads its event.</summary>
    /// <param name="id">The header <see cref="IdHeader"/>.</param>
    /// <param name="timestamp">The header <see cref="TimestampHeader"/>.</param>
    /// <param name="signature">The header <see cref="SignatureHeader"/>: one signature or several, one of which must be right.</param>
    /// <param name="body">The bytes as they came.</param>
    /// <exception cref="WebhookVerificationException">It is not to be believed, or is no event.</exception>
    public EmailEvent Verify(string? id, string? timestamp, string? signature, ReadOnlySpan<byte> body)
    {
        if (string.IsNullOrEmpty(id) || string.IsNullOrEmpty(timestamp) || string.IsNullOrEmpty(signature)) throw new WebhookVerificationException("A header is missing: webhook-id, webhook-timestamp or webhook-signature.");
        if (!long.TryParse(timestamp, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds)) throw new WebhookVerificationException("The timestamp is no number.");
        if (!IsSigned(id, timestamp, signature, body)) throw new WebhookVerificationException("No signature is right.");
        // Not before: how the clocks differ is told to nobody who cannot sign.
        var now = clock.GetUtcNow().ToUnixTimeSeconds();
        if (seconds < now - (long)tolerance.TotalSeconds) throw new WebhookVerificationException("The call is too old: it may be one that somebody kept.");
        if (seconds > now + (long)tolerance.TotalSeconds) throw new WebhookVerificationException("The call comes from the future: compare the clocks.");
        return Read(body);
    }

    bool IsSigned(string id, string timestamp, string signature, ReadOnlySpan<byte> body)
    {
        var signed = (byte[])[.. Encoding.UTF8.GetBytes($"{id}.{timestamp}."), .. body];
        var expected = Array.ConvertAll(keys, key => HMACSHA256.HashData(key, signed));
        Span<byte> given = stackalloc byte[HMACSHA256.HashSizeInBytes];
        var (isRight, rest) = (false, MaxSignatures);
        foreach (var range in signature.AsSpan().Split(' '))
        {
            if (rest-- == 0) break;
            var one = signature.AsSpan()[range];
            if (!one.StartsWith(Version, StringComparison.Ordinal)) continue;   // a scheme that came later
            // All are compared, each in constant time.
            if (!Convert.TryFromBase64Chars(one[Version.Length..], given, out var length) || length != given.Length) continue;
            foreach (var right in expected) isRight |= CryptographicOperations.FixedTimeEquals(right, given);
        }

        return isRight;
    }

    /// <summary>The event as the feed has it, so that one handler serves both.</summary>
    static EmailEvent Read(ReadOnlySpan<byte> body)
    {
        try
        {
            var reader = new Utf8JsonReader(body);
            if (JsonNode.Parse(ref reader) is JsonObject call && call["data"] is JsonObject data)
            {
                (data["id"], data["type"], data["at"]) = (data["event_id"]?.DeepClone(), call["type"]?.DeepClone(), call["timestamp"]?.DeepClone());
                if (data.Deserialize(EmailApiJson.Wire.EmailEvent) is { Id: not null, Type: not null } told) return told;
            }
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            throw new WebhookVerificationException("The body is no event.", error);
        }

        throw new WebhookVerificationException("The body is no event.");
    }

    static byte[] KeyOf(string secret)
    {
        var text = secret is not null && secret.StartsWith(Prefix, StringComparison.Ordinal) ? secret.AsSpan(Prefix.Length) : secret.AsSpan();
        var bytes = new byte[text.Length];
        return Convert.TryFromBase64Chars(text, bytes, out var length) && length >= MinSecretBytes
            ? bytes[..length]
            : throw new ArgumentException("A secret has the form whsec_ and base64.", nameof(secret));
    }
}
