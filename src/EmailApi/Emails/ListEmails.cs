using System.Text.Json;
using EmailApi.Data;
using EmailApi.Http;
using EmailApi.Projects;
using Microsoft.EntityFrameworkCore;
using Npgsql;

namespace EmailApi.Emails;

/// <summary>GET /v1/emails: the log of what was accepted, newest first.</summary>
public static class ListEmails
{
    public static async Task<Page<ListedEmail>> HandleAsync(
        [AsParameters] EmailFilterQuery query, string? after, int? limit, Caller caller, EmailDb db, CancellationToken cancel)
    {
        var filter = EmailFilter.Read(query);
        var take = Paging.Limit(limit);

        var connection = (NpgsqlConnection)db.Database.GetDbConnection();
        if (filter.IsSearch) await RowSecurity.LiftAsync(db, cancel);
        var ids = await new EmailSearch(filter, caller.ProjectId).NewestAsync(connection, Paging.After<Guid>(after), take + 1, cancel);
        var rows = await ReadAsync(connection, ids, cancel);
        return Paging.Page(rows, take, r => r.Email, r => [r.Id.ToString("n")]);
    }

    static async Task<List<(Guid Id, ListedEmail Email)>> ReadAsync(NpgsqlConnection connection, List<Guid> ids, CancellationToken cancel)
    {
        var rows = new List<(Guid, ListedEmail)>();
        if (ids is []) return rows;
        var command = new NpgsqlBatchCommand($"""
            select e.id, email_status(e.id), e.from_address, e.from_name, e.subject, e.stream, e.key_id, e.tags, e.created_at, e.send_at, e.expires_at, r.addresses, r.count
            from emails e cross join lateral (
                select array_agg(r.address order by r.n) filter (where r.n <= {ListedEmail.MaxShown}) as addresses, count(*)::int as count from recipients r where r.email_id = e.id) r
            where e.id = any(@ids) order by e.id desc
            """);
        command.Parameters.AddWithValue("ids", ids);
        await using var batch = new NpgsqlBatch(connection) { BatchCommands = { EmailSearch.Plans("force_generic_plan", "seqscan"), command } };
        await using var reader = await batch.ExecuteReaderAsync(cancel);
        await reader.NextResultAsync(cancel);
        while (await reader.ReadAsync(cancel)) rows.Add((reader.GetGuid(0), Of(reader)));
        return rows;
    }

    static ListedEmail Of(NpgsqlDataReader row)
    {
        return new(
            EmailId.Format(row.GetGuid(0)), row.GetString(1), Text(3) is { } name ? $"{name} <{row.GetString(2)}>" : row.GetString(2), Text(4), row.GetString(5), row.GetString(6),
            JsonDocument.Parse(Text(7) ?? "{}").RootElement, row.GetFieldValue<DateTimeOffset>(8), row.IsDBNull(9) ? null : row.GetFieldValue<DateTimeOffset>(9),
            row.GetFieldValue<DateTimeOffset>(10), row.GetFieldValue<string[]>(11), row.GetInt32(12));

        string? Text(int column) => row.IsDBNull(column) ? null : row.GetString(column);
    }
}

/// <summary>An email in a list.</summary>
/// <param name="Subject">Null for a sensitive mail.</param>
/// <param name="Key">The id of the key that sent it.</param>
/// <param name="Recipients">The first five addresses.</param>
/// <param name="RecipientCount">How many there are in all.</param>
public sealed record ListedEmail(
    string Id, string Status, string From, string? Subject, string Stream, string Key, JsonElement Tags, DateTimeOffset CreatedAt, DateTimeOffset? SendAt,
    DateTimeOffset ExpiresAt, IReadOnlyList<string> Recipients, int RecipientCount)
{
    internal const int MaxShown = 5;
}
