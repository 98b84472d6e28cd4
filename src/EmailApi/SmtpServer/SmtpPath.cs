using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace EmailApi.SmtpServer;

/// <summary>The argument of MAIL and RCPT: <c>&lt;mailbox&gt;</c> and parameters (RFC 5321 §4.1.2; UTF-8 as in RFC 6531 §3.3).</summary>
/// <param name="Mailbox">As written, without the angle brackets and without a source route; empty for the null path.</param>
/// <param name="Parameters">What follows the path, trimmed.</param>
readonly record struct SmtpPath(string Mailbox, string Parameters)
{
    const int MaxLocalBytes = 64;     // RFC 5321 §4.5.3.1.1
    const int MaxDomainBytes = 255;   // §4.5.3.1.2
    const int MaxLabelBytes = 63;     // RFC 1035 §2.3.4
    const int MaxPathBytes = 254;     // §4.5.3.1.3: 256 with the brackets

    /// <summary>Reads <c>FROM:&lt;…&gt; …</c> or <c>TO:&lt;…&gt; …</c>. Spaces after the colon are taken although §3.3 forbids
    /// them: many scripts send them, and nothing is ambiguous.</summary>
    public static bool TryParse(string argument, string keyword, out SmtpPath path)
    {
        path = default;
        var text = argument.AsSpan();
        if (!text.StartsWith(keyword, StringComparison.OrdinalIgnoreCase)) return false;

        text = text[keyword.Length..].TrimStart(' ');
        if (text.Length < 2 || text[0] != '<' || EndOfPath(text) is var end && end < 0) return false;
        if (end + 1 < text.Length && text[end + 1] != ' ') return false;

        var mailbox = text[1..end];
        if (mailbox.StartsWith('@'))   // a source route: to be accepted and ignored (RFC 5321 §4.1.1.3, appendix C)
        {
            var colon = mailbox.IndexOf(':');
            if (colon < 0) return false;
            mailbox = mailbox[(colon + 1)..];
            if (mailbox.IsEmpty) return false;
        }
        if (!mailbox.IsEmpty && !IsMailbox(mailbox) && !mailbox.Equals("postmaster", StringComparison.OrdinalIgnoreCase)) return false;

        path = new SmtpPath(mailbox.ToString(), text[(end + 1)..].Trim(' ').ToString());
        return true;
    }

    static int EndOfPath(ReadOnlySpan<char> text)
    {
        var isQuoted = false;
        for (var i = 1; i < text.Length; i++)
        {
            if (isQuoted && text[i] == '\\') i++;
            else if (text[i] == '"') isQuoted = !isQuoted;
            else if (text[i] == '>' && !isQuoted) return i;
        }
        return -1;
    }

    static bool IsMailbox(ReadOnlySpan<char> mailbox)
    {
        var at = mailbox[0] == '"' ? EndOfQuoted(mailbox) : mailbox.IndexOf('@');
        if (at <= 0 || at >= mailbox.Length - 1 || mailbox[at] != '@') return false;

        var local = mailbox[..at];
        var domain = mailbox[(at + 1)..];
        return Encoding.UTF8.GetByteCount(mailbox) <= MaxPathBytes
            && Encoding.UTF8.GetByteCount(local) <= MaxLocalBytes
            && (local[0] == '"' || IsDotString(local))
            && (domain[0] == '[' ? IsLiteral(domain) : IsDomain(domain));
    }

    /// <returns>The index after the closing quote; -1 where the quoted string is wrong (RFC 5321 §4.1.2, qtextSMTP).</returns>
    static int EndOfQuoted(ReadOnlySpan<char> mailbox)
    {
        for (var i = 1; i < mailbox.Length; i++)
        {
            if (mailbox[i] == '"') return i + 1;
            if (mailbox[i] == '\\' && ++i == mailbox.Length) return -1;
            if (mailbox[i] is < ' ' or '\x7F' || !IsAsciiOrText(mailbox[i])) return -1;
        }
        return -1;
    }

    static bool IsDotString(ReadOnlySpan<char> local)
    {
        var last = '.';
        foreach (var c in local)
        {
            if (c == '.' && last == '.') return false;
            if (c != '.' && !IsAtext(c)) return false;
            last = c;
        }
        return last != '.';
    }

    static bool IsAtext(char c) =>
        char.IsAsciiLetterOrDigit(c) || "!#$%&'*+-/=?^_`{|}~".Contains(c) || c >= 0x80 && IsAsciiOrText(c);

    static bool IsDomain(ReadOnlySpan<char> domain)
    {
        if (Encoding.UTF8.GetByteCount(domain) > MaxDomainBytes) return false;
        foreach (var range in domain.Split('.'))
        {
            var label = domain[range];
            if (label.IsEmpty || label[0] == '-' || label[^1] == '-' || Encoding.UTF8.GetByteCount(label) > MaxLabelBytes) return false;
            foreach (var c in label)   // "_" is no host name by RFC 1123 §2.1, but containers are named so
                if (!char.IsAsciiLetterOrDigit(c) && c is not ('-' or '_') && (c < 0x80 || !IsAsciiOrText(c))) return false;
        }
        return true;
    }

    /// <summary>[192.0.2.1] or [IPv6:2001:db8::1] (RFC 5321 §4.1.3); no other kind is known.</summary>
    static bool IsLiteral(ReadOnlySpan<char> domain)
    {
        if (domain.Length < 3 || domain[^1] != ']') return false;
        var inner = domain[1..^1];
        var isV6 = inner.StartsWith("IPv6:", StringComparison.OrdinalIgnoreCase);
        if (isV6) inner = inner[5..];
        else if (inner.Count('.') != 3) return false;   // IPAddress takes "1" for 0.0.0.1
        return !inner.ContainsAny("%[]") && IPAddress.TryParse(inner, out var address)
            && address.AddressFamily == (isV6 ? AddressFamily.InterNetworkV6 : AddressFamily.InterNetwork);
    }

    static bool IsAsciiOrText(char c) =>
        c < 0x80 || !char.IsControl(c) && !char.IsWhiteSpace(c) && CharUnicodeInfo.GetUnicodeCategory(c) is not UnicodeCategory.Format;
}
