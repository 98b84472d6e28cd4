using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace EmailApi.Emails;

/// <summary>The addr-spec <c>local@domain</c> by the strict grammar of RFC 5321 §4.1.2 and RFC 6531 §3.3: what is refused here never
/// reaches an SMTP command or a header.</summary>
/// <remarks>One form is kept: the local part as given (NFC), the domain in lower case and in Unicode. On the wire the domain goes as
/// A-labels (<see cref="ToWire"/>). No comments, folding white space or obsolete syntax, no domain of one label, no domain that is a bare
/// IP address. Stricter than the RFC on purpose: an address literal is a real IP address, and invisible characters are refused.</remarks>
public static class Address
{
    public const int MaxOctets = 254;        // RFC 5321 §4.5.3.1.3: 256 for the path, less < and >
    public const int MaxLocalOctets = 64;    // RFC 5321 §4.5.3.1.1
    public const int MaxLabelOctets = 63;    // RFC 1035 §2.3.4

    static readonly SearchValues<char> Atext = SearchValues.Create(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-/=?^_`{|}~.");
    static readonly SearchValues<char> LetDigHyphen = SearchValues.Create(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.");
    static readonly SearchValues<char> Ipv6 = SearchValues.Create("0123456789abcdefABCDEF:.");
    static readonly IdnMapping Idn = new() { AllowUnassigned = false, UseStd3AsciiRules = true };   // UTS 46, by ICU

    /// <summary>Checks an address and gives the form that is kept.</summary>
    /// <param name="text">The address alone: no name, no angle brackets, no white space around it.</param>
    /// <param name="error">A sentence that says what would be right; empty when the address is good.</param>
    public static bool TryParse([NotNullWhen(true)] string? text, out string address, out string error)
    {
        address = "";
        error = Check(text, ref address) ?? "";
        return error.Length == 0;
    }

    /// <summary>The form that is kept, of an address that was checked before.</summary>
    public static string Parse(string text) => TryParse(text, out var address, out var error) ? address : throw new FormatException(error);

    /// <summary>The address as it stands in MAIL, RCPT and header fields: the domain in A-labels, a UTF-8 local part as it is.</summary>
    /// <param name="address">One that <see cref="TryParse"/> gave.</param>
    public static string ToWire(string address)
    {
        if (Ascii.IsValid(address)) return address;

        var at = DomainStart(address);
        return Ascii.IsValid(address.AsSpan(at)) ? address : string.Concat(address.AsSpan(0, at), Idn.GetAscii(address, at));
    }

    /// <summary>True when the local part is not ASCII: only a relay that offers SMTPUTF8 (RFC 6531) can take it.</summary>
    public static bool NeedsSmtpUtf8(string address) => !Ascii.IsValid(address.AsSpan(0, DomainStart(address)));

    /// <summary>The domain as kept: lower case, Unicode.</summary>
    public static string Domain(string address) => address[DomainStart(address)..];

    /// <summary>For comparing only (suppressions, duplicates): without quoting that means nothing (RFC 5321 §4.1.2: <c>"a"@x</c> is
    /// <c>a@x</c>) and in lower case, as practically every mailbox server treats it. Never send to it.</summary>
    public static string Key(string address)
    {
        if (address[0] != '"') return address.ToLowerInvariant();

        var at = DomainStart(address);
        var local = new StringBuilder(at);
        for (var i = 1; i < at - 2; i++) local.Append(address[address[i] == '\\' ? ++i : i]);
        var bare = local.ToString();
        var needsQuotes = DotAtomFault(bare) is not null;
        if (needsQuotes) bare = $"\"{bare.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal)}\"";
        return string.Concat(bare, address.AsSpan(at - 1)).ToLowerInvariant();
    }

    /// <summary>The key of an address, null where that is the address itself.</summary>
    public static string? KeyIfOther(string address) => Key(address) is var key && key == address ? null : key;

    static int DomainStart(string address) => address.LastIndexOf('@') + 1;

    static string? Check(string? text, ref string address)
    {
        if (string.IsNullOrEmpty(text)) return "Give an address such as taro@example.jp.";
        if (text.Length > MaxOctets) return TooLong;
        if (MailText.ControlFault(text) is { } control) return control;

        var at = text.LastIndexOf('@');
        if (at < 0) return "An address has the form name@example.jp; the @ is missing.";
        if (at == 0) return "The part before the @ is missing.";
        var local = text.AsSpan(0, at);
        if (LocalFault(local) is { } fault) return fault;
        var domain = text.AsSpan(at + 1);
        if (domain.IsEmpty) return "The domain after the @ is missing.";

        if (Ascii.IsValid(text) && domain[0] != '[' && !domain.Contains("xn--", StringComparison.OrdinalIgnoreCase))
        {
            if (DomainFault(domain) is { } domainFault) return domainFault;
            address = domain.ContainsAnyInRange('A', 'Z') ? string.Concat(text.AsSpan(0, at + 1), domain.ToString().ToLowerInvariant()) : text;
            return null;
        }

        var name = domain.ToString();
        var wire = name;
        if ((name[0] == '[' ? Literal(ref name, ref wire) : InternationalDomain(ref name, ref wire)) is { } other) return other;

        var keptLocal = Ascii.IsValid(local) ? local.ToString() : local.ToString().Normalize(NormalizationForm.FormC);
        var localOctets = Encoding.UTF8.GetByteCount(keptLocal);
        if (localOctets > MaxLocalOctets) return LocalTooLong;
        if (localOctets + 1 + Math.Max(wire.Length, Encoding.UTF8.GetByteCount(name)) > MaxOctets) return TooLong;
        address = $"{keptLocal}@{name}";
        return null;
    }

    const string TooLong = "An address has at most 254 octets (RFC 5321).";
    const string LocalTooLong = "The part before the @ has at most 64 octets (RFC 5321).";

    static string? LocalFault(ReadOnlySpan<char> local)
    {
        if (Encoding.UTF8.GetByteCount(local) > MaxLocalOctets) return LocalTooLong;
        if (local.IndexOf("=?") is var word and >= 0 && local[(word + 2)..].Contains("?=", StringComparison.Ordinal))
            return "The part before the @ looks like an encoded-word (RFC 2047): some mail programs would decode it to another address.";
        if (local[0] == '"') return QuotedFault(local);
        return local.ContainsAnyExcept(Atext) || local[0] == '.' || local[^1] == '.' || local.IndexOf("..") >= 0 ? DotAtomFault(local) : null;
    }

    static string? DotAtomFault(ReadOnlySpan<char> local)
    {
        if (local.IsEmpty) return "The part before the @ is missing.";
        if (local[0] == '.' || local[^1] == '.') return "The part before the @ must not start or end with a dot.";
        if (local.IndexOf("..") >= 0) return "The part before the @ must not have two dots in a row.";
        foreach (var rune in local.EnumerateRunes())
        {
            if (rune.IsAscii ? Atext.Contains((char)rune.Value) : MailText.IsVisible(rune)) continue;
            return rune.Value == '@'
                ? "An address has one @; another one must stand in double quotes before it."
                : $"{MailText.Show(rune)} cannot stand before the @ without double quotes around that part.";
        }
        return null;
    }

    /// <summary>RFC 5321 §4.1.2 Quoted-string: printable ASCII with <c>"</c> and <c>\</c> escaped; RFC 6531 adds UTF-8.</summary>
    static string? QuotedFault(ReadOnlySpan<char> local)
    {
        const string unclosed = "The double quotes before the @ must be closed, and enclose all that stands before it.";
        if (local.Length < 2 || local[^1] != '"') return unclosed;

        var escaped = false;
        foreach (var rune in local[1..^1].EnumerateRunes())
        {
            if (rune.IsAscii ? rune.Value is < 32 or > 126 : escaped || !MailText.IsVisible(rune))
                return $"{MailText.Show(rune)} cannot stand {(escaped ? "after a backslash" : "in double quotes")} before the @.";
            if (!escaped && rune.Value == '"') return unclosed;
            escaped = !escaped && rune.Value == '\\';
        }
        return escaped ? unclosed : null;
    }

    /// <summary>Letters, digits and hyphens (RFC 5321 §2.3.5), at least two labels, the last one not all digits (RFC 3696 §2).</summary>
    static string? DomainFault(ReadOnlySpan<char> domain)
    {
        if (domain.Length > MaxOctets - 1) return TooLong;
        var odd = domain.IndexOfAnyExcept(LetDigHyphen);
        if (odd >= 0) return $"{MailText.Show(new Rune(domain[odd]))} cannot stand in a domain; letters, digits, hyphens and dots can.";

        var labels = 0;
        while (true)
        {
            var dot = domain.IndexOf('.');
            var label = dot < 0 ? domain : domain[..dot];
            if (label.IsEmpty) return "A domain must not start or end with a dot, or have two dots in a row.";
            if (label.Length > MaxLabelOctets) return "A label of a domain has at most 63 octets (RFC 1035).";
            if (label[0] == '-' || label[^1] == '-') return "A label of a domain must not start or end with a hyphen.";
            labels++;
            if (dot < 0)
            {
                if (labels == 1) return "A domain has at least two labels, as in example.jp.";
                return label.ContainsAnyExceptInRange('0', '9') ? null : "A domain does not end in a number; an IP address goes in brackets: user@[192.0.2.1].";
            }
            domain = domain[(dot + 1)..];
        }
    }

    static string? InternationalDomain(ref string name, ref string wire)
    {
        const string refused = "The domain is not a valid international name (UTS 46, IDNA).";
        try
        {
            wire = Idn.GetAscii(name).ToLowerInvariant();
            name = Idn.GetUnicode(wire);
            if (!string.Equals(Idn.GetAscii(name), wire, StringComparison.OrdinalIgnoreCase)) return refused;
        }
        catch (ArgumentException)
        {
            return Ascii.IsValid(name) && DomainFault(name) is { } fault ? fault : refused;
        }
        foreach (var rune in name.EnumerateRunes())
            if (!rune.IsAscii && !MailText.IsVisible(rune)) return $"{MailText.Show(rune)} cannot stand in a domain.";
        return DomainFault(wire);
    }

    static string? Literal(ref string name, ref string wire)
    {
        const string refused = "An address literal is [192.0.2.1] or [IPv6:2001:db8::1].";
        if (name[^1] != ']') return refused;

        var inner = name.AsSpan(1, name.Length - 2);
        if (inner.StartsWith("IPv6:", StringComparison.OrdinalIgnoreCase))
        {
            inner = inner[5..];
            if (inner.ContainsAnyExcept(Ipv6)) return refused;   // no zone, no prefix length
            if (!IPAddress.TryParse(inner, out var ip) || ip.AddressFamily != AddressFamily.InterNetworkV6) return refused;
            name = wire = $"[IPv6:{ip}]";
            return null;
        }

        var octets = 0;
        foreach (var part in inner.Split('.'))
        {
            var digits = inner[part];
            if (digits.Length is 0 or > 3 || digits.ContainsAnyExceptInRange('0', '9')) return refused;
            if (digits.Length > 1 && digits[0] == '0' || int.Parse(digits, CultureInfo.InvariantCulture) > 255) return refused;
            octets++;
        }
        return octets == 4 ? null : refused;
    }
}
