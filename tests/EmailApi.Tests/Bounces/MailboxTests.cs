using EmailApi.Bounces;
using EmailApi.Tests.Support;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace EmailApi.Tests.Bounces;

/// <summary>A mailbox that bounces come to, read over IMAP.</summary>
public sealed class MailboxTests : IAsyncLifetime
{
    readonly FakeMailbox mailbox = FakeMailbox.Start();
    TestApp app = null!;

    static CancellationToken Cancel => TestContext.Current.CancellationToken;

    string[] Settings =>
    [
        "--EmailApi:Bounce:Mailbox:Host=127.0.0.1", $"--EmailApi:Bounce:Mailbox:Port={mailbox.Port}", "--EmailApi:Bounce:Mailbox:Security=None",
        $"--EmailApi:Bounce:Mailbox:Username={FakeMailbox.User}", $"--EmailApi:Bounce:Mailbox:Password={FakeMailbox.Password}",
    ];

    public async ValueTask InitializeAsync() => app = await TestApp.StartAsync([.. Settings, "--EmailApi:Role=api"]);   // no job of its own in the way

    public async ValueTask DisposeAsync()
    {
        await app.DisposeAsync();
        await mailbox.DisposeAsync();
    }

    async Task ReadAsync()
    {
        await using var scope = app.Services.CreateAsyncScope();
        await scope.ServiceProvider.GetRequiredService<MailboxJob>().RunAsync(Cancel);
    }

    /// <summary>A mail that was sent; without a bounce domain its Message-ID is what a report can tell.</summary>
    async Task<(string Id, string MessageId)> SentAsync()
    {
        await using var worker = await app.StartNodeAsync("--EmailApi:Role=worker");
        var id = await app.SendAsync();
        await app.Http.WaitForStatusAsync(id, "sent");
        return (id, (await app.GetAsync($"/v1/emails/{id}")).Text("message_id"));
    }

    [Fact]
    public async Task What_is_new_is_read_once_and_nothing_in_the_mailbox_is_changed()
    {
        var (id, messageId) = await SentAsync();
        mailbox.Deliver("From: a@example.jp\r\n\r\nA letter.\r\n");
        mailbox.Deliver(Reports.Dsn("taro@example.jp", messageId: messageId));

        await ReadAsync();
        await ReadAsync();

        Assert.Equal("bounced", await app.Http.StatusAsync(id));
        Assert.Equal([1, 2], mailbox.Uids);
        Assert.Contains("EXAMINE INBOX", mailbox.Commands);
        Assert.Equal(2, mailbox.Commands.Count(c => c.StartsWith("UID FETCH", StringComparison.Ordinal)));
        Assert.DoesNotContain(mailbox.Commands, c => c.StartsWith("UID STORE", StringComparison.Ordinal));
    }

    [Fact]
    public async Task When_it_was_made_anew_its_numbers_begin_anew()
    {
        var (id, messageId) = await SentAsync();
        mailbox.Deliver("From: a@example.jp\r\n\r\nA letter.\r\n");
        mailbox.Deliver(Reports.Dsn("nobody@example.jp"));
        await ReadAsync();
        await app.ExecuteAsync("update mailbox_cursors set last_uid = 10");
        mailbox.UidValidity = 2;
        mailbox.Deliver(Reports.Dsn("taro@example.jp", messageId: messageId));

        await ReadAsync();

        Assert.Equal("bounced", await app.Http.StatusAsync(id));
    }

    [Fact]
    public async Task A_node_that_reads_it_keeps_the_others_out_and_a_dead_one_does_not()
    {
        await app.ExecuteAsync($"insert into mailbox_cursors values ('{FakeMailbox.User}@127.0.0.1:{mailbox.Port}/INBOX', 0, 0, now() + interval '1 minute')");
        await ReadAsync();
        var during = mailbox.Commands.Count;
        await app.ExecuteAsync("update mailbox_cursors set lease_until = now() - interval '1 second'");
        await ReadAsync();

        Assert.Equal(0, during);
        Assert.NotEmpty(mailbox.Commands);
        Assert.Null(await app.QueryAsync(db => db.Set<MailboxCursor>().Select(c => c.LeaseUntil).SingleAsync()));
    }

    [Fact]
    public async Task A_server_that_is_away_is_no_failure_of_the_job()
    {
        await mailbox.DisposeAsync();

        await ReadAsync();

        Assert.Null(await app.QueryAsync(db => db.Set<MailboxCursor>().Select(c => c.LeaseUntil).SingleAsync()));
    }
}

/// <summary>The same, told to delete what it has read.</summary>
public sealed class EmptiedMailboxTests
{
    [Fact]
    public async Task Reports_of_our_mail_are_deleted_and_letters_stay()
    {
        await using var mailbox = FakeMailbox.Start();
        await using var app = await TestApp.StartAsync("--EmailApi:Bounce:Mailbox:Host=127.0.0.1", $"--EmailApi:Bounce:Mailbox:Port={mailbox.Port}", "--EmailApi:Bounce:Mailbox:Security=None",
            $"--EmailApi:Bounce:Mailbox:Username={FakeMailbox.User}", $"--EmailApi:Bounce:Mailbox:Password={FakeMailbox.Password}", "--EmailApi:Bounce:Mailbox:Deletes=true");
        var id = await app.SendAsync();
        await app.Http.WaitForStatusAsync(id, "sent");
        mailbox.Deliver("From: a@example.jp\r\n\r\nA letter.\r\n");
        mailbox.Deliver(Reports.Dsn("taro@example.jp", messageId: (await app.GetAsync($"/v1/emails/{id}")).Text("message_id")));

        await using (var scope = app.Services.CreateAsyncScope()) await scope.ServiceProvider.GetRequiredService<MailboxJob>().RunAsync(TestContext.Current.CancellationToken);

        await Eventually.IsAsync(() => Task.FromResult(mailbox.Uids is [1]), TimeSpan.FromSeconds(20));
        Assert.Equal("bounced", await app.Http.StatusAsync(id));
    }
}
