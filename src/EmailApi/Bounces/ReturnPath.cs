using System.Buffers;
using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;
using EmailApi.Data;
using EmailApi.Http;
using Microsoft.Extensions.Options;

namespace EmailApi.Bounces;

/// <summary>A recipient of a mail, as a return path names it.</summary>
public readonly record struct ReturnTag(Guid EmailId, int N);

/// <summary>The reverse-path of every mail: one for each recipient (VERP), under the bounce domain, with a tag that only this server can make. What comes back to it
/// proves which recipient it is about, and that whoever sends it has seen that recipient's copy.</summary>
/// <remarks>The local part is <c>b</c> and 48 characters of base32: the email's id, the recipient's number, the day, and 80 bits of an HMAC over them. It holds in
/// either case, as relays may change it. The key comes from the master key, so that it is the same on all nodes.</remarks>
public sealed class ReturnPath
{
    /// <summary>Days that a tag is good for. A relay gives up after five or so; what comes much later is forged or stuck.</summary>
    public const int ValidDays = 60;

    const int DataBytes = 16 + 2 + 2;
    const int MacBytes = 10;
    const int Chars = 1 + ((DataBytes + MacBytes) * 8 / 5);
    const string Alphabet = "abcdefghijklmnopqrstuvwxyz234567";

    /// <summary>Candidates in one message that are looked at: each costs an HMAC.</summary>
    const int MaxCandidates = 50;

    static readonly DateTimeOffset FirstDay = new(2020, 1, 1, 0, 0, 0, TimeSpan.Zero);
    static readonly SearchValues<byte> Digits = SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ234567"u8);

    readonly string? domain;
    readonly Lazy<byte[]> key;
    readonly TimeProvider clock;

    public ReturnPath(IOptions<AppOptions> options, MasterKey master, TimeProvider clock)
    {
        domain = options.Value.Bounce.Domain is { Length: > 0 } given ? Emails.Address.ToWire(Emails.Address.TryParse($"x@{given}", out var address, out _) ? address : $"x@{given}")[2..] : null;
        key = new(() => HKDF.DeriveKey(HashAlgorithmName.SHA256, master.Value, 32, info: "EmailApi return path 1"u8.ToArray()));
        this.clock = clock;
        Reports = options.Value.Bounce.ReportsDelivery ? "SUCCESS,FAILURE" : "FAILURE";
    }

    /// <summary>The bounce domain in A-labels; null when none is set: bounces go to the From address then.</summary>
    public string? Domain => domain;

    [MemberNotNullWhen(true, nameof(Domain))]
    public bool IsOn => domain is not null;

    /// <summary>What relays are asked to report (RFC 3461 §4.1). Not delays: a mail that a relay still tries is sent, as far as we are concerned.</summary>
    public string Reports { get; }

    /// <summary>The tag of a recipient, of today.</summary>
    public string TagOf(Guid emailId, int n) => TagOf(emailId, n, clock.GetUtcNow());

    /// <summary>The tag of a recipient that is good from a day on.</summary>
    public string TagOf(Guid emailId, int n, DateTimeOffset day)
    {
        Span<byte> bytes = stackalloc byte[DataBytes + MacBytes];
        emailId.TryWriteBytes(bytes, bigEndian: true, out _);
        BinaryPrimitives.WriteUInt16BigEndian(bytes[16..], (ushort)n);
        BinaryPrimitives.WriteUInt16BigEndian(bytes[18..], DayOf(day));
        Sign(bytes[..DataBytes], bytes[DataBytes..]);
        return Encode(bytes);
    }

    /// <summary>The reverse-path for a tag.</summary>
    public string Of(string tag) => $"{tag}@{domain}";

    /// <summary>Reads an address at the bounce domain.</summary>
    /// <returns>Null when it is no return path of ours, or its time is over.</returns>
    public ReturnTag? Read(string address)
    {
        var at = address.LastIndexOf('@');
        if (at != Chars || !address.AsSpan(at + 1).Equals(domain, StringComparison.OrdinalIgnoreCase)) return null;
        Span<byte> local = stackalloc byte[Chars];
        return Encoding.ASCII.TryGetBytes(address.AsSpan(0, at), local, out var length) && length == Chars ? Read(local) : null;
    }

    /// <summary>Looks for a tag in what came back: the address that it came to, the Return-Path or the envelope id of the mail that it speaks of.</summary>
    public ReturnTag? Find(ReadOnlySpan<byte> message)
    {
        var candidates = 0;
        for (var rest = message; candidates < MaxCandidates;)
        {
            var start = rest.IndexOfAny(Digits);
            if (start < 0) return null;
            rest = rest[start..];
            var length = rest.IndexOfAnyExcept(Digits) is var end and >= 0 ? end : rest.Length;
            if (length == Chars && (rest[0] | 0x20) == 'b')
            {
                if (Read(rest[..Chars]) is { } tag) return tag;
                candidates++;
            }

            rest = rest[length..];
        }

        return null;
    }

    ReturnTag? Read(ReadOnlySpan<byte> local)
    {
        Span<byte> bytes = stackalloc byte[DataBytes + MacBytes];
        if ((local[0] | 0x20) != 'b' || !TryDecode(local[1..], bytes)) return null;
        Span<byte> mac = stackalloc byte[MacBytes];
        Sign(bytes[..DataBytes], mac);
        if (!CryptographicOperations.FixedTimeEquals(mac, bytes[DataBytes..])) return null;
        var age = DayOf(clock.GetUtcNow()) - BinaryPrimitives.ReadUInt16BigEndian(bytes[18..]);
        if (age is < -1 or > ValidDays) return null;
        return new(new Guid(bytes[..16], bigEndian: true), BinaryPrimitives.ReadUInt16BigEndian(bytes[16..]));
    }

    static ushort DayOf(DateTimeOffset at) => (ushort)(at - FirstDay).TotalDays;

    void Sign(ReadOnlySpan<byte> data, Span<byte> mac)
    {
        Span<byte> whole = stackalloc byte[HMACSHA256.HashSizeInBytes];
        HMACSHA256.HashData(key.Value, data, whole);
        whole[..MacBytes].CopyTo(mac);
    }

    static string Encode(ReadOnlySpan<byte> bytes)
    {
        Span<char> text = stackalloc char[Chars];
        text[0] = 'b';
        var (bits, count, at) = (0, 0, 1);
        foreach (var b in bytes)
        {
            bits = (bits << 8) | b;
            for (count += 8; count >= 5; count -= 5) text[at++] = Alphabet[(bits >> (count - 5)) & 31];
            bits &= 31;
        }

        return text.ToString();
    }

    static bool TryDecode(ReadOnlySpan<byte> text, Span<byte> bytes)
    {
        var (bits, count, at) = (0, 0, 0);
        foreach (var letter in text)
        {
            var lower = (char)(letter | 0x20);
            var digit = letter is >= (byte)'2' and <= (byte)'7' ? letter - '2' + 26 : lower is >= 'a' and <= 'z' ? lower - 'a' : -1;
            if (digit < 0) return false;
            bits = (bits << 5) | digit;
            if ((count += 5) < 8) continue;
            count -= 8;
            bytes[at++] = (byte)(bits >> count);
            bits &= (1 << count) - 1;
        }

        return true;
    }
}
