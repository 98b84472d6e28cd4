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

    public static async Task<CancelEmailsResponse> HandleAsync([AsParameters] EmailFilterQuery query, Caller caller, EmailDb db, CancellationToken cancel)
    {
        var filter = EmailFilter.Read(query);
        if (filter == new EmailFilter()) throw new ProblemException(ProblemKind.BadRequest, $"Give at least one of {string.Join(", ", EmailFilter.Names)}: without, all open mail of the project would be canceled.");
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
        await db.Database.OpenConnectionAsync(cancel);
        await using var command = new NpgsqlCommand { Connection = (NpgsqlConnection)db.Database.GetDbConnection() };
        command.Parameters.AddWithValue("last", last);
        var emails = filter.Query(caller.ProjectId, command.Parameters, $"""
            and e.id > @last and e.id in (select q.email_id from queue q where q.project_id = @project and q.email_id > @last and q.lease_until is null)
            {(caller.Mode is KeyMode.Test ? "and e.key_id in (select k.id from api_keys k where k.project_id = @project and k.mode = 'test')" : "")}
            """, "asc", Step);
        command.CommandText = $"select e.id from ({emails}) e order by e.id";
        var ids = new List<Guid>();
        await using var reader = await command.ExecuteReaderAsync(cancel);
        while (await reader.ReadAsync(cancel)) ids.Add(reader.GetGuid(0));
        return ids;
    }
}

/// <param name="Emails">Emails that the filter found with something open.</param>
/// <param name="Recipients">Recipients that were canceled.</param>
public sealed record CancelEmailsResponse(int Emails, int Recipients);
