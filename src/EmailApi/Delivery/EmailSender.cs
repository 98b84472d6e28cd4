using EmailApi.Data;
using EmailApi.Emails;
using EmailApi.Projects;
using EmailApi.Relays;
using Microsoft.EntityFrameworkCore;
using Stream = EmailApi.Projects.Stream;

namespace EmailApi.Delivery;

/// <summary>Composes a claimed email, hands it to the relay and gives the outcomes to the recorder. No transaction is open meanwhile.</summary>
public sealed partial class EmailSender(
    IDbContextFactory<EmailDb> databases, ContentCodec codec, StreamCatalog streams, LaneRuns runs, OutcomeRecorder recorder, DeliveryQueue queue, DeliverySignals signals, TimeProvider clock, ILogger<EmailSender> logger)
    : IDisposable
{
    readonly CancellationTokenSource cut = new();
    int sending;

    /// <summary>Transactions under way on this node.</summary>
    public int Sending => Volatile.Read(ref sending);

    /// <summary>Begins to send; the slots that the recipients took are given back as each transaction ends.</summary>
    public void Send(RelayConnections relay, ClaimedEmail email)
    {
        foreach (var recipients in Transactions(email))
        {
            Interlocked.Increment(ref sending);
            _ = Task.Run(() => SendAsync(relay, email, recipients));
        }
    }

    /// <summary>Cuts the dialogues that outlast the stop's time; their recipients become in doubt or deferred as the dialogue stands.</summary>
    public void Cut() => cut.Cancel();

    /// <summary>Recipients share a transaction only where their bytes are equal; two spellings of one address go apart, as the library
    /// would drop the second.</summary>
    static IEnumerable<IReadOnlyList<Claimed>> Transactions(ClaimedEmail email)
    {
        if (email.Recipients.Count == 1) return [email.Recipients];
        if (email.Envelope is EnvelopeKind.Separate) return email.Recipients.Select(r => new[] { r });
        return email.Recipients
            .GroupBy(r => r.Address, StringComparer.OrdinalIgnoreCase)
            .SelectMany(same => same.Select((recipient, i) => (recipient, i)))
            .GroupBy(r => r.i, r => r.recipient)
            .Select(group => group.ToList());
    }

    async Task SendAsync(RelayConnections relay, ClaimedEmail email, IReadOnlyList<Claimed> recipients)
    {
        var startedAt = clock.GetTimestamp();
        Dialogue dialogue;
        try
        {
            dialogue = await DialogueAsync(relay, email, recipients);
        }
        catch (Exception error)
        {
            // Not the relay's doing: it would fail again in the same way.
            LogNotComposed(logger, error, EmailId.Format(email.Id));
            dialogue = new([.. recipients.Select(_ => new Outcome.Failed(SmtpStep.Connect, "not_composed"))]);
        }

        try
        {
            var endedAt = clock.GetTimestamp();
            var stream = await streams.FindAsync(email.ProjectId, email.Stream, CancellationToken.None);
            var hasStandIn = runs.HasStandIn(relay);
            for (var i = 0; i < recipients.Count; i++) recorder.Record(ResultOf(email, recipients[i], dialogue.Outcomes[i], stream, hasStandIn, FactsOf(i, endedAt)));
        }
        catch (Exception error)
        {
            // The stream's rule cannot be read: the lease dies and the sweeper settles it.
            LogNotComposed(logger, error, EmailId.Format(email.Id));
            foreach (var _ in recipients) queue.Settled(email.Token);
        }
        finally
        {
            relay.Release(recipients.Count);
            Interlocked.Decrement(ref sending);
            signals.Wake(relay.Relay.Name);
        }

        AttemptFacts FactsOf(int i, long endedAt) => new(relay.Relay.Name, dialogue.Outcomes[i].Step, startedAt, endedAt, dialogue.Tls)
        {
            Conversation = dialogue.Outcomes[i].IsTaken && !relay.Relay.KeepConversations ? null : dialogue.Conversation,
        };
    }

    async Task<Dialogue> DialogueAsync(RelayConnections relay, ClaimedEmail email, IReadOnlyList<Claimed> recipients)
    {
        if (email.Document is null) return new([.. recipients.Select(_ => new Outcome.Failed(SmtpStep.Connect, "content_gone"))]);

        var (content, blobs) = await codec.UnpackAsync(email.Document, email.IsProtected, async hashes =>
        {
            await using var db = await databases.CreateDbContextAsync();
            return await db.BlobsAsync(email.ProjectId, hashes, CancellationToken.None);
        });
        var only = email.Envelope is EnvelopeKind.Separate ? new Mailbox(recipients[0].Address, recipients[0].Name) : null;
        using var message = MimeComposer.Compose(content, email.InternetMessageId, email.Date, part => new MemoryStream(blobs[part.Hash]), only);
        var needsSmtpUtf8 = MimeComposer.NeedsSmtpUtf8(content, only) || recipients.Any(r => Address.NeedsSmtpUtf8(r.Address));
        return await relay.SendAsync(message, needsSmtpUtf8, email.FromAddress, [.. recipients.Select(r => r.Address)], cut.Token);
    }

    static Result ResultOf(ClaimedEmail email, Claimed recipient, Outcome outcome, Stream? stream, bool hasStandIn, AttemptFacts attempt) =>
        new(email.Id, recipient.N, email.Token, Transition.Of(outcome, recipient.Attempts + 1, recipient.Doubts, stream?.InDoubt ?? InDoubtRule.Retry, stream?.Retry, hasStandIn))
        {
            Attempt = attempt,
            IsDoubt = outcome is Outcome.InDoubt,
            IsSensitive = email.IsProtected,
            Number = recipient.Attempts + 1,
            Reply = outcome switch
            {
                Outcome.Replied replied => replied.Reply,
                Outcome.Failed failed => failed.Reply,
                Outcome.Lost lost => RelayReply.None(lost.Text),
                Outcome.InDoubt doubt => RelayReply.None(doubt.Text),
                _ => null,
            },
        };

    public void Dispose() => cut.Dispose();

    [LoggerMessage(Level = LogLevel.Error, Message = "{Email} could not be sent, and the relay is not the reason")]
    static partial void LogNotComposed(ILogger logger, Exception error, string email);
}
