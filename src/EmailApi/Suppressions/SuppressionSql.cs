using EmailApi.Data;
using EmailApi.Emails;
using EmailApi.Http;
using Npgsql;

namespace EmailApi.Suppressions;

/// <summary>An address that is to be mailed no more.</summary>
/// <param name="Stream">Null: the whole project.</param>
/// <param name="Address">As <see cref="Emails.Address.TryParse"/> gave it.</param>
/// <param name="ExpiresAt">Null: for good.</param>
/// <param name="EmailId">The mail that caused it.</param>
public sealed record NewSuppression(
    int ProjectId, string? Stream, string Address, string Reason, SuppressionSource Source, DateTimeOffset? ExpiresAt = null, Guid? EmailId = null)
{
    internal string Key { get; } = Emails.Address.Key(Address);

    internal (int, string, string?) Place => (ProjectId, Key, Stream);
}

/// <summary>The SQL of suppressions: how they are added, within the transaction of whoever learned of them, and how they are looked up.</summary>
static class SuppressionSql
{
    static readonly string Strengths = string.Join(", ", Words.All<SuppressionSource>().Select(word => $"'{word}'"));

    /// <summary>Whether the new one's reason takes the place of the old one's.</summary>
    static readonly string Wins = $"(s.expires_at <= now() or {Strength("excluded")} > {Strength("s")})";

    /// <summary>Whether suppression <c>s</c> holds now.</summary>
    public const string Holds = "(s.expires_at is null or s.expires_at > now())";

    /// <summary>One order for all who add, so that two never wait for each other in a circle. What is there and holds is never weakened: the stronger source's reason
    /// stands, for the longer of both times. What is over is as good as gone.</summary>
    /// <remarks>Nothing is written where nothing changes, so a repeat costs a look-up.</remarks>
    static readonly string AddNew = $"""
        insert into suppressions as s (project_id, address, stream, reason, source, expires_at, email_id)
        select project_id, address, stream, reason, source, expires_at, email_id
        from unnest($1, $2, $3, $4, $5, $6, $7) as u(project_id, address, stream, reason, source, expires_at, email_id)
        order by project_id, address collate "C", stream collate "C"
        on conflict (project_id, address, stream) do update set
            reason = case when {Wins} then excluded.reason else s.reason end,
            source = case when {Wins} then excluded.source else s.source end,
            email_id = case when {Wins} then excluded.email_id else s.email_id end,
            created_at = case when s.expires_at <= now() then now() else s.created_at end,
            expires_at = case when s.expires_at <= now() then excluded.expires_at
                else nullif(greatest(coalesce(s.expires_at, 'infinity'), coalesce(excluded.expires_at, 'infinity')), 'infinity') end
        where {Wins} or coalesce(excluded.expires_at, 'infinity') > coalesce(s.expires_at, 'infinity')
        returning (xmax = 0) as is_new
        """;

    /// <summary>One that holds for the address <c>{0}</c> in the project <c>{1}</c> and the stream <c>{2}</c>: the whole project's before the stream's.</summary>
    static string One(string address, string project, string stream) => $"""
        select s.reason, s.source, s.created_at from suppressions s
        where s.project_id = {project} and s.address = ({address}) collate "C" and (s.stream is null or s.stream = {stream}) and {Holds}
        order by s.stream nulls first limit 1
        """;

    /// <summary>For a query that has the recipient <c>r</c> and its email <c>e</c>: a lateral row when the recipient is suppressed.</summary>
    public static readonly string OfRecipient = One("coalesce(r.address_key, r.address)", "r.project_id", "e.stream");

    static readonly string Find = $"""
        select u.i, x.reason, x.source, x.created_at from unnest($1, $2, $3, $4) as u(i, project_id, stream, address)
        cross join lateral ({One("u.address", "u.project_id", "u.stream")}) x
        """;

    /// <summary>Adds what is not there yet; null when there is nothing to add. The command returns <c>is_new</c> for each row that it wrote.</summary>
    public static NpgsqlBatchCommand? Add(IEnumerable<NewSuppression> suppressions)
    {
        // One statement cannot write a row twice.
        var added = suppressions.GroupBy(s => s.Place).Select(same => same.Aggregate(Join)).ToList();
        return added.Count == 0 ? null : new(AddNew)
        {
            Parameters =
            {
                SqlArray.Of(added.Select(s => s.ProjectId)), SqlArray.Of(added.Select(s => s.Key)), SqlArray.Of(added.Select(s => s.Stream)),
                SqlArray.Of(added.Select(s => s.Reason)), SqlArray.Of(added.Select(s => s.Source.Word())), SqlArray.Of(added.Select(s => s.ExpiresAt)),
                SqlArray.Of(added.Select(s => s.EmailId)),
            },
        };
    }

    /// <summary>The same within a transaction of the caller's.</summary>
    public static async Task AddAsync(NpgsqlConnection connection, IEnumerable<NewSuppression> suppressions, CancellationToken cancel)
    {
        if (Add(suppressions) is not { } command) return;
        await using var batch = new NpgsqlBatch(connection) { BatchCommands = { command } };
        await batch.ExecuteNonQueryAsync(cancel);
    }

    /// <summary>Which recipients of new mails are suppressed, by mail and <see cref="RecipientDraft.N"/>: all of a group in one round trip.</summary>
    public static async Task<Dictionary<(Guid Email, int N), Suppressed>> FindAsync(NpgsqlConnection connection, IEnumerable<EmailDraft> mails, CancellationToken cancel)
    {
        var asked = mails.SelectMany(d => d.Recipients.Select(r => (Draft: d, Recipient: r))).ToList();
        await using var batch = new NpgsqlBatch(connection)
        {
            BatchCommands =
            {
                IndexPlans.Command(),
                new(Find)
                {
                    Parameters =
                    {
                        SqlArray.Of(Enumerable.Range(0, asked.Count)), SqlArray.Of(asked.Select(a => a.Draft.Caller.ProjectId)),
                        SqlArray.Of(asked.Select(a => a.Draft.Stream.Name)), SqlArray.Of(asked.Select(a => Address.Key(a.Recipient.Address))),
                    },
                },
            },
        };
        var found = new Dictionary<(Guid, int), Suppressed>();
        await using var reader = await batch.ExecuteReaderAsync(cancel);
        await reader.NextResultAsync(cancel);
        while (await reader.ReadAsync(cancel))
        {
            var (draft, recipient) = asked[reader.GetInt32(0)];
            found[(draft.Id, recipient.N)] = Read(reader, 1);
        }

        return found;
    }

    /// <summary>Reason, source and time from three columns.</summary>
    public static Suppressed Read(NpgsqlDataReader reader, int column) =>
        new(reader.GetString(column), Words.Parse<SuppressionSource>(reader.GetString(column + 1)), reader.GetFieldValue<DateTimeOffset>(column + 2));

    static NewSuppression Join(NewSuppression a, NewSuppression b) =>
        (b.Source > a.Source ? b : a) with { ExpiresAt = a.ExpiresAt is { } x && b.ExpiresAt is { } y ? x > y ? x : y : null };

    static string Strength(string row) => $"array_position(array[{Strengths}], {row}.source::text)";
}
