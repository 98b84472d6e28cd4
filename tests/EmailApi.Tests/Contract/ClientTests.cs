using System.Net;
using System.Text;
using EmailApi.Client;
using EmailApi.Tests.Support;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace EmailApi.Tests.Contract;

/// <summary>The client package against the whole app.</summary>
public sealed class ClientTests : IAsyncLifetime
{
    static readonly SendEmailRequest Mail = new() { From = "Shop <orders@shop.example>", To = ["taro@example.jp"], Subject = "Hello", Text = "It works." };

    TestApp app = null!;
    EmailApiClient client = null!;

    public async ValueTask InitializeAsync()
    {
        app = await TestApp.StartAsync();
        client = Client(app.Http.BaseAddress!);
    }

    public ValueTask DisposeAsync() => app.DisposeAsync();

    static EmailApiClient Client(Uri address, string key = TestApp.Key) =>
        new(new HttpClient(), new() { BaseAddress = address, Key = key, RetryDelay = TimeSpan.FromMilliseconds(1) });

    Task<int> StoredAsync() => app.QueryAsync(db => db.Emails.CountAsync());

    [Fact]
    public async Task Everything_a_mail_can_carry_arrives()
    {
        using var stream = new MemoryStream([1, 2, 3]);
        using var folder = new TemporaryFolder();
        await File.WriteAllTextAsync(folder["請求書.txt"], "4711 円");
        var attachments = new[]
        {
            Attachment.FromBytes("logo.png", "\u00FB\u00FF+/"u8.ToArray()) with { ContentId = "logo" },
            await Attachment.FromStreamAsync("data.bin", stream, "application/x-data"),
            await Attachment.FromFileAsync(folder["請求書.txt"]),
        };

        var sent = await client.SendAsync(new()
        {
            From = new EmailAddress("orders@shop.example", "Shop, Tokyo"),
            To = ["太郎 <taro@example.jp>", new EmailAddress("jiro@example.jp", "鈴木 \"二郎\"")],
            Cc = ["cc@example.jp"],
            Bcc = ["bcc@example.jp"],
            ReplyTo = ["help@shop.example"],
            Subject = "ご注文 4711",
            Html = "<img src=\"cid:logo\">",
            Text = "ありがとう",
            Headers = new Dictionary<string, string> { ["X-Order"] = "4711" },
            Attachments = attachments,
            Stream = "transactional",
            Tags = new Dictionary<string, string> { ["order"] = "4711" },
            Metadata = new() { ["customer"] = 12, ["注"] = "二" },
            ExpiresAt = DateTimeOffset.UtcNow.AddHours(1),
            Envelope = EnvelopeKind.Shared,
            Sensitive = false,
        });
        var email = await client.WaitAsync(sent.Id);
        var content = await client.GetContentAsync(sent.Id);
        var raw = Encoding.UTF8.GetString(await client.GetRawAsync(sent.Id));

        Assert.Equal((EmailStatus.Queued, 4, false), (sent.Status, sent.Recipients.Count, sent.IsReplayed));
        Assert.Equal((EmailStatus.Sent, "ご注文 4711", "4711", 12), (email.Status, email.Subject, email.Tags["order"], email.Metadata["customer"]!.GetValue<int>()));
        Assert.Equal(["to", "to", "cc", "bcc"], email.Recipients.Select(r => r.Kind));
        Assert.All(email.Recipients, r => Assert.Equal((250, 1), (r.LastReply!.Code!.Value, r.Attempts)));
        Assert.Equal(new EmailAddress("orders@shop.example", "Shop, Tokyo"), content.From);
        Assert.Equal([new("taro@example.jp", "太郎"), new("jiro@example.jp", "鈴木 \"二郎\"")], content.To);
        Assert.Equal(["logo.png", "data.bin", "請求書.txt"], content.Attachments.Select(a => a.Filename));
        for (var i = 0; i < attachments.Length; i++) Assert.True(attachments[i].Content.Span.SequenceEqual(content.Attachments[i].Content.Span));
        Assert.Equal(("logo", "application/x-data", "4711"), (content.Attachments[0].ContentId, content.Attachments[1].ContentType, content.Headers["X-Order"]));
        Assert.Contains($"Message-ID: {email.MessageId}", raw, StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public async Task A_lost_answer_is_asked_for_again_and_makes_one_mail()
    {
        await using var proxy = CuttingProxy.Start(app.Http.BaseAddress!);
        var behind = Client(proxy.Address);

        proxy.LoseAnswers(2);
        var sent = await behind.SendAsync(Mail);
        proxy.LoseAnswers(1);
        var batch = await behind.SendBatchAsync([Mail, Mail]);
        await app.RunDueAsync();

        Assert.True(sent.IsReplayed);
        Assert.True(batch.IsReplayed);
        Assert.Equal((3, 0), (await StoredAsync(), proxy.Left));
        Assert.Equal(3, (await app.Relay.WaitForAsync(3)).Count);
    }

    [Fact]
    public async Task The_same_key_over_two_calls_is_one_mail_and_another_mail_under_it_is_refused()
    {
        var first = await client.SendAsync(Mail, "order-4711");
        var again = await client.SendAsync(Mail, "order-4711");
        var error = await Assert.ThrowsAsync<EmailApiException>(() => client.SendAsync(Mail with { Subject = "Other" }, "order-4711"));

        Assert.Equal((first.Id, false, true), (again.Id, first.IsReplayed, again.IsReplayed));
        Assert.Equal((HttpStatusCode.UnprocessableEntity, "idempotency_mismatch"), (error.Status!.Value, error.Code));
    }

    [Fact]
    public async Task A_batch_is_strict_or_permissive()
    {
        var wrong = Mail with { To = ["taro"] };

        var error = await Assert.ThrowsAsync<EmailApiException>(() => client.SendBatchAsync([Mail, wrong]));
        var answer = await client.SendBatchAsync([Mail, wrong], BatchMode.Permissive);

        Assert.Equal("#/1/to/0", Assert.Single(error.Errors).Pointer);
        Assert.Equal([(0, true, EmailStatus.Queued), (1, false, null)], answer.Data.Select(i => (i.Index, i.Id is not null, i.Status)));
        Assert.Equal("#/1/to/0", Assert.Single(answer.Data[1].Error!.Errors).Pointer);
        Assert.Equal(1, await StoredAsync());
    }

    [Fact]
    public async Task Every_fault_of_a_mail_is_in_the_exception()
    {
        var error = await Assert.ThrowsAsync<EmailApiException>(() => client.SendAsync(new() { From = "shop", To = ["taro@example.jp", "taro"], Subject = "Hello" }));

        Assert.Equal((HttpStatusCode.UnprocessableEntity, "validation"), (error.Status!.Value, error.Code));
        Assert.Equal(["#/from", "#/text", "#/to/1"], error.Errors.Select(e => e.Pointer).Order(StringComparer.Ordinal));
        Assert.NotEmpty(error.TraceId!);
        Assert.NotEmpty(error.Detail!);
    }

    [Fact]
    public async Task A_wrong_key_and_an_unknown_id_are_told_apart()
    {
        var unknown = await Assert.ThrowsAsync<EmailApiException>(() => client.GetAsync("em_" + new string('0', 32)));
        var unauthorized = await Assert.ThrowsAsync<EmailApiException>(() => Client(app.Http.BaseAddress!, "ek_live_wrong").GetAsync("em_1"));

        Assert.Equal(("not_found", "unauthorized"), (unknown.Code, unauthorized.Code));
    }

    [Fact]
    public async Task A_scheduled_mail_is_given_another_time_and_canceled_also_when_an_answer_is_lost()
    {
        await using var proxy = CuttingProxy.Start(app.Http.BaseAddress!);
        var behind = Client(proxy.Address);
        var at = DateTimeOffset.UtcNow.AddDays(2);
        var sent = await client.SendAsync(Mail with { SendAt = DateTimeOffset.UtcNow.AddDays(1) });

        proxy.LoseAnswers(1);
        var moved = await behind.RescheduleAsync(sent.Id, at);
        proxy.LoseAnswers(1);
        var canceled = await behind.CancelAsync(sent.Id);
        var again = await Assert.ThrowsAsync<EmailApiException>(() => client.CancelAsync(sent.Id));

        Assert.Equal((EmailStatus.Scheduled, EmailStatus.Scheduled), (sent.Status, moved.Status));
        Assert.Equal(at, moved.SendAt!.Value, TimeSpan.FromMilliseconds(1));
        Assert.Equal((EmailStatus.Canceled, "wrong_state"), (canceled.Status, again.Code));
    }

    [Fact]
    public async Task A_deferred_mail_is_waited_for_and_tried_at_once()
    {
        app.Relay.Answer("busy@example.jp", "451 4.3.2 try later", times: 1);
        var sent = await client.SendAsync(Mail with { To = ["busy@example.jp"] });

        var deferred = await client.WaitAsync(sent.Id, EmailStatus.Deferred);
        await client.RetryAsync(sent.Id);
        var final = await client.WaitAsync(sent.Id);

        Assert.Equal((451, "4.3.2"), (deferred.Recipients[0].LastReply!.Code!.Value, deferred.Recipients[0].LastReply!.Enhanced));
        Assert.Equal(EmailStatus.Sent, final.Status);
    }

    [Fact]
    public async Task A_wait_ends_when_the_state_can_no_longer_come_when_its_time_is_over_or_when_canceled()
    {
        app.Relay.Answer("gone@example.jp", "550 5.1.1 no such user");
        var bounced = await client.SendAsync(Mail with { To = ["gone@example.jp"] });
        var scheduled = await client.SendAsync(Mail with { SendAt = DateTimeOffset.UtcNow.AddDays(1) });
        using var soon = new CancellationTokenSource(TimeSpan.FromSeconds(0.3));

        var ended = await client.WaitAsync(bounced.Id, EmailStatus.Sent);
        var late = await Assert.ThrowsAsync<TimeoutException>(() => client.WaitAsync(scheduled.Id, timeout: TimeSpan.FromSeconds(0.3)));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => client.WaitAsync(scheduled.Id, cancel: soon.Token));

        Assert.Equal(EmailStatus.Bounced, ended.Status);
        Assert.Contains("scheduled", late.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Events_are_enumerated_over_pages_once_each_and_go_on_from_a_cursor()
    {
        const int mails = 120;
        foreach (var part in Enumerable.Repeat(Mail, mails).Chunk(60)) await client.SendBatchAsync(part);
        await app.RunDueAsync();
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(20));

        // poll: what was committed shows once no older transaction is open, of any database of the server.
        var seen = new List<EmailEvent>();
        await foreach (var fact in client.ListEventsAsync(poll: TimeSpan.FromSeconds(0.1), cancel: limit.Token))
        {
            seen.Add(fact);
            if (seen.Count == 2 * mails) break;
        }
        var rest = await client.ListEventsAsync(seen[150].Cursor, ["email.sent"], cancel: limit.Token).ToListAsync(limit.Token);
        var end = await client.ListEventsAsync(seen[^1].Cursor, cancel: limit.Token).ToListAsync(limit.Token);

        Assert.Equal(2 * mails, seen.Select(e => e.Id).Distinct().Count());
        Assert.Equal(["email.accepted", "email.sent"], seen.Select(e => e.Type).Distinct().Order(StringComparer.Ordinal));
        Assert.Superset(seen.Skip(150).Where(e => e.Type == "email.sent").Select(e => e.Id).ToHashSet(), rest.Select(e => e.Id).ToHashSet());
        Assert.Empty(end);
        var error = await Assert.ThrowsAsync<EmailApiException>(() => client.GetEventsAsync("nonsense"));
        Assert.Equal("bad_cursor", error.Code);
    }

    [Fact]
    public async Task The_client_comes_from_a_service_collection()
    {
        var services = new ServiceCollection();
        services.AddEmailApi(o => (o.BaseAddress, o.Key) = (app.Http.BaseAddress, TestApp.Key));
        await using var provider = services.BuildServiceProvider();

        var sent = await provider.GetRequiredService<EmailApiClient>().SendAsync(Mail);

        Assert.StartsWith("em_", sent.Id, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Wrong_options_stop_a_host_with_a_sentence_for_each()
    {
        var builder = Host.CreateEmptyApplicationBuilder(new());
        builder.Services.AddEmailApi(o => (o.BaseAddress, o.Key, o.MaxTries) = (new Uri("ftp://mail.example"), "ek live", 0));
        using var host = builder.Build();

        var error = await Assert.ThrowsAsync<OptionsValidationException>(() => host.StartAsync());
        var byHand = Assert.Throws<ArgumentException>(() => new EmailApiClient(new HttpClient(), new() { Key = "k" }));

        Assert.Equal(["BaseAddress", "Key", "MaxTries"], error.Failures.Select(f => f.Split(' ')[0]));
        Assert.DoesNotContain("ek live", error.Message, StringComparison.Ordinal);
        Assert.Contains("BaseAddress is missing", byHand.Message, StringComparison.Ordinal);
    }
}
