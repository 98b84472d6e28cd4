using MimeKit;

namespace EmailApi.Bounces;

/// <summary>Reads what comes back: delivery reports, complaints, automatic replies, receipts.</summary>
public static class BounceReader
{
    const int MaxForwards = 2;

    static readonly BounceReport Nothing = new(ReportKind.Other, [], new ReturnedMail(null, null, []));

    /// <summary>Reads a message, whatever its bytes are; what cannot be understood is <see cref="ReportKind.Other"/>. At most 2 MB of it
    /// are read: a report stands before the mail that it returns.</summary>
    /// <exception cref="OperationCanceledException">The caller gave up.</exception>
    public static BounceReport Read(Stream message, CancellationToken cancel)
    {
        var bytes = BoundedMessage.Read(message, cancel);
        try
        {
            return BoundedMessage.Parse(bytes, cancel) is { } parsed ? Read(parsed, forwards: 0) : Nothing;
        }
        catch (Exception e) when (e is not OperationCanceledException and not OutOfMemoryException)
        {
            return Nothing;   // strangers write these bytes: a fault of a parser must not become one of the listener
        }
    }

    static BounceReport Read(MimeMessage message, int forwards)
    {
        var parts = MessageParts.Of(message.Body);
        var subject = ReturnedHeader.Value(message.Headers, HeaderId.Subject) ?? "";

        if (Fields(parts.Feedback).Find(group => group["Feedback-Type"] is not null) is { } feedback)
            return Complaint.Read(feedback, parts, parts.Texts.FirstOrDefault());
        if (Complaint.IsMarked(parts.Returned)) return Complaint.Read(new StatusFields(), parts, parts.Texts.FirstOrDefault() ?? subject);
        if (Fields(parts.Dispositions).Find(group => group["Disposition", "Final-Recipient"] is not null) is { } disposition)
            return Receipt.Read(disposition, parts);
        if (StatusReport(message.Headers, parts) is { } report) return report;
        if (parts.Texts.Select(CloudNotice.Read).FirstOrDefault(notice => notice is not null) is { } notice) return notice;
        if (IsReport(message.Headers, subject, parts)) return FreeReport(message.Headers, parts);
        if (AutoReply.Is(message.Headers, subject)) return AutoReply.Read(message.Headers, subject);

        // Somebody, or a mailbox's rule, forwarded the report as an attachment.
        foreach (var inner in forwards < MaxForwards ? parts.Messages : [])
            if (Read(inner, forwards + 1) is { Kind: not (ReportKind.Other or ReportKind.AutoReply) } forwarded) return forwarded;
        return Nothing;
    }

    static List<StatusFields> Fields(List<string> texts) => [.. texts.SelectMany(StatusFields.Read)];

    /// <summary>RFC 3464, from its part, or from a text that has its fields because somewhere on the way the part was lost.</summary>
    static BounceReport? StatusReport(HeaderList header, MessageParts parts)
    {
        var groups = Fields(parts.Statuses);
        if (!groups.Exists(g => g.SaysHow)) groups = [.. parts.Texts.SelectMany(StatusFields.Read)];
        var about = groups.Where(g => g.SpeaksOfRecipient && g.SaysHow).Take(BounceReport.MaxRecipients).ToList();
        if (about.Count is 0) return null;

        var (report, copy) = Report(parts);
        var sections = FreeText.Sections(report, FailedRecipients(header), Others(header));
        var envelopeId = groups.Select(g => g["Original-Envelope-Id"]).FirstOrDefault(id => id is not null);
        var original = Original(parts, copy, envelopeId, groups.Select(g => g["X-Original-Message-ID"]).FirstOrDefault(id => id is not null));
        var fallback = FailedRecipients(header) is [var only] ? only : sections is [var single] ? single.Address : original.Recipients is [var to] ? to : null;

        var recipients = new List<ReportedRecipient>();
        foreach (var group in about)
        {
            var address = DeliveryStatus.Address(group) ?? fallback;
            var section = sections.Find(s => string.Equals(s.Address, address, StringComparison.OrdinalIgnoreCase));
            var words = section.Words ?? (about.Count is 1 ? report : null);
            var read = DeliveryStatus.Read(group, fallback, words is null ? null : FreeText.Said(new FreeText.Section(address ?? "", words)));
            recipients.Add(Reconsidered(read, words));
        }
        return new BounceReport(ReportKind.Bounce, recipients, original);
    }

    /// <summary>Where the diagnostic tells nothing, as with servers that keep only a reply's first line, the words for people may.</summary>
    static ReportedRecipient Reconsidered(ReportedRecipient read, string? words)
    {
        if (words is not null && read is { IsInterim: true, Type: ReportType.Temporary } && ReportWords.SaysExpired(words))
            read = read with { IsInterim = false, Type = ReportType.Permanent };   // OpenSMTPD calls it "delayed" to the end
        if (words is null || read.Type is ReportType.Delivered || Reasons.OfText(read.Diagnostic, read.Email) is not null) return read;
        if (read.Reason is BounceReason.Undetermined || (read.Status is { } status && !Reasons.IsCertain(status)))
            return Reasons.OfText(Diagnostic.OneLine(words, Reasons.MaxText), read.Email) is { } reason ? read with { Reason = reason } : read;
        return read;
    }

    static bool IsReport(HeaderList header, string subject, MessageParts parts)
    {
        var from = ReturnedHeader.Value(header, HeaderId.From) ?? "";
        var byServer = from.Trim().Trim('<', '>').Length is 0 || ReportWords.IsDaemonName(from) || AddressScan.All(from).Any(ReportWords.IsDaemon)
            || FailedRecipients(header).Count > 0;
        if (ReportWords.IsAwaySubject(subject) && !byServer) return false;
        var bySubject = ReportWords.IsReportSubject(subject);
        var byText = parts.Texts.Exists(ReportWords.IsReportOpening);
        if (byServer && (bySubject || byText || FailedRecipients(header).Count > 0)) return true;
        if (subject.StartsWith("Re:", StringComparison.OrdinalIgnoreCase) && !byServer) return false;   // a person answers, and quotes
        if (!byServer && !parts.Texts.Exists(text => AddressScan.Find(text).Any())) return false;   // parcels are not delivered either
        var refused = parts.Texts.Exists(text => Diagnostic.RefusalAt(text[..Math.Min(text.Length, Reasons.MaxText)]) >= 0);
        return (bySubject && (byText || refused)) || (byText && (refused || parts.Returned is not null)) || (byServer && refused);
    }

    /// <summary>A report for people.</summary>
    static BounceReport FreeReport(HeaderList header, MessageParts parts)
    {
        var (report, copy) = Report(parts);
        var original = Original(parts, copy, null, null);
        var sections = FreeText.Sections(report, FailedRecipients(header), Others(header));
        if (sections.Count is 0 && original.Recipients.Count is 1) sections = [new FreeText.Section(original.Recipients[0], report)];
        if (sections.Count is 0) sections = [new FreeText.Section(null, report)];

        var delayed = ReportWords.SaysDelayed((ReturnedHeader.Value(header, HeaderId.Subject) ?? "") + "\n" + report);
        return new BounceReport(ReportKind.Bounce, [.. sections.Select(section => Spoken(section, delayed))], original);
    }

    static ReportedRecipient Spoken(FreeText.Section section, bool delayed)
    {
        var said = FreeText.Said(section);
        var (status, reply) = (Diagnostic.EnhancedCode(said) ?? Diagnostic.EnhancedCode(section.Words), Diagnostic.ReplyCode(said));
        var type = status is null && reply is null && delayed ? ReportType.Temporary : DeliveryStatus.OfClass(status, reply);
        var reason = Reasons.AtStage(Reasons.Of(status, reply, said, section.Address), section.Words);
        return Reconsidered(new ReportedRecipient(section.Address, type, status, reply, reason, said) { IsInterim = delayed }, section.Words);
    }

    static (string Report, string? Copy) Report(MessageParts parts)
    {
        var all = new System.Text.StringBuilder();
        string? copy = null;
        foreach (var text in parts.Texts)
        {
            (var before, copy) = FreeText.Split(text);
            all.Append(before).Append('\n');
            if (copy is not null || all.Length > 64 * 1024) break;
        }
        return (all.ToString(), copy);
    }

    static ReturnedMail Original(MessageParts parts, string? copy, string? envelopeId, string? messageId) =>
        ReturnedHeader.ToMail(parts.Returned ?? (copy is null ? null : ReturnedHeader.Parse(copy)), ReturnedHeader.MessageId(messageId), envelopeId);

    static List<string> FailedRecipients(HeaderList header)
    {
        var addresses = new List<string>();
        foreach (var name in (ReadOnlySpan<string>)["X-Failed-Recipients", "X-Mailer-Daemon-Recipients"])
            if (addresses.Count is 0 && ReturnedHeader.Value(header, name) is { } value)
                addresses.AddRange(AddressScan.All(value).Distinct(StringComparer.OrdinalIgnoreCase).Take(BounceReport.MaxRecipients));
        return addresses;
    }

    /// <summary>Who the report is addressed to is the sender of the mail, and who wrote it is a server.</summary>
    static List<string> Others(HeaderList header)
    {
        var others = new List<string>();
        foreach (var id in (ReadOnlySpan<HeaderId>)[HeaderId.From, HeaderId.To, HeaderId.ReturnPath, HeaderId.Sender, HeaderId.ReplyTo])
            if (ReturnedHeader.Value(header, id) is { } value) others.AddRange(AddressScan.All(value));
        return others;
    }
}
