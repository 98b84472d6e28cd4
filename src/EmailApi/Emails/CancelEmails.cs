using EmailApi.Data;
using EmailApi.Http;
using EmailApi.Projects;
using Microsoft.EntityFrameworkCore;
using Npgsql;

namespace EmailApi.Emails;

/// <summary>POST /v1/emails/cancel: ends what has not left of all mail that a filter finds, the same filter that GET /v1/emails takes. A bound key ends
/// what it sent itself, a test key what test keys sent.</summary>
public static class CancelEmails
{
    /// <summary>So many emails at a time: no transaction of ours stays open long.</summary>
    const int Step = 500;

    static readonly IdList Open = new("queue q where q.project_id = @project and q.lease_until is null", "q.email_id");

    static readonly IdList OpenOfTestKeys = new($"""
        {Open.Rows} and (select e.key_id from emails e where e.id = q.email_id) in (select k.id from api_keys k where k.project_id = @project and k.mode = 'test')
        """, Open.Id);

    public static async Task<CancelEmailsResponse> HandleAsync([AsParameters] EmailFilterQuery query, Caller caller, EmailDb db, CancellationToken cancel)
    {
        var filter = EmailFilter.Read(query);
        if (filter == new EmailFilter()) throw new ProblemException(ProblemKind.BadRequest, $"Give at least one of {string.Join(", ", EmailFilter.Names)}: without, all open mail of the project would be canceled.");
        if (caller.IsBound && (filter.Key ?? caller.KeyId) != caller.KeyId) return new(0, 0);   // another key's mail: nothing of it is this key's to end
        if (caller.IsBound) filter = filter with { Key = caller.KeyId };

        var (emails, recipients, last) = (0, 0, Guid.Empty);
        while (await OpenAsync(filter, caller, db, last, cancel) is { Count: > 0 } ids)
        {
            recipients += await db.DecideAsync(caller.ProjectId, [.. ids], CancelEmail.Cancel, cancel);
            await db.DropSensitiveAsync([.. ids], cancel);
            emails += ids.Count;
            last = ids[^1];
        }

        return new(emails, recipients);
    }

    /// <summary>Emails with recipients that nobody is sending, by id; those that the filter finds at this moment.</summary>
    static async Task<List<Guid>> OpenAsync(EmailFilter filter, Caller caller, EmailDb db, Guid last, CancellationToken cancel)
    {
        await using var transaction = await db.Database.BeginTransactionAsync(cancel);
        return await new EmailSearch(filter, caller.ProjectId).OldestAsync(
            (NpgsqlConnection)db.Database.GetDbConnection(), caller.Mode is KeyMode.Test ? OpenOfTestKeys : Open, last, Step, cancel);
    }
}

/// <param name="Emails">Emails that the filter found with something open.</param>
/// <param name="Recipients">Recipients that were canceled.</param>
public sealed record CancelEmailsResponse(int Emails, int Recipients);
