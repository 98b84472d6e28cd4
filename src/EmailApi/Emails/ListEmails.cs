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

        var command = new NpgsqlBatchCommand();
        var last = Paging.After<Guid>(after);
        var emails = filter.Query(caller.ProjectId, command.Parameters, last is null ? "" : "and e.id < @last", "desc", take + 1);
        if (last is not null) command.Parameters.AddWithValue("last", last);

        command.CommandText = $"""
            select e.id, email_status(e.id), e.from_address, e.from_name, e.subject, e.stream, e.key_id, e.tags, e.created_at, e.send_at, e.expires_at,
                   (select array_agg(r.address order by r.n) from recipients r where r.email_id = e.id and r.n <= {ListedEmail.MaxShown}),
                   (select count(*)::int from recipients r where r.email_id = e.id)
            from ({emails}) e order by e.id desc
            """;
        var rows = new List<(Guid Id, ListedEmail Email)>();
        await using var batch = new NpgsqlBatch((NpgsqlConnection)db.Database.GetDbConnection()) { BatchCommands = { filter.IsByStatusAlone ? IndexPlans.Command() : IndexPlans.ForTheseValues() } };
        if (filter.IsSearch) batch.BatchCommands.Add(RowSecurity.Lift());
        batch.BatchCommands.Add(command);
        await using var reader = await batch.ExecuteReaderAsync(cancel);
        for (var before = batch.BatchCommands.Count - 1; before > 0; before--) await reader.NextResultAsync(cancel);
        while (await reader.ReadAsync(cancel)) rows.Add((reader.GetGuid(0), Of(reader)));
        return Paging.Page(rows, take, r => r.Email, r => [r.Id.ToString("n")]);
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
