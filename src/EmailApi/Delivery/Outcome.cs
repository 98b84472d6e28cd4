using EmailApi.Data;

namespace EmailApi.Delivery;

/// <summary>Where in the dialogue with a relay something happened, in its order.</summary>
public enum SmtpStep
{
    Connect,
    Banner,
    Ehlo,
    StartTls,
    Auth,
    Mail,
    Rcpt,
    Data,
    Dot,
}

/// <summary>What a relay answered (RFC 5321 §4.2, RFC 3463).</summary>
/// <param name="Code">Null when there was no reply: the text then says what happened.</param>
public sealed record RelayReply(int? Code, string? Enhanced, string Text)
{
    public bool IsPermanent => Code is >= 500 and < 600;

    /// <summary>Splits the enhanced status code off the text, if there is one (RFC 2034).</summary>
    public static RelayReply Of(int code, string text)
    {
        text = text.ReplaceLineEndings(" ").Trim();
        var space = text.IndexOf(' ', StringComparison.Ordinal);
        var first = space < 0 ? text : text[..space];
        var isEnhanced = first.Split('.') is [['2' or '4' or '5'], { Length: >= 1 and <= 3 } subject, { Length: >= 1 and <= 3 } detail]
            && subject.All(char.IsAsciiDigit) && detail.All(char.IsAsciiDigit);
        var shown = isEnhanced ? text[first.Length..].TrimStart() : text;
        return new(code, isEnhanced ? first : null, StorableText.Cut(shown, MaxTextLength));
    }

    public static RelayReply None(string text) => new(null, null, StorableText.Cut(text, MaxTextLength));

    /// <summary>Of a reply's text this much is kept.</summary>
    public const int MaxTextLength = 500;
}

/// <summary>How one attempt ended for one recipient.</summary>
public abstract record Outcome(SmtpStep Step)
{
    /// <summary>The relay took the mail.</summary>
    public bool IsTaken => this is Replied { Reply.Code: >= 200 and < 300 };

    /// <summary>The relay decided.</summary>
    public sealed record Replied(SmtpStep Step, RelayReply Reply) : Outcome(Step);

    /// <summary>No connection, or lost before the final dot was written: certainly not taken.</summary>
    public sealed record Lost(SmtpStep Step, string Text) : Outcome(Step);

    /// <summary>Lost after the final dot was written and before its reply: perhaps taken.</summary>
    public sealed record InDoubt(string Text) : Outcome(SmtpStep.Dot);

    /// <summary>Ours to mend: nothing that the relay said.</summary>
    public sealed record Failed(SmtpStep Step, string Reason, RelayReply? Reply = null) : Outcome(Step);

    /// <summary>It threw or hung here, and no relay was asked: a fault of ours, or what makes this mail poison.</summary>
    public sealed record Broken(string Text) : Outcome(SmtpStep.Connect);
}
