using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace EmailApi.Emails;

/// <summary>Reads one mailbox as people write it: <c>Name &lt;addr&gt;</c>, <c>"Name" &lt;addr&gt;</c> or <c>addr</c> (RFC 5322 §3.4).</summary>
/// <remarks>Comments and groups are refused with a sentence; a dot in a name needs no quotes (the obs-phrase that everybody writes).</remarks>
public static class MailboxParser
{
    public const int MaxNameLength = 256;   // ours; no RFC bounds it

    static readonly SearchValues<char> Specials = SearchValues.Create("()<>[]:;@\\,\"");   // RFC 5322 §3.2.3, less the dot

    /// <param name="text">One mailbox; spaces around it are dropped.</param>
    /// <param name="error">A sentence that says what would be right; empty when the mailbox is good.</param>
    public static bool TryParse(string? text, [NotNullWhen(true)] out Mailbox? mailbox, out string error)
    {
        mailbox = null;
        if (text is { Length: > Address.MaxOctets + 2 * MaxNameLength + 8 })
            return Fail("The mailbox is too long: an address has at most 254 octets, a name 256 characters.", out error);
        if (MailText.ControlFault(text) is { } control) return Fail(control, out error);

        var trimmed = (text ?? "").AsSpan().Trim(' ');
        if (trimmed.IsEmpty || trimmed[^1] != '>') return Bare(trimmed, out mailbox, out error);

        var phrase = new StringBuilder();
        var rest = trimmed;
        while (rest[0] != '<')
        {
            if (rest[0] == '"')
            {
                var length = Unquote(rest, phrase);
                if (length < 0) return Fail("The double quotes around the name must be closed.", out error);
                rest = rest[length..];
            }
            else
            {
                var length = rest.IndexOfAny(Specials);
                if (length < 0) length = rest.Length;
                if (length == 0) return Fail($"'{rest[0]}' in a name needs double quotes around the name: \"Shop, Inc.\" <shop@example.jp>.", out error);
                phrase.Append(rest[..length]);
                rest = rest[length..];
            }
            if (rest.IsEmpty) return Fail("Write a mailbox as name@example.jp or Name <name@example.jp>.", out error);
        }
        return TryCreate(rest[1..^1].Trim(' ').ToString(), phrase.ToString(), out mailbox, out error);
    }

    /// <summary>The same from an address and a name given apart.</summary>
    public static bool TryCreate(string? email, string? name, [NotNullWhen(true)] out Mailbox? mailbox, out string error)
    {
        mailbox = null;
        if (NameRefusal(name) is { } refusal) return Fail(refusal, out error);
        if (!Address.TryParse(email, out var address, out error)) return false;

        var shown = name?.Trim();
        mailbox = new Mailbox(address, string.IsNullOrEmpty(shown) ? null : shown);
        return true;
    }

    /// <summary>A sentence when the name must not be shown, else null.</summary>
    public static string? NameRefusal(string? name)
    {
        if (name is null) return null;
        if (name.Length > MaxNameLength) return "A name has at most 256 characters.";
        if (MailText.ControlFault(name) is { } control) return control;
        foreach (var c in name)
            if (MailText.TurnsDirection(c)) return $"U+{(int)c:X4} turns the reading direction and hides what a name says; leave it out.";
        return null;
    }

    static bool Bare(ReadOnlySpan<char> text, out Mailbox? mailbox, out string error)
    {
        mailbox = null;
        if (!Address.TryParse(text.ToString(), out var address, out error)) return false;
        mailbox = new Mailbox(address);
        return true;
    }

    /// <summary>Appends what stands in the quotes at the start and returns their length with the quotes; -1 when they are not closed.</summary>
    static int Unquote(ReadOnlySpan<char> text, StringBuilder into)
    {
        for (var i = 1; i < text.Length; i++)
        {
            if (text[i] == '"') return i + 1;
            if (text[i] == '\\' && ++i == text.Length) break;
            into.Append(text[i]);
        }
        return -1;
    }

    static bool Fail(string sentence, out string error)
    {
        error = sentence;
        return false;
    }
}
