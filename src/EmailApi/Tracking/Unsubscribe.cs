using System.Text.Json;
using EmailApi.Emails;
using EmailApi.Http;
using EmailApi.Suppressions;
using Npgsql;
using NpgsqlTypes;

namespace EmailApi.Tracking;

/// <summary>/t/u/{token}: POST unsubscribes, whether a mail program sends it (RFC 8058) or the page's button; GET shows the page and does nothing, as scanners follow every link.</summary>
public static class Unsubscribe
{
    /// <summary>The row's lock comes first, in a statement of its own, so that two at once are told once.</summary>
    const string Find = """
        select r.address, e.stream, e.from_address, k.mode = 'test' from recipients r join emails e on e.id = r.email_id join api_keys k on k.id = e.key_id
        where r.email_id = $1 and r.n = $2 and r.project_id = $3 and r.address <> $4
        """;

    const string Tell = """
        with changed as (
            update recipients r set sequence = r.sequence + 1
            where r.email_id = $1 and r.n = $2 and ($3 or not exists (select from events e where e.email_id = $1 and e.n = $2 and e.type = 'email.unsubscribed'))
            returning r.email_id, r.n, r.sequence, r.project_id
        )
        insert into events (email_id, n, sequence, project_id, type, data) select email_id, n, sequence, project_id, 'email.unsubscribed', $4 from changed
        """;

    sealed record Found(string Address, string Stream, string From, bool IsTest);

    /// <exception cref="ProblemException">404: it is no token of ours, or its mail is gone or erased.</exception>
    public static async Task<IResult> ShowAsync(string token, HttpContext http, TrackingTokens tokens, NpgsqlDataSource database, CancellationToken cancel)
    {
        var asked = tokens.ReadUnsubscribe(token) ?? throw TrackingSetup.Unknown();
        await using var connection = await database.OpenConnectionAsync(cancel);
        var found = await FindAsync(connection, asked.Copy, isLocked: false, cancel);
        return UnsubscribePage.Ask(http, found.From, asked.Scope);
    }

    /// <summary>What stands in the body does not matter: whoever posts to this address wants no more mail.</summary>
    /// <inheritdoc cref="ShowAsync"/>
    public static async Task<IResult> ActAsync(string token, HttpContext http, TrackingTokens tokens, NpgsqlDataSource database, SuppressedProjects suppressed, CancellationToken cancel)
    {
        var asked = tokens.ReadUnsubscribe(token) ?? throw TrackingSetup.Unknown();
        await using var connection = await database.OpenConnectionAsync(cancel);
        await using var transaction = await connection.BeginTransactionAsync(cancel);
        var found = await FindAsync(connection, asked.Copy, isLocked: true, cancel);
        // What a test key sent never left the machine, and says nothing of the address.
        var isNew = !found.IsTest && await SuppressAsync(connection, new(asked.Copy.ProjectId, asked.Scope is UnsubscribeScope.Stream ? found.Stream : null, found.Address,
            Suppression.Unsubscribe, SuppressionSource.Unsubscribe, EmailId: asked.Copy.EmailId), cancel);
        await using var tell = new NpgsqlCommand(Tell, connection)
        {
            Parameters =
            {
                new() { Value = asked.Copy.EmailId }, new() { Value = asked.Copy.N }, new() { Value = isNew },
                new() { Value = JsonSerializer.Serialize(new() { Scope = asked.Scope.Word() }, ApiJson.Wire.EventData), NpgsqlDbType = NpgsqlDbType.Jsonb },
            },
        };
        await tell.ExecuteNonQueryAsync(cancel);
        await transaction.CommitAsync(cancel);
        if (isNew) suppressed.Added(asked.Copy.ProjectId);
        return UnsubscribePage.Done(http, found.From, asked.Scope);
    }

    static async Task<bool> SuppressAsync(NpgsqlConnection connection, NewSuppression suppression, CancellationToken cancel)
    {
        await using var batch = new NpgsqlBatch(connection) { BatchCommands = { SuppressionSql.Add([suppression])! } };
        return await batch.ExecuteNonQueryAsync(cancel) > 0;
    }

    static async Task<Found> FindAsync(NpgsqlConnection connection, CopyId copy, bool isLocked, CancellationToken cancel)
    {
        await using var command = new NpgsqlCommand(isLocked ? $"{Find} for update of r" : Find, connection)
        {
            Parameters = { new() { Value = copy.EmailId }, new() { Value = copy.N }, new() { Value = copy.ProjectId }, new() { Value = EraseEmail.Erased } },
        };
        await using var reader = await command.ExecuteReaderAsync(cancel);
        return await reader.ReadAsync(cancel) ? new(reader.GetString(0), reader.GetString(1), reader.GetString(2), reader.GetBoolean(3)) : throw TrackingSetup.Unknown();
    }
}
