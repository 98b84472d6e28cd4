using System.Runtime.InteropServices;
using EmailApi.Data;
using EmailApi.Emails;
using EmailApi.Http;
using EmailApi.Suppressions;

namespace EmailApi.Bounces;

/// <summary>By which way a report came, and whose mail it may speak of.</summary>
/// <param name="Way">A word for the figures: <c>smtp</c>, <c>imap</c> or <c>http</c>.</param>
/// <param name="Tag">The return path that it was sent to.</param>
/// <param name="NeedsTag">Anybody can send here: without a tag nothing is believed.</param>
public sealed record ReportSource(string Way, ReturnTag? Tag = null, bool NeedsTag = false)
{
    /// <summary>Only mail of this project; null: of any.</summary>
    public int? ProjectId { get; init; }
    /// <summary>Only mail of this key; null: of any.</summary>
    public string? KeyId { get; init; }
    /// <summary>Only mail of test keys.</summary>
    public bool IsTest { get; init; }
    /// <summary>Reads and answers, and changes nothing.</summary>
    public bool IsDryRun { get; init; }
}

/// <summary>A recipient of a mail of ours that a report speaks of.</summary>
/// <param name="IsProven">A tag names it; else the report does, which anybody can write who has seen the mail.</param>
public sealed record MatchedRecipient(int ProjectId, Guid EmailId, int N, string Address, string Stream, RecipientState State, bool IsProven, bool IsTest)
{
    /// <summary>Whom it went to is to be known no more: neither from the report.</summary>
    public bool IsErased => Address == EraseEmail.Erased;
}

/// <summary>What became of a report.</summary>
public enum ReportEffect
{
    /// <summary>It speaks of no mail of ours.</summary>
    Unmatched,
    /// <summary>It says nothing new, or nothing that changes a recipient.</summary>
    Unchanged,
    /// <summary>The mail is still being handed to the relay: it says it again later, and then it counts.</summary>
    TooEarly,
    Changed,
}

/// <summary>What a message says.</summary>
/// <param name="Tag">The valid return path that stands in it.</param>
public sealed record ReadReport(BounceReport Report, ReturnTag? Tag);

public sealed record TakenReport(BounceReport Report, MatchedRecipient? Matched, ReportEffect Effect);

/// <summary>The one acceptor of what comes back: reads it, finds the recipient that it speaks of, and records what became of it.</summary>
public sealed class ReportIntake(EngineDatabase database, ReturnPath returnPath, SuppressedProjects suppressed, ReportMetrics metrics)
{
    /// <summary>What is read of a message: beyond it there is at most the mail that comes back whole.</summary>
    public const int MaxBytes = BoundedMessage.MaxBytes;

    /// <summary>Reads a message once, for however many it came to and however often it is taken.</summary>
    /// <param name="message">The message, or its first <see cref="MaxBytes"/>.</param>
    public ReadReport Read(ReadOnlyMemory<byte> message, CancellationToken cancel)
    {
        using var stream = MemoryMarshal.TryGetArray(message, out var bytes) ? new MemoryStream(bytes.Array!, bytes.Offset, bytes.Count, writable: false) : new MemoryStream(message.ToArray());
        return new(BounceReader.Read(stream, cancel), returnPath.Find(message.Span));
    }

    public async Task<TakenReport> TakeAsync(ReadReport read, ReportSource source, CancellationToken cancel)
    {
        var taken = await TakeAsync(read.Report, source.Tag ?? read.Tag, source, cancel);
        if (!source.IsDryRun) metrics.Took(source.Way, taken);
        return taken;
    }

    async Task<TakenReport> TakeAsync(BounceReport report, ReturnTag? tag, ReportSource source, CancellationToken cancel)
    {
        var id = tag?.EmailId ?? (source.NeedsTag ? null : EmailOf(report.Original.MessageId));
        if (id is not { } emailId) return new(report, null, ReportEffect.Unmatched);

        var candidates = await ReportSql.FindAsync(database.Source, emailId, tag is not null, source, cancel);
        var pairs = (tag is { } proven ? Proven(report, candidates.Find(c => c.N == proven.N)) : Named(report, candidates)).ToList();
        if (pairs.Count == 0) return new(report, null, ReportEffect.Unmatched);

        var effect = ReportEffect.Unchanged;
        foreach (var (recipient, said) in pairs)
        {
            if (report.Kind is ReportKind.ReadReceipt)
            {
                if (source.IsDryRun || said?.Disposition is not { } disposition || recipient.IsErased) continue;
                if (recipient.State is RecipientState.Sending) return new(report, recipient, ReportEffect.TooEarly);
                if (await ReportSql.TellReceiptAsync(database.Source, recipient, disposition, cancel)) effect = ReportEffect.Changed;
                continue;
            }

            var change = Change.Of(report.Kind, recipient.IsErased ? said?.WithoutWords() : said);
            if (change is null || source.IsDryRun) continue;
            if (recipient.State is RecipientState.Sending) return new(report, recipient, ReportEffect.TooEarly);
            var suppression = SuppressionOf(recipient, change);
            if (!await ReportSql.ApplyAsync(database.Source, recipient, change, suppression, cancel)) continue;
            effect = ReportEffect.Changed;
            if (suppression is not null) suppressed.Added(recipient.ProjectId);
        }

        return new(report, pairs[0].Recipient, effect);
    }

    /// <summary>An address that does not exist is one for the whole project; who complains of a newsletter still wants the one-time password. Only what is proven suppresses, and nothing
    /// that never left the machine.</summary>
    static NewSuppression? SuppressionOf(MatchedRecipient recipient, Change change) => !change.Suppresses || !recipient.IsProven || recipient.IsTest || recipient.IsErased ? null
        : change.State is RecipientState.Complained ? new(recipient.ProjectId, recipient.Stream, recipient.Address, change.Reason.Word(), SuppressionSource.Complaint, EmailId: recipient.EmailId)
        : new(recipient.ProjectId, null, recipient.Address, change.Reason.Word(), SuppressionSource.Bounce, EmailId: recipient.EmailId);

    /// <summary>Whatever address the report names: forwarders write their own.</summary>
    static IEnumerable<(MatchedRecipient Recipient, ReportedRecipient? Said)> Proven(BounceReport report, MatchedRecipient? recipient)
    {
        if (recipient is null) yield break;
        var key = Address.Key(recipient.Address);
        var said = report.Recipients.FirstOrDefault(r => r.Email is { } email && IsSame(email, key))
            ?? report.Recipients.MinBy(r => r.IsInterim ? ReportType.Unknown : r.Type);   // the worst of those that it was handed on to
        yield return (recipient, said);
    }

    /// <summary>Those whose addresses the report names; where it names none, the mail's only one.</summary>
    static IEnumerable<(MatchedRecipient Recipient, ReportedRecipient? Said)> Named(BounceReport report, List<MatchedRecipient> candidates)
    {
        if (candidates.Count == 1 && report.Recipients.All(r => r.Email is null)) return [(candidates[0], report.Recipients is [var said, ..] ? said : null)];
        return from recipient in candidates
               let key = Address.Key(recipient.Address)
               let named = report.Recipients.FirstOrDefault(r => r.Email is { } email && IsSame(email, key))
               where named is not null
               select (recipient, (ReportedRecipient?)named);
    }

    static bool IsSame(string email, string key) => Address.TryParse(email, out var address, out _) && Address.Key(address) == key;

    /// <summary>Our Message-IDs begin with the email's id.</summary>
    static Guid? EmailOf(string? messageId) =>
        messageId is { Length: > 33 } && messageId[32] == '@' && Guid.TryParseExact(messageId.AsSpan(0, 32), "n", out var id) ? id : null;
}
