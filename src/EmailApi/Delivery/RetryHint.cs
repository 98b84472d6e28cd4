using System.Globalization;
using System.Text.RegularExpressions;

namespace EmailApi.Delivery;

/// <summary>When a relay wants to see a deferred mail again, as greylisting and rate limits say in words: "try again in 5 minutes",
/// "please come back in 00:04:50", "greylisted for 300 seconds".</summary>
public static partial class RetryHint
{
    /// <summary>What asks for more or for less is taken for something else than a hint.</summary>
    static readonly TimeSpan Min = TimeSpan.FromSeconds(1), Max = TimeSpan.FromHours(24);

    /// <returns>The wait that a 4yz asks for; null when it names none.</returns>
    public static TimeSpan? Of(RelayReply reply)
    {
        if (reply.Code is not (>= 400 and < 500) || Hint().Match(reply.Text) is not { Success: true } hint) return null;
        var wait = hint.Groups["clock"].Success ? Clock(hint.Groups["clock"].Value) : Amount(hint.Groups["amount"].Value, hint.Groups["unit"].Value);
        return wait >= Min && wait <= Max ? wait : null;
    }

    /// <summary>Hours, minutes and seconds, or minutes and seconds.</summary>
    static TimeSpan Clock(string text)
    {
        var parts = text.Split(':').Select(p => int.Parse(p, CultureInfo.InvariantCulture)).ToArray();
        return parts is [var hours, var minutes, var seconds] ? new(hours, minutes, seconds) : new(0, parts[0], parts[1]);
    }

    static TimeSpan Amount(string amount, string unit)
    {
        var number = int.Parse(amount, CultureInfo.InvariantCulture);
        return char.ToLowerInvariant(unit[0]) switch
        {
            's' => TimeSpan.FromSeconds(number),
            'm' => TimeSpan.FromMinutes(number),
            _ => TimeSpan.FromHours(number),
        };
    }

    /// <summary>Each part of it is bounded, so its time grows with the text and no faster: a limit of time would cut an honest look short on a busy machine.</summary>
    [GeneratedRegex("""
        \b(?:retry|again|back|wait|delay(?:ed)?|gr[ae]ylist(?:ed|ing)?)\b [^.;\d]{0,30}?
        \b(?:in|for|after|within)\b \s{1,9} (?:at\ least\s{1,9}|about\s{1,9})?
        (?: (?<clock>\d{1,2}:\d{2}(?::\d{2})?)\b | (?<amount>\d{1,6})\s{0,9}(?<unit>s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?)\b )
        """, RegexOptions.IgnoreCase | RegexOptions.IgnorePatternWhitespace | RegexOptions.CultureInvariant)]
    private static partial Regex Hint();
}
