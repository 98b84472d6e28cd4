namespace EmailApi.Bounces;

/// <summary>Abuse reports (RFC 5965). Types that accuse nobody are no complaints: "not-spam", and the reports of receivers on
/// authentication (RFC 6591, "auth-failure").</summary>
static class Complaint
{
    /// <summary>Hotmail's loop has no report part: a field of the mail that comes back names who complained.</summary>
    public const string HotmailRecipient = "X-HmXmrOriginalRecipient";

    public static bool IsMarked(MimeKit.HeaderList? returned) => returned is not null && returned.IndexOf(HotmailRecipient) >= 0;

    public static BounceReport Read(StatusFields feedback, MessageParts parts, string? text)
    {
        var original = ReturnedHeader.ToMail(parts.Returned, null, feedback["Original-Envelope-Id"]);
        var kind = feedback["Feedback-Type"]?.Trim().ToUpperInvariant();
        if (kind is "NOT-SPAM" or "AUTH-FAILURE" or "DKIM" or "DMARC") return new BounceReport(ReportKind.Other, [], original);

        var recipients = new List<string?>();
        foreach (var field in (ReadOnlySpan<string>)["Original-Rcpt-To", "Removal-Recipient", HotmailRecipient, "Final-Recipient"])
        {
            if (recipients.Count > 0) break;
            recipients.AddRange(feedback.All(field).Select(DeliveryStatus.MailAddress).Where(a => a is not null));
        }
        if (recipients.Count is 0 && parts.Returned is { } header
            && ReturnedHeader.Value(header, HotmailRecipient) is { } hotmail) recipients.Add(DeliveryStatus.MailAddress(hotmail));
        if (recipients.Count is 0 && original.Recipients.Count is 1) recipients.Add(original.Recipients[0]);
        if (recipients.Count is 0) recipients.Add(null);   // redacted: the mail is known, the person is not

        var said = Diagnostic.OneLine($"{feedback["Feedback-Type"]} {text}");
        return new BounceReport(ReportKind.Complaint,
            [.. recipients.Distinct(StringComparer.OrdinalIgnoreCase).Take(BounceReport.MaxRecipients)
                .Select(address => new ReportedRecipient(address, ReportType.Permanent, null, null, BounceReason.Complaint, said))], original);
    }
}
