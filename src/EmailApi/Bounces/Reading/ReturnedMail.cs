namespace EmailApi.Bounces;

/// <summary>What a report tells of the mail that it speaks of, to find it by. Anybody can write it: it proves nothing.</summary>
/// <param name="MessageId">Without angle brackets: of the returned header, else Original-Message-ID (RFC 8098) or, in replies,
/// In-Reply-To or the last of References.</param>
/// <param name="EnvelopeId">Original-Envelope-Id (RFC 3464 §2.2.1).</param>
/// <param name="Recipients">To and Cc of the returned header.</param>
public sealed record ReturnedMail(string? MessageId, string? EnvelopeId, IReadOnlyList<string> Recipients);
