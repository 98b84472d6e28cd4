using System.Runtime.CompilerServices;
using System.Text.Json;

namespace EmailApi.Client;

/// <summary>An EmailApi server. Safe for use from several threads.</summary>
/// <remarks>
/// A failed connection, 408, 429, 502, 503 and 504 are tried again, see <see cref="EmailApiOptions"/>; what is refused for good, and what fails
/// to the last try, is an <see cref="EmailApiException"/>. Every method throws <see cref="OperationCanceledException"/> when its token is
/// canceled, and <see cref="ArgumentException"/> for an argument that no server would take.
/// </remarks>
public sealed partial class EmailApiClient
{
    const int MaxKeyLength = 255;
    const int PageSize = 100;
    static readonly TimeSpan FirstPoll = TimeSpan.FromMilliseconds(200);
    static readonly TimeSpan SlowestPoll = TimeSpan.FromSeconds(5);
    static readonly TimeSpan DefaultWait = TimeSpan.FromMinutes(5);

    readonly ApiConnection api;
    readonly TimeProvider clock;

    /// <param name="http">Stays the caller's, to dispose; its <see cref="HttpClient.Timeout"/> limits a try as well.</param>
    /// <param name="options">Leave them as they are from here on.</param>
    /// <param name="clock">The system's when left out.</param>
    /// <exception cref="ArgumentException">An option is wrong; the message says which, and what would be right.</exception>
    public EmailApiClient(HttpClient http, EmailApiOptions options, TimeProvider? clock = null)
    {
        ArgumentNullException.ThrowIfNull(http);
        ArgumentNullException.ThrowIfNull(options);
        var faults = options.Faults(http.BaseAddress).ToList();
        if (faults.Count > 0) throw new ArgumentException(string.Join(' ', faults), nameof(options));

        this.clock = clock ?? TimeProvider.System;
        var address = (options.BaseAddress ?? http.BaseAddress)!.AbsoluteUri;
        api = new(http, new Uri(address.EndsWith('/') ? address : address + "/"), options, this.clock);
    }

    /// <summary>Sends a mail: it is stored when this returns, and delivered after that.</summary>
    /// <param name="mail">What is sent.</param>
    /// <param name="idempotencyKey">Names this mail among yours, e.g. <c>order-4711</c>: 1 to 255 printable ASCII characters. Within 24 h a call
    /// with the same key and mail gets the first answer again. Left out, one is made for this call, so that its own tries make one mail.</param>
    /// <param name="cancel">A send that is canceled may have been stored.</param>
    /// <exception cref="EmailApiException"><c>validation</c>: see its errors. <c>idempotency_mismatch</c>: the key was used for another mail.</exception>
    public async Task<SendEmailResponse> SendAsync(SendEmailRequest mail, string? idempotencyKey = null, CancellationToken cancel = default)
    {
        ArgumentNullException.ThrowIfNull(mail);
        var body = JsonSerializer.SerializeToUtf8Bytes(mail, EmailApiJson.Wire.SendEmailRequest);
        var answer = await api.SendAsync(new(HttpMethod.Post, "v1/emails", body, KeyOf(idempotencyKey)), cancel).ConfigureAwait(false);
        return answer.Read(EmailApiJson.Wire.SendEmailResponse) with { IsReplayed = answer.IsReplayed };
    }

    /// <summary>Sends up to 1,000 mails, stored together.</summary>
    /// <param name="mails">1 to 1,000; together at most 40 MB on the wire.</param>
    /// <param name="mode">Whether one wrong mail stops all.</param>
    /// <param name="idempotencyKey">Names the whole batch, as in <see cref="SendAsync"/>.</param>
    /// <param name="cancel">A batch that is canceled may have been stored.</param>
    /// <exception cref="EmailApiException"><c>validation</c>, when strict: every fault, by pointers such as <c>#/3/to/0</c>.</exception>
    public async Task<SendBatchResponse> SendBatchAsync(
        IReadOnlyList<SendEmailRequest> mails, BatchMode mode = BatchMode.Strict, string? idempotencyKey = null, CancellationToken cancel = default)
    {
        ArgumentNullException.ThrowIfNull(mails);
        var body = JsonSerializer.SerializeToUtf8Bytes(mails, EmailApiJson.Wire.IReadOnlyListSendEmailRequest);
        var path = mode is BatchMode.Permissive ? "v1/emails/batch?mode=permissive" : "v1/emails/batch";
        var answer = await api.SendAsync(new(HttpMethod.Post, path, body, KeyOf(idempotencyKey)), cancel).ConfigureAwait(false);
        return answer.Read(EmailApiJson.Wire.SendBatchResponse) with { IsReplayed = answer.IsReplayed };
    }

    /// <summary>A mail and the state of each of its recipients.</summary>
    /// <exception cref="EmailApiException"><c>not_found</c>.</exception>
    public Task<Email> GetAsync(string id, CancellationToken cancel = default) => EmailOfAsync(ApiRequest.Get(PathOf(id)), cancel);

    /// <summary>One page of the log of accepted mail, newest first.</summary>
    /// <param name="filter">Null: all mail of the project.</param>
    /// <param name="after">The <see cref="ListedEmailPage.NextCursor"/> of the page before, asked with the same filter; null starts at the newest.</param>
    /// <param name="limit">1 to 100.</param>
    /// <exception cref="EmailApiException"><c>bad_request</c>: the filter is wrong; <c>bad_cursor</c>.</exception>
    public async Task<ListedEmailPage> ListAsync(EmailFilter? filter = null, string? after = null, int limit = PageSize, CancellationToken cancel = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(limit, PageSize);
        var path = $"v1/emails?limit={limit}{filter?.ToQuery()}";
        if (after is not null) path += $"&after={Uri.EscapeDataString(after)}";
        return (await api.SendAsync(ApiRequest.Get(path), cancel).ConfigureAwait(false)).Read(EmailApiJson.Wire.ListedEmailPage);
    }

    /// <summary>All mail that a filter finds, newest first, page by page as it is read. What is accepted meanwhile is not among it.</summary>
    /// <param name="filter">Null: all mail of the project.</param>
    /// <exception cref="EmailApiException"><c>bad_request</c>: the filter is wrong.</exception>
    public async IAsyncEnumerable<ListedEmail> ListAllAsync(EmailFilter? filter = null, [EnumeratorCancellation] CancellationToken cancel = default)
    {
        string? after = null;
        do
        {
            var page = await ListAsync(filter, after, PageSize, cancel).ConfigureAwait(false);
            foreach (var email in page.Data) yield return email;
            after = page.NextCursor;
        }
        while (after is not null);
    }

    /// <summary>Cancels the recipients that nothing was sent to yet; one that is being sent just now goes on.</summary>
    /// <returns>The mail after that.</returns>
    /// <exception cref="EmailApiException"><c>wrong_state</c>: there was nothing left to cancel.</exception>
    public async Task<Email> CancelAsync(string id, CancellationToken cancel = default)
    {
        try
        {
            return await EmailOfAsync(new(HttpMethod.Post, PathOf(id, "/cancel")), cancel).ConfigureAwait(false);
        }
        catch (EmailApiException error) when (error is { Code: "wrong_state", FollowsLostAnswer: true })
        {
            // Perhaps the try whose answer was lost did it.
            var email = await GetAsync(id, cancel).ConfigureAwait(false);
            if (email.Recipients.Any(r => r.Status == EmailStatus.Canceled)) return email;
            throw;
        }
    }

    /// <summary>Tries at once what is deferred, in doubt, bounced, failed or expired. To retry a mail in doubt may make a second copy.</summary>
    /// <remarks>Not tried again when the answer is lost or is 408, 502, 503 or 504: asking twice could send twice. <see cref="GetAsync"/> shows
    /// what became of it.</remarks>
    /// <exception cref="EmailApiException"><c>wrong_state</c>; <c>content_gone</c>.</exception>
    public Task<Email> RetryAsync(string id, CancellationToken cancel = default) =>
        EmailOfAsync(new(HttpMethod.Post, PathOf(id, "/retry"), MayRepeat: false), cancel);

    /// <summary>Gives a mail another time, as long as nothing of it was tried.</summary>
    /// <param name="sendAt">At most one year ahead; up to 5 minutes past means now.</param>
    /// <param name="expiresAt">When trying ends; left out: the stream's life after <paramref name="sendAt"/>.</param>
    /// <exception cref="EmailApiException"><c>wrong_state</c>; <c>validation</c>.</exception>
    public Task<Email> RescheduleAsync(string id, DateTimeOffset sendAt, DateTimeOffset? expiresAt = null, CancellationToken cancel = default) =>
        EmailOfAsync(new(HttpMethod.Patch, PathOf(id), JsonSerializer.SerializeToUtf8Bytes(new(sendAt, expiresAt), EmailApiJson.Wire.RescheduleRequest)), cancel);

    /// <summary>What was asked to be sent, attachments included.</summary>
    /// <exception cref="EmailApiException"><c>content_gone</c>: its time is over, or it was sensitive and is sent.</exception>
    public async Task<EmailContent> GetContentAsync(string id, CancellationToken cancel = default) =>
        (await api.SendAsync(ApiRequest.Get(PathOf(id, "/content")), cancel).ConfigureAwait(false)).Read(EmailApiJson.Wire.EmailContent);

    /// <summary>The message as a relay gets it (message/rfc822); with separate envelopes, the first recipient's copy.</summary>
    /// <exception cref="EmailApiException"><c>content_gone</c>.</exception>
    public async Task<byte[]> GetRawAsync(string id, CancellationToken cancel = default) =>
        (await api.SendAsync(ApiRequest.Get(PathOf(id, "/raw")), cancel).ConfigureAwait(false)).Body;

    /// <summary>One page of the feed that has every event of the project once, in order.</summary>
    /// <param name="after">The <see cref="EventPage.NextCursor"/> or <see cref="EmailEvent.Cursor"/> of an earlier answer; null starts at the
    /// oldest event kept.</param>
    /// <param name="limit">1 to 100.</param>
    /// <param name="types">Only these, e.g. <c>email.bounced</c>; null: all.</param>
    /// <exception cref="EmailApiException"><c>bad_cursor</c>.</exception>
    public async Task<EventPage> GetEventsAsync(
        string? after = null, int limit = PageSize, IReadOnlyCollection<string>? types = null, CancellationToken cancel = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(limit, PageSize);
        var path = $"v1/events?limit={limit}";
        if (after is not null) path += $"&after={Uri.EscapeDataString(after)}";
        if (types is { Count: > 0 }) path += $"&types={Uri.EscapeDataString(string.Join(',', types))}";
        return (await api.SendAsync(ApiRequest.Get(path), cancel).ConfigureAwait(false)).Read(EmailApiJson.Wire.EventPage);
    }

    /// <summary>Every event of the project from a cursor on, page by page as they are read.</summary>
    /// <param name="after">Where to go on, see <see cref="EmailEvent.Cursor"/>; null starts at the oldest event kept.</param>
    /// <param name="types">Only these, e.g. <c>email.bounced</c>; null: all.</param>
    /// <param name="poll">Null ends when there is nothing new. Otherwise it never ends: it asks again after so long, 0.1 s at least.</param>
    /// <exception cref="EmailApiException"><c>bad_cursor</c>.</exception>
    public async IAsyncEnumerable<EmailEvent> ListEventsAsync(
        string? after = null, IReadOnlyCollection<string>? types = null, TimeSpan? poll = null, [EnumeratorCancellation] CancellationToken cancel = default)
    {
        if (poll is { } wait) ArgumentOutOfRangeException.ThrowIfLessThan(wait, TimeSpan.FromSeconds(0.1), nameof(poll));
        while (true)
        {
            var page = await GetEventsAsync(after, PageSize, types, cancel).ConfigureAwait(false);
            for (var i = 0; i < page.Data.Count; i++)
                yield return page.Data[i] with { Cursor = i == page.Data.Count - 1 ? page.NextCursor : after };   // a cursor names the end of a page only

            after = page.NextCursor;
            if (page.Data.Count > 0) continue;
            if (poll is null) yield break;
            await Task.Delay(poll.Value, clock, cancel).ConfigureAwait(false);
        }
    }

    /// <summary>Asks for a mail until it is as wished: after 0.2 s, then ever slower, at last every 5 s.</summary>
    /// <param name="until">The mail's status to wait for; null: all recipients are final. When it can no longer come, the mail is returned as it
    /// is, so look at its status.</param>
    /// <param name="timeout">5 minutes when left out. A deferred mail can take days: for those, read events.</param>
    /// <exception cref="TimeoutException">It was not so in time; the message says how it was last.</exception>
    /// <exception cref="EmailApiException"><c>not_found</c>.</exception>
    public async Task<Email> WaitAsync(string id, EmailStatus? until = null, TimeSpan? timeout = null, CancellationToken cancel = default)
    {
        var limit = timeout ?? DefaultWait;
        ArgumentOutOfRangeException.ThrowIfLessThan(limit, TimeSpan.Zero, nameof(timeout));
        var start = clock.GetTimestamp();
        var pause = FirstPoll;
        while (true)
        {
            var email = await GetAsync(id, cancel).ConfigureAwait(false);
            if (email.Status == until || IsOver(email, until)) return email;

            var left = limit - clock.GetElapsedTime(start);
            if (left <= TimeSpan.Zero)
                throw new TimeoutException($"{id} is {email.Status} after {limit}; waited for {(until is { } wished ? wished : "all recipients to be final")}.");
            await Task.Delay(pause < left ? pause : left, clock, cancel).ConfigureAwait(false);
            pause = pause * 1.5 < SlowestPoll ? pause * 1.5 : SlowestPoll;
        }
    }

    /// <summary>Whether a mail stays as it is. <c>sent</c> does not, for who waits for what may follow it.</summary>
    static bool IsOver(Email email, EmailStatus? until)
    {
        var followsSent = until == EmailStatus.Delivered || until == EmailStatus.Bounced || until == EmailStatus.Complained || until == EmailStatus.Partial;
        return email.Recipients.All(r => r.Status.IsFinal && !(followsSent && r.Status == EmailStatus.Sent));
    }

    async Task<Email> EmailOfAsync(ApiRequest request, CancellationToken cancel) =>
        (await api.SendAsync(request, cancel).ConfigureAwait(false)).Read(EmailApiJson.Wire.Email);

    static string PathOf(string id, string below = "")
    {
        ArgumentException.ThrowIfNullOrEmpty(id);
        return id.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-')
            ? $"v1/emails/{id}{below}"
            : throw new ArgumentException($"'{id}' is no id of an email; one has the form em_….", nameof(id));
    }

    static string KeyOf(string? idempotencyKey)
    {
        if (idempotencyKey is null) return Guid.NewGuid().ToString("n");
        return idempotencyKey.Length is >= 1 and <= MaxKeyLength && !idempotencyKey.AsSpan().ContainsAnyExceptInRange(' ', '~') && idempotencyKey.Trim() == idempotencyKey
            ? idempotencyKey
            : throw new ArgumentException($"An idempotency key has 1 to {MaxKeyLength} printable ASCII characters, no space at its ends.", nameof(idempotencyKey));
    }
}
