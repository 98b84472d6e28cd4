using EmailApi.Bounces;
using EmailApi.Data;
using EmailApi.Delivery.Journal;
using EmailApi.Emails;
using EmailApi.Operations;
using EmailApi.Projects;
using EmailApi.Relays;
using EmailApi.Suppressions;
using EmailApi.Tracking;
using Microsoft.EntityFrameworkCore;
using Stream = EmailApi.Projects.Stream;

namespace EmailApi.Delivery;

/// <summary>Composes a claimed email, hands it to the relay and gives the outcomes to the recorder. No transaction is open meanwhile.</summary>
public sealed partial class EmailSender(
    IDbContextFactory<EmailDb> databases, ContentCodec codec, ReturnPath returnPath, TrackedCopies copies, StreamCatalog streams, LaneRuns runs, TakenJournal journal, OutcomeRecorder recorder, DeliveryQueue queue, DeliverySignals signals, TimeProvider clock, ILogger<EmailSender> logger)
    : IDisposable
{
    /// <summary>After its limit a dialogue is given so long to end.</summary>
    static readonly TimeSpan HungAfter = TimeSpan.FromSeconds(10);
    static readonly TimeSpan AskAgain = TimeSpan.FromMilliseconds(300);

    readonly CancellationTokenSource cut = new();
    int sending;

    /// <summary>Transactions under way on this node.</summary>
    public int Sending => Volatile.Read(ref sending);

    /// <summary>Begins to send; the slots that the recipients took are given back as each transaction ends.</summary>
    public void Send(RelayConnections relay, ClaimedEmail email)
    {
        if (email.Recipients.Any(r => r.Suppressed is not null)) email = WithoutSuppressed(relay, email);
        if (email.Recipients.Count == 0) return;
        // Recipients share a transaction only where their bytes and return paths are equal.
        var isPersonal = email.Envelope is EnvelopeKind.Separate || returnPath.IsOn || email.Tracked?.IsPersonal() is true;
        foreach (var recipients in isPersonal ? email.Recipients.Select(r => (IReadOnlyList<Claimed>)[r]) : [email.Recipients])
        {
            Interlocked.Increment(ref sending);
            _ = SendAsync(relay, email, recipients);
        }
    }

    /// <summary>Ends the recipients that were suppressed since they were accepted; the others go on.</summary>
    ClaimedEmail WithoutSuppressed(RelayConnections relay, ClaimedEmail email)
    {
        foreach (var recipient in email.Recipients.Where(r => r.Suppressed is not null))
            recorder.Record(new(email.Id, recipient.N, email.Token, new(RecipientState.Suppressed, Reason: recipient.Suppressed!.Reason))
            {
                Suppressed = recipient.Suppressed,
                IsSensitive = email.IsProtected,
            });
        relay.Release(email.Recipients.Count(r => r.Suppressed is not null));
        return email with { Recipients = [.. email.Recipients.Where(r => r.Suppressed is null)] };
    }

    /// <summary>Cuts the dialogues that outlast the stop's time; their recipients become in doubt or deferred as the dialogue stands.</summary>
    public void Cut() => cut.Cancel();

    async Task SendAsync(RelayConnections relay, ClaimedEmail email, IReadOnlyList<Claimed> recipients)
    {
        using var span = Traces.Deliver(email, relay.Relay.Name, recipients.Count);
        var startedAt = clock.GetTimestamp();
        var dialogue = await TryAsync(relay, email, recipients);
        span.End(dialogue.Outcomes);
        var endedAt = clock.GetTimestamp();
        var kept = recipients.Select((r, i) => dialogue.Outcomes[i] is Outcome.Replied { IsTaken: true } taken ? Keep(r, taken.Reply) : null).ToList();
        try
        {
            // What was taken is recorded whatever the stream's rules are; the others' wait with their results for a database that is away.
            Record(areTaken: true, stream: null);
            if (dialogue.Outcomes.All(o => o.IsTaken)) return;
            Record(areTaken: false, await PatientlyAsync(c => streams.FindAsync(email.ProjectId, email.Stream, c).AsTask(), cut.Token));
        }
        catch (Exception error)
        {
            // The stream's rule cannot be read: the lease dies and the sweeper settles it.
            LogNotSent(logger, error, EmailId.Format(email.Id));
            foreach (var _ in dialogue.Outcomes.Where(o => !o.IsTaken)) queue.Settled(email.Token);
        }
        finally
        {
            relay.Release(recipients.Count);
            Interlocked.Decrement(ref sending);
            signals.Wake(relay.Relay.Name);
        }

        void Record(bool areTaken, Stream? stream)
        {
            var hasStandIn = runs.HasStandIn(relay);
            for (var i = 0; i < recipients.Count; i++)
            {
                if (dialogue.Outcomes[i].IsTaken != areTaken) continue;
                recorder.Record(ResultOf(email, recipients[i], dialogue.Outcomes[i], stream, hasStandIn, FactsOf(i)) with
                {
                    Kept = kept[i],
                    Suppress = RelayVerdict.Suppresses(dialogue.Outcomes[i], relay.Relay.Name) is { } reason
                        ? new(email.ProjectId, null, recipients[i].Address, reason, SuppressionSource.Bounce, EmailId: email.Id) : null,
                });
            }
        }

        AttemptFacts FactsOf(int i) => new(relay.Relay.Name, dialogue.Outcomes[i].Step, startedAt, endedAt, dialogue.Tls)
        {
            Conversation = dialogue.Outcomes[i].IsTaken && !relay.Relay.KeepConversations ? null : dialogue.Conversation,
        };

        TakenFile? Keep(Claimed recipient, RelayReply reply)
        {
            var now = clock.GetUtcNow();
            return journal.Keep(new(email.Id, recipient.N, email.Token, relay.Relay.Name, now - clock.GetElapsedTime(startedAt), now, reply, dialogue.Tls));
        }
    }

    /// <summary>A mail that throws or hangs here would do so again and take a connection each time: that is counted, and the third time is its last.</summary>
    async Task<Dialogue> TryAsync(RelayConnections relay, ClaimedEmail email, IReadOnlyList<Claimed> recipients)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cut.Token);
        limit.CancelAfter(relay.Relay.MailTimeout);
        var phase = Phase.Prepared;
        try
        {
            // Past the limit the dialogue ends by itself and knows how it stands; only code that never comes back is left behind.
            return await Task.Run(() => DialogueAsync(relay, email, recipients, to => phase = to, limit.Token)).WaitAsync(relay.Relay.MailTimeout + HungAfter, clock);
        }
        catch (OperationCanceledException) when (cut.IsCancellationRequested)
        {
            return All(new Outcome.Lost(SmtpStep.Connect, "The server was stopping."));
        }
        catch (Exception error)
        {
            LogNotSent(logger, error, EmailId.Format(email.Id));
            if (phase is Phase.AtRelay && error is TimeoutException) return All(new Outcome.InDoubt("The dialogue never ended."));
            if (phase is Phase.Waiting && error is OperationCanceledException or TimeoutException) return All(new Outcome.Lost(SmtpStep.Connect, "Other large mail was being sent all the time."));
            return All(new Outcome.Broken(error switch
            {
                OperationCanceledException or TimeoutException => $"It was not ready to be sent within {relay.Relay.MailTimeout.TotalSeconds:0} s.",
                _ => $"It could not be made ready to be sent ({error.GetType().Name}).",
            }));
        }

        Dialogue All(Outcome outcome) => new([.. recipients.Select(_ => outcome)]);
    }

    async Task<Dialogue> DialogueAsync(RelayConnections relay, ClaimedEmail email, IReadOnlyList<Claimed> recipients, Action<Phase> enter, CancellationToken cancel)
    {
        if (email.Document is null) return new([.. recipients.Select(_ => new Outcome.Failed(SmtpStep.Connect, "content_gone"))]);

        IDisposable? share = null;   // of the memory for large content, until the dialogue is over
        try
        {
            var (content, blobs) = await codec.UnpackAsync(email.Document, email.IsProtected, LoadAsync);
            if (email.Tracked is { } tracked) content = copies.Of(content, tracked, new(email.ProjectId, email.Id, recipients[0].N), email.Date);
            var only = email.Envelope is EnvelopeKind.Separate ? new Mailbox(recipients[0].Address, recipients[0].Name) : null;
            using var message = MimeComposer.Compose(content, email.InternetMessageId, email.Date, part => new MemoryStream(blobs[part.Hash]), only);
            enter(Phase.AtRelay);
            return await relay.SendAsync(message, EnvelopeOf(email, recipients, MimeComposer.NeedsSmtpUtf8(content, only)), cancel);
        }
        finally
        {
            share?.Dispose();
        }

        async Task<IReadOnlyDictionary<string, byte[]>> LoadAsync(IReadOnlyList<byte[]> hashes, long bytes)
        {
            enter(Phase.Waiting);
            share = await relay.Contents.TakeAsync(bytes, cancel);
            enter(Phase.Prepared);
            return await PatientlyAsync(async c =>
            {
                await using var db = await databases.CreateDbContextAsync(c);
                return await db.BlobsAsync(email.ProjectId, hashes, c);
            }, cancel);
        }
    }

    RelayEnvelope EnvelopeOf(ClaimedEmail email, IReadOnlyList<Claimed> recipients, bool isHeaderUtf8)
    {
        var addresses = recipients.Select(r => r.Address).ToList();
        var needsSmtpUtf8 = isHeaderUtf8 || addresses.Any(Address.NeedsSmtpUtf8);
        if (!returnPath.IsOn) return new(email.FromAddress, addresses, needsSmtpUtf8);

        // Programs tell by themselves that a mail was read only where the notice goes to the return path (RFC 8098 §2.1): one tag for both, the same on each attempt.
        var tag = email.Tracked is { } tracked && tracked.HasFlag(Tracked.ReturnReceipt) ? returnPath.TagOf(email.Id, recipients[0].N, email.Date) : returnPath.TagOf(email.Id, recipients[0].N);
        return new(returnPath.Of(tag), addresses, needsSmtpUtf8) { Id = tag, Reports = returnPath.Reports };
    }

    /// <summary>Asks again while the database is away, which is not the mail's doing.</summary>
    static async Task<T> PatientlyAsync<T>(Func<CancellationToken, Task<T>> ask, CancellationToken cancel)
    {
        while (true)
        {
            try
            {
                return await ask(cancel);
            }
            catch (Exception error) when (DatabaseTrouble.IsUnavailable(error) && !cancel.IsCancellationRequested)
            {
                await Task.Delay(AskAgain, cancel);
            }
        }
    }

    static Result ResultOf(ClaimedEmail email, Claimed recipient, Outcome outcome, Stream? stream, bool hasStandIn, AttemptFacts attempt) =>
        new(email.Id, recipient.N, email.Token,
            Transition.Of(outcome, recipient.Attempts + 1, recipient.Doubts, stream?.InDoubt ?? InDoubtRule.Retry, stream?.Retry, hasStandIn, recipient.Claims))
        {
            Attempt = attempt,
            IsDoubt = outcome is Outcome.InDoubt,
            IsBroken = outcome is Outcome.Broken,
            IsSensitive = email.IsProtected,
            Number = recipient.Attempts + 1,
            Reply = outcome switch
            {
                Outcome.Replied replied => replied.Reply,
                Outcome.Failed failed => failed.Reply,
                Outcome.Lost lost => RelayReply.None(lost.Text),
                Outcome.InDoubt doubt => RelayReply.None(doubt.Text),
                Outcome.Broken broken => RelayReply.None(broken.Text),
                _ => null,
            },
        };

    public void Dispose() => cut.Dispose();

    /// <summary>Where a mail is on its way to the relay.</summary>
    enum Phase
    {
        Prepared,
        /// <summary>For memory that other large mail holds, which is not its doing.</summary>
        Waiting,
        AtRelay,
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "{Email} could not be sent, and the relay is not the reason")]
    static partial void LogNotSent(ILogger logger, Exception error, string email);
}
