using System.Buffers.Binary;
using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using EmailApi.Data;

namespace EmailApi.Tracking;

/// <summary>One recipient's copy of a mail.</summary>
public readonly record struct CopyId(int ProjectId, Guid EmailId, int N);

/// <param name="Link">Counts from 1 in the order of the HTML part, then of the text part.</param>
/// <param name="Target">Where it leads: printable ASCII.</param>
public sealed record ClickToken(CopyId Copy, int Link, string Target);

public sealed record UnsubscribeToken(CopyId Copy, UnsubscribeScope Scope);

/// <summary>The tokens in a mail's links: base64url of 128 bits of an HMAC and what they are over, the project, the mail and the recipient, and for a click the link and
/// its target as well. Nothing is looked up to read one, so a forged one costs a hash. Each kind has a key of its own, made of the master key: the same on all nodes,
/// and none passes for another.</summary>
public sealed class TrackingTokens(MasterKey master)
{
    /// <summary>What a token with the longest target has.</summary>
    const int MaxChars = 4096;
    const int MacBytes = 16;
    const int CopyBytes = 4 + 16 + 2;

    readonly Lazy<byte[]> openKey = KeyOf(master, "open"), clickKey = KeyOf(master, "click"), unsubscribeKey = KeyOf(master, "unsubscribe");

    public string Open(CopyId copy) => Write(openKey, copy, []);

    /// <param name="target">Printable ASCII.</param>
    public string Click(CopyId copy, int link, string target)
    {
        var rest = new byte[2 + target.Length];
        BinaryPrimitives.WriteUInt16BigEndian(rest, (ushort)link);
        Encoding.ASCII.GetBytes(target, rest.AsSpan(2));
        return Write(clickKey, copy, rest);
    }

    public string Unsubscribe(CopyId copy, UnsubscribeScope scope) => Write(unsubscribeKey, copy, [(byte)scope]);

    /// <returns>Null when it is none of ours, or not as it was made.</returns>
    public CopyId? ReadOpen(string token) => Read(openKey, token) is { } data && data.Length == CopyBytes ? CopyOf(data) : null;

    /// <inheritdoc cref="ReadOpen"/>
    public ClickToken? ReadClick(string token) => Read(clickKey, token) is { Length: > CopyBytes + 2 } data
        ? new(CopyOf(data), BinaryPrimitives.ReadUInt16BigEndian(data.AsSpan(CopyBytes)), Encoding.ASCII.GetString(data.AsSpan(CopyBytes + 2)))
        : null;

    /// <inheritdoc cref="ReadOpen"/>
    public UnsubscribeToken? ReadUnsubscribe(string token) =>
        Read(unsubscribeKey, token) is { Length: CopyBytes + 1 } data ? new(CopyOf(data), (UnsubscribeScope)data[CopyBytes]) : null;

    static string Write(Lazy<byte[]> key, CopyId copy, ReadOnlySpan<byte> rest)
    {
        var bytes = new byte[MacBytes + CopyBytes + rest.Length];
        var data = bytes.AsSpan(MacBytes);
        BinaryPrimitives.WriteInt32BigEndian(data, copy.ProjectId);
        copy.EmailId.TryWriteBytes(data[4..], bigEndian: true, out _);
        BinaryPrimitives.WriteUInt16BigEndian(data[20..], (ushort)copy.N);
        rest.CopyTo(data[CopyBytes..]);
        Sign(key.Value, data, bytes.AsSpan(0, MacBytes));
        return Base64Url.EncodeToString(bytes);
    }

    /// <returns>What was signed.</returns>
    static byte[]? Read(Lazy<byte[]> key, string token)
    {
        if (token.Length > MaxChars || !Base64Url.IsValid(token)) return null;
        var bytes = Base64Url.DecodeFromChars(token);
        if (bytes.Length < MacBytes + CopyBytes) return null;
        Span<byte> mac = stackalloc byte[MacBytes];
        Sign(key.Value, bytes.AsSpan(MacBytes), mac);
        if (!CryptographicOperations.FixedTimeEquals(mac, bytes.AsSpan(0, MacBytes))) return null;
        return Base64Url.EncodeToString(bytes) == token ? bytes[MacBytes..] : null;   // the bits left over at the end, spaces and padding are not free to choose
    }

    static CopyId CopyOf(ReadOnlySpan<byte> data) =>
        new(BinaryPrimitives.ReadInt32BigEndian(data), new Guid(data[4..20], bigEndian: true), BinaryPrimitives.ReadUInt16BigEndian(data[20..]));

    static void Sign(byte[] key, ReadOnlySpan<byte> data, Span<byte> mac)
    {
        Span<byte> whole = stackalloc byte[HMACSHA256.HashSizeInBytes];
        HMACSHA256.HashData(key, data, whole);
        whole[..MacBytes].CopyTo(mac);
    }

    static Lazy<byte[]> KeyOf(MasterKey master, string kind) =>
        new(() => HKDF.DeriveKey(HashAlgorithmName.SHA256, master.Value, 32, info: Encoding.ASCII.GetBytes($"EmailApi tracking {kind} 1")));
}
