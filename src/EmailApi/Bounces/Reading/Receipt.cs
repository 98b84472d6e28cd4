namespace EmailApi.Bounces;

/// <summary>Message disposition notifications (RFC 8098), whatever was done with the mail: displayed, deleted, failed.</summary>
static class Receipt
{
    public static BounceReport Read(StatusFields disposition, MessageParts parts)
    {
        var messageId = ReturnedHeader.MessageId(disposition["Original-Message-ID"]);
        var recipient = new ReportedRecipient(DeliveryStatus.Address(disposition), ReportType.Unknown, null, null, BounceReason.Undetermined,
            Diagnostic.OneLine(disposition["Disposition"]));
        return new BounceReport(ReportKind.ReadReceipt, [recipient],
            ReturnedHeader.ToMail(parts.Returned, messageId, disposition["Original-Envelope-Id"]));
    }
}
