namespace EmailApi.Relays;

/// <summary>What a relay offers in its reply to EHLO (RFC 5321 §4.1.1.1).</summary>
/// <param name="Pipelining">RFC 2920: commands may go out together.</param>
/// <param name="SmtpUtf8">RFC 6531.</param>
/// <param name="EightBitMime">RFC 6152.</param>
/// <param name="Dsn">RFC 3461.</param>
/// <param name="Size">RFC 1870.</param>
/// <param name="StartTls">RFC 3207.</param>
/// <param name="Logins">Mechanisms of AUTH (RFC 4954).</param>
sealed record RelayOffers(bool Pipelining, bool SmtpUtf8, bool EightBitMime, bool Dsn, bool Size, bool StartTls, IReadOnlyList<string> Logins)
{
    /// <summary>Of a relay that knows HELO alone.</summary>
    public static readonly RelayOffers None = new(false, false, false, false, false, false, []);

    public static RelayOffers Of(WireReply ehlo) => new(
        ehlo.Offers("PIPELINING"), ehlo.Offers("SMTPUTF8"), ehlo.Offers("8BITMIME"), ehlo.Offers("DSN"), ehlo.Offers("SIZE"), ehlo.Offers("STARTTLS"),
        [.. (ehlo.Line("AUTH") ?? "").Split([' ', '='], StringSplitOptions.RemoveEmptyEntries).Skip(1)]);
}
