using EmailApi.Data;
using EmailApi.Emails;
using EmailApi.Tests.Support;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using Npgsql;

namespace EmailApi.Tests.Operations;

/// <summary>Mail as it was accepted and sent long ago, whole: content, attempts, events.</summary>
static class OldMail
{
    public static DateTimeOffset Ago(int days) => DateTimeOffset.UtcNow.AddDays(-days);

    /// <param name="count">How many mails, each of one recipient.</param>
    /// <param name="isOpen">Scheduled for next year instead of sent.</param>
    /// <returns>Their ids, oldest first.</returns>
    public static async Task<string[]> AddAsync(this TestApp app, DateTimeOffset at, string stream = "transactional", int count = 1, bool isOpen = false)
    {
        await using var database = NpgsqlDataSource.Create(app.ConnectionString);
        await new Partitions(database, new FakeTimeProvider(at)).EnsureAsync(CancellationToken.None);
        Guid[] ids = [.. Enumerable.Range(0, count).Select(i => Guid.CreateVersion7(at.AddMilliseconds(i)))];
        await using var insert = database.CreateCommand($"""
            with mail as (
                insert into emails (id, project_id, key_id, stream, from_address, internet_message_id, envelope, is_sensitive, created_at, expires_at)
                select id, 1, 'bootstrap', $2, 'a@example.net', id::text, 'shared', false, $3, $3 from unnest($1) id returning id
            ), content as (
                insert into contents (email_id, project_id, document, is_protected) select id, 1, convert_to($5, 'UTF8'), false from mail
            ), uses as (
                insert into blob_uses (email_id, project_id, hash) select id, 1, sha256('x') from mail
            ), recipient as (
                insert into recipients (email_id, n, project_id, address, kind, state, attempts, sequence, final_at)
                select id, 1, 1, 'taro@example.jp', 'to', case when $4 then 'scheduled' else 'bounced' end, 1, 2, case when not $4 then $3 end from mail
            ), queued as (
                insert into queue (email_id, n, project_id, lane, priority, due_at, expires_at, claims, doubts)
                select id, 1, 1, 'test', 100, now() + interval '1 year', now() + interval '2 years', 0, 0 from mail where $4
            ), attempted as (
                insert into attempts (email_id, n, number, project_id, relay, started_at, ended_at, step, outcome) select id, 1, 1, 1, 'test', $3, $3, 'dot', 'bounced' from mail where not $4
            )
            insert into events (email_id, n, sequence, project_id, type, at)
            select id, 1, sequence, 1, type, $3 from mail, (values (1, 'email.accepted'), (2, case when $4 then 'email.scheduled' else 'email.bounced' end)) e(sequence, type)
            """);
        insert.Parameters.AddRange(new NpgsqlParameter[]
        {
            new() { Value = ids }, new() { Value = stream }, new() { Value = at.ToUniversalTime() }, new() { Value = isOpen },
            new() { Value = """{"content":{"from":{"email":"a@example.net"},"to":[],"cc":[],"reply_to":[],"subject":"s","text":"t","headers":[],"attachments":[]}}""" },
        });
        await insert.ExecuteNonQueryAsync();
        return [.. ids.Select(EmailId.Format)];
    }

    public static async Task RunRetentionAsync(this TestApp app, CancellationToken cancel = default)
    {
        await using var scope = app.Services.CreateAsyncScope();
        await scope.ServiceProvider.GetRequiredService<EmailApi.Operations.RetentionJob>().RunAsync(cancel);
    }
}
