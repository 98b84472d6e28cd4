using System.Net;
using System.Text.Json;
using EmailApi.Client;
using EmailApi.Tests.Support;
using static EmailApi.Tests.Support.ScriptedApi;

namespace EmailApi.Tests.Contract;

/// <summary>What the client does when answers are bad, late or lost.</summary>
public sealed class ClientRetryTests
{
    const string Accepted = """{"id": "em_1", "status": "queued", "recipients": [{"id": "em_1.1", "email": "taro@example.jp", "status": "queued"}], "findings": []}""";
    const string Shown = """
        {"id": "em_1", "status": "STATUS", "from": "a@b.example", "subject": null, "stream": "transactional", "tags": {}, "metadata": {},
         "created_at": "2026-12-01T00:00:00Z", "send_at": null, "expires_at": "2026-12-03T00:00:00Z", "message_id": "<1@b.example>", "findings": [], "colour": "red",
         "recipients": [{"id": "em_1.1", "email": "taro@example.jp", "kind": "robot", "status": "STATUS", "attempts": 1, "due_at": null, "last_reply": null, "reason": null, "relay": null}]}
        """;

    static readonly SendEmailRequest Mail = new() { From = "orders@shop.example", To = ["taro@example.jp"], Subject = "Hello", Text = "It works." };

    static EmailApiClient Client(Uri address, Action<EmailApiOptions>? more = null)
    {
        var options = new EmailApiOptions { BaseAddress = address, Key = TestApp.Key, RetryDelay = TimeSpan.FromMilliseconds(1) };
        more?.Invoke(options);
        return new(new HttpClient(), options);
    }

    [Theory]
    [InlineData(408)]
    [InlineData(429)]
    [InlineData(502)]
    [InlineData(503)]
    [InlineData(504)]
    public async Task A_passing_fault_is_tried_again_with_the_same_key_and_bytes(int status)
    {
        await using var api = await StartAsync(Answer(status, "<html>a proxy's page</html>"), Cut, Problem(status, "busy"), Answer(202, Accepted));

        var sent = await Client(api.Address).SendAsync(Mail);

        Assert.Equal("em_1", sent.Id);
        Assert.Equal(4, api.Requests.Count);
        Assert.NotEmpty(Assert.Single(api.Requests.Select(r => r.Key).Distinct())!);
        Assert.Single(api.Requests.Select(r => r.Body).Distinct());
    }

    [Fact]
    public async Task Each_call_has_a_key_of_its_own_unless_the_caller_gives_one()
    {
        await using var api = await StartAsync(Answer(202, Accepted));
        var client = Client(api.Address);

        await client.SendAsync(Mail);
        await client.SendAsync(Mail);
        await client.SendAsync(Mail, "order-4711");

        Assert.Equal(3, api.Requests.Select(r => r.Key).Distinct().Count());
        Assert.Equal("order-4711", api.Requests[2].Key);
        await Assert.ThrowsAsync<ArgumentException>(() => client.SendAsync(Mail, "order\n4711"));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    public async Task After_the_last_try_the_exception_tells_what_to_do(int tries)
    {
        await using var api = await StartAsync(Problem(503, "database_unavailable", retryAfter: "0"));

        var error = await Assert.ThrowsAsync<EmailApiException>(() => Client(api.Address, o => o.MaxTries = tries).SendAsync(Mail, "order-4711"));

        Assert.Equal(tries, api.Requests.Count);
        Assert.Equal((HttpStatusCode.ServiceUnavailable, "database_unavailable", "t1"), (error.Status!.Value, error.Code, error.TraceId));
        Assert.Equal(("order-4711", TimeSpan.Zero), (error.IdempotencyKey, error.RetryAfter));
    }

    [Fact]
    public async Task A_connection_that_stays_away_ends_in_no_answer_and_names_the_key()
    {
        await using var api = await StartAsync(Cut);

        var error = await Assert.ThrowsAsync<EmailApiException>(() => Client(api.Address).SendAsync(Mail, "order-4711"));

        Assert.Equal(4, api.Requests.Count);
        Assert.Equal((null, "no_answer", "order-4711"), (error.Status, error.Code, error.IdempotencyKey));
        Assert.IsType<HttpRequestException>(error.InnerException);
        Assert.Contains("order-4711", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(400, "bad_request")]
    [InlineData(403, "forbidden")]
    [InlineData(409, "wrong_state")]
    [InlineData(422, "validation")]
    [InlineData(500, "internal")]
    public async Task What_would_fail_again_is_not_tried_again(int status, string code)
    {
        await using var api = await StartAsync(Problem(status, code));

        var error = await Assert.ThrowsAsync<EmailApiException>(() => Client(api.Address).SendAsync(Mail));

        Assert.Single(api.Requests);
        Assert.Equal((status, code, "Not now."), ((int)error.Status!, error.Code, error.Detail));
    }

    [Fact]
    public async Task A_try_that_meets_the_first_one_still_being_stored_asks_again()
    {
        await using var api = await StartAsync(Cut, Problem(409, "idempotency_in_progress"), Answer(202, Accepted));

        Assert.Equal("em_1", (await Client(api.Address).SendAsync(Mail)).Id);
    }

    [Theory]
    [InlineData(429)]
    [InlineData(503)]
    public async Task Retry_After_is_waited_for(int status)
    {
        await using var api = await StartAsync(Problem(status, "busy", retryAfter: "1"), Answer(202, Accepted));

        await Client(api.Address).SendAsync(Mail);

        Assert.True(TimeProvider.System.GetElapsedTime(api.Requests[0].At, api.Requests[1].At) >= TimeSpan.FromSeconds(0.95));
    }

    [Fact]
    public async Task A_longer_Retry_After_than_the_options_allow_is_the_callers_to_wait_for()
    {
        await using var api = await StartAsync(Problem(429, "too_many_requests", retryAfter: "3600"));

        var error = await Assert.ThrowsAsync<EmailApiException>(() => Client(api.Address).SendAsync(Mail));

        Assert.Single(api.Requests);
        Assert.Equal(TimeSpan.FromHours(1), error.RetryAfter);
    }

    [Fact]
    public async Task A_try_that_takes_too_long_is_given_up_and_made_again()
    {
        await using var api = await StartAsync(Hang, Answer(202, Accepted));

        Assert.Equal("em_1", (await Client(api.Address, o => o.TryTimeout = TimeSpan.FromSeconds(1)).SendAsync(Mail)).Id);
    }

    [Fact]
    public async Task A_canceled_token_ends_a_request_under_way_and_a_wait_between_two()
    {
        await using var hanging = await StartAsync(Hang);
        await using var busy = await StartAsync(Problem(503, "busy", retryAfter: "20"));
        using var user = new CancellationTokenSource();

        var sends = new[] { hanging, busy }.Select(api => Client(api.Address).SendAsync(Mail, cancel: user.Token)).ToList();
        while (hanging.Requests.Count + busy.Requests.Count < 2) await Task.Delay(10);
        await user.CancelAsync();

        foreach (var send in sends) await Assert.ThrowsAnyAsync<OperationCanceledException>(() => send.WaitAsync(TimeSpan.FromSeconds(10)));
        Assert.All([hanging, busy], api => Assert.Single(api.Requests));
    }

    [Fact]
    public async Task To_retry_a_mail_is_asked_for_again_only_when_the_request_was_surely_not_taken()
    {
        await using var cut = await StartAsync(Cut);
        await using var busy = await StartAsync(Problem(429, "busy", retryAfter: "0"), Answer(200, Shown.Replace("STATUS", "queued", StringComparison.Ordinal)));

        var error = await Assert.ThrowsAsync<EmailApiException>(() => Client(cut.Address).RetryAsync("em_1"));
        var retried = await Client(busy.Address).RetryAsync("em_1");

        Assert.Equal("no_answer", error.Code);
        Assert.Single(cut.Requests);
        Assert.Equal((EmailStatus.Queued, 2), (retried.Status, busy.Requests.Count));
    }

    [Fact]
    public async Task Nor_does_the_http_client_beneath_repeat_it_on_a_connection_used_before()
    {
        await using var api = await StartAsync(Answer(200, Shown.Replace("STATUS", "deferred", StringComparison.Ordinal)));
        await using var proxy = CuttingProxy.Start(api.Address);
        var client = Client(proxy.Address);

        await client.GetAsync("em_1");
        proxy.LoseAnswers(1);
        await Assert.ThrowsAsync<EmailApiException>(() => client.RetryAsync("em_1"));

        Assert.Equal(["GET", "POST"], api.Requests.Select(r => r.Method));
    }

    [Fact]
    public async Task A_word_of_a_newer_server_is_kept_and_counts_neither_as_open_nor_as_final()
    {
        await using var api = await StartAsync(Answer(200, Shown.Replace("STATUS", "teleported", StringComparison.Ordinal)));
        var client = Client(api.Address);

        var email = await client.GetAsync("em_1");
        var error = await Assert.ThrowsAsync<TimeoutException>(() => client.WaitAsync("em_1", timeout: TimeSpan.FromSeconds(0.5)));

        Assert.Equal(("teleported", "robot"), (email.Status.Word, email.Recipients[0].Kind));
        Assert.False(email.Status.IsKnown);
        Assert.Contains("teleported", error.Message, StringComparison.Ordinal);
        Assert.Equal("teleported", (await client.WaitAsync("em_1", new EmailStatus("teleported"))).Status.Word);
    }

    [Theory]
    [InlineData("<html>sign in</html>")]
    [InlineData("null")]
    [InlineData("[]")]
    public async Task An_answer_of_something_else_is_not_taken_for_an_email(string body)
    {
        await using var api = await StartAsync(Answer(200, body));

        var error = await Assert.ThrowsAsync<EmailApiException>(() => Client(api.Address).GetAsync("em_1"));

        Assert.Equal((HttpStatusCode.OK, "not_understood"), (error.Status!.Value, error.Code));
    }

    [Fact]
    public async Task A_path_of_the_base_address_is_kept_and_an_id_cannot_leave_its_place()
    {
        await using var api = await StartAsync(Answer(200, Shown.Replace("STATUS", "sent", StringComparison.Ordinal)));
        var client = Client(new Uri(api.Address, "/mail"));

        await client.GetAsync("em_1");

        Assert.Equal("/mail/v1/emails/em_1", Assert.Single(api.Requests).Path);
        foreach (var id in new[] { "", "..", "a/b", "a?b" }) await Assert.ThrowsAnyAsync<ArgumentException>(() => client.GetAsync(id));
    }

    [Fact]
    public void Statuses_are_compared_by_their_word()
    {
        Assert.Equal(EmailStatus.InDoubt, JsonSerializer.Deserialize<EmailStatus>("\"in_doubt\""));
        Assert.True(EmailStatus.InDoubt.IsOpen && EmailStatus.Partial.IsFinal && !default(EmailStatus).IsKnown);
        Assert.Equal("\"sent\"", JsonSerializer.Serialize(EmailStatus.Sent));
        foreach (var state in Enum.GetValues<EmailApi.Emails.RecipientState>())
            Assert.Equal(EmailApi.Emails.RecipientStates.IsOpen(state), new EmailStatus(EmailApi.Http.Words.Word(state)) is { IsKnown: true, IsOpen: true });
    }
}
