using System.Buffers;

namespace EmailApi.Bounces;

/// <summary>One word for why: codes that are certain, then what the server said, then codes that are used loosely.</summary>
static class Reasons
{
    /// <summary>Characters of a text that are searched.</summary>
    public const int MaxText = 8 * 1024;

    static readonly (BounceReason Reason, SearchValues<string> Phrases)[] Phrases =
        [.. ReasonPhrases.InOrder.Select(list => (list.Reason, SearchValues.Create(list.Phrases, StringComparison.OrdinalIgnoreCase)))];

    /// <param name="recipient">Its words must not count as the server's: people have addresses such as spam@ and quota@.</param>
    public static BounceReason Of(string? status, int? replyCode, string? diagnostic, string? recipient)
    {
        var detail = status is null ? "" : status[2..];
        if (ReasonCodes.Certain.TryGetValue(detail, out var certain)) return certain;
        if (ReasonCodes.InRange(detail) is { } ranged) return ranged;
        if (OfText(diagnostic, recipient) is { } said)
            return said is BounceReason.UnknownUser or BounceReason.UnknownHost && ReasonCodes.OfSender.Contains(detail) ? BounceReason.Policy : said;
        if (ReasonCodes.Likely.TryGetValue(status ?? "", out var likely) || ReasonCodes.Likely.TryGetValue(detail, out likely)) return likely;
        return replyCode is { } reply && ReasonCodes.Replies.TryGetValue(reply, out var replied) ? replied : BounceReason.Undetermined;
    }

    /// <summary>"example.net does not exist": the same words as of a mailbox, but of a name with dots and without an @.</summary>
    static bool IsDomainMissing(string words)
    {
        foreach (var phrase in (ReadOnlySpan<string>)[" does not exist", " not found"])
        {
            var end = words.IndexOf(phrase, StringComparison.OrdinalIgnoreCase);
            if (end <= 0) continue;
            var subject = words.AsSpan(words.LastIndexOf(' ', end - 1) + 1, end - words.LastIndexOf(' ', end - 1) - 1).Trim("<>()[]\"':,");
            if (subject.Length > 3 && subject[1..^1].Contains('.') && !subject.ContainsAny("@/") && char.IsAsciiLetter(subject[^1])) return true;
        }
        return false;
    }

    /// <summary>Before RCPT nothing was said of the recipient: what does not exist is the sender, what is refused is our address.</summary>
    public static BounceReason AtStage(BounceReason reason, string words) => reason switch
    {
        BounceReason.UnknownUser or BounceReason.UnknownHost when Has(words, AtMail) => BounceReason.Policy,
        BounceReason.Policy or BounceReason.Undetermined when Has(words, AtConnect) => BounceReason.Reputation,
        _ => reason,
    };

    static readonly string[] AtMail =
    [
        "[mail_from]", "after mail from", "bad sender", "domain of sender", "from domain", "in reply to mail from", "invalid sender", "no such sender", "sender address ",
        "sender does", "sender domain", "sender rejected", "sender unknown", "sender verify fail", "sender was rejected", "verification failed for <",
    ];

    static readonly string[] AtConnect = ["after initial connection", "refused to talk to me", "while receiving the initial server greeting"];

    static bool Has(string words, string[] any) => Array.Exists(any, one => words.Contains(one, StringComparison.OrdinalIgnoreCase));

    /// <summary>The code alone decides.</summary>
    public static bool IsCertain(string status) => ReasonCodes.Certain.ContainsKey(status[2..]) || ReasonCodes.InRange(status.AsSpan(2)) is not null;

    /// <summary>The first reason, in the order of the table, of which the text has a phrase; null when it has none.</summary>
    public static BounceReason? OfText(string? text, string? recipient)
    {
        if (text is null) return null;
        var words = Diagnostic.WithoutCodes(text[..Math.Min(text.Length, MaxText)]);
        if (recipient is { Length: > 3 }) words = words.Replace(recipient, "recipient", StringComparison.OrdinalIgnoreCase);
        if (IsDomainMissing(words)) return AtStage(BounceReason.UnknownHost, words);

        var searched = words.AsSpan();
        foreach (var (reason, phrases) in Phrases)
            if (searched.ContainsAny(phrases)) return AtStage(reason, words);
        return null;
    }
}
