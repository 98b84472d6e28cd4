namespace EmailApi.Relays;

/// <summary>What MAIL and RCPT say.</summary>
/// <param name="Recipients">Those that may share a transaction.</param>
/// <param name="NeedsSmtpUtf8">An address in it or in the header is not ASCII.</param>
public sealed record RelayEnvelope(string ReversePath, IReadOnlyList<string> Recipients, bool NeedsSmtpUtf8 = false)
{
    /// <summary>ENVID (RFC 3461 §4.4), which a report brings back; null: none.</summary>
    public string? Id { get; init; }

    /// <summary>NOTIFY (RFC 3461 §4.1), e.g. <c>SUCCESS,FAILURE</c>; null: as the relay likes.</summary>
    public string? Reports { get; init; }
}
