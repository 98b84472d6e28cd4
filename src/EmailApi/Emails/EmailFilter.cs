using System.Text.Json;
using EmailApi.Data;
using EmailApi.Http;
using Npgsql;
using NpgsqlTypes;

namespace EmailApi.Emails;

/// <summary>Which emails of a project are meant: every part that is given must hold. Each is backed by an index that ends in the email's id,
/// so that the newest come first without sorting.</summary>
public sealed record EmailFilter
{
    public static readonly string[] Names = ["status", "address", "stream", "tag", "key", "subject", "from", "to"];
    const int MaxTextLength = 200;

    public string? Status { get; init; }
    public string? Address { get; init; }
    public string? Stream { get; init; }
    /// <summary>A tag's name, and its value unless any will do.</summary>
    public (string Name, string? Value)? Tag { get; init; }
    public string? Key { get; init; }
    public string? Subject { get; init; }
    public DateTimeOffset? From { get; init; }
    public DateTimeOffset? To { get; init; }

    static readonly string[] Statuses = [.. Words.All<RecipientState>(), Partial];
    const string Partial = "partial";

    /// <summary>From the query of a request.</summary>
    /// <exception cref="ProblemException">400, naming the parameter and what would be right.</exception>
    public static EmailFilter Read(IQueryCollection query) => new()
    {
        Status = Text(query, "status") is not { } status ? null
            : Statuses.Contains(status) ? status : throw Wrong("status", $"is one of {string.Join(", ", Statuses)}", status),
        Address = Text(query, "address") is not { } address ? null
            : Emails.Address.TryParse(address, out var parsed, out var error) ? parsed : throw Wrong("address", $"is a whole address ({error.TrimEnd('.')})", address),
        Stream = Text(query, "stream"),
        Tag = Text(query, "tag") is { } tag ? tag.Split(':', 2) is [var name, var value] ? (name, value) : (tag, null) : null,
        Key = Text(query, "key"),
        Subject = Text(query, "subject"),
        From = Time(query, "from"),
        To = Time(query, "to"),
    };

    /// <summary>The conditions on <c>emails e</c> as SQL, their values added as parameters.</summary>
    internal string Where(int projectId, NpgsqlParameterCollection parameters)
    {
        var conditions = new List<string> { "e.project_id = @project" };
        parameters.AddWithValue("project", projectId);
        Add(Stream, "stream", "e.stream = @stream");
        Add(Key, "key", "e.key_id = @key");
        Add(Subject is null ? null : $"%{Subject.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("%", "\\%", StringComparison.Ordinal).Replace("_", "\\_", StringComparison.Ordinal)}%", "subject", "e.subject ilike @subject");
        Add(Address, "address", "e.id in (select r.email_id from recipients r where r.project_id = @project and r.address = @address)");
        Add(From is { } from ? Partitions.FirstId(from) : null, "from", "e.id >= @from");
        Add(To is { } to ? Partitions.FirstId(to) : null, "to", "e.id < @to");
        if (Tag is { } tag)
        {
            conditions.Add(tag.Value is null ? "e.tags ? @tag" : "e.tags @> @tag");
            parameters.Add(tag.Value is null
                ? new NpgsqlParameter("tag", tag.Name)
                : new("tag", NpgsqlDbType.Jsonb) { Value = JsonSerializer.Serialize(new() { [tag.Name] = tag.Value }, ApiJson.Wire.DictionaryStringString) });
        }

        Add(Status, "status", $"e.id in ({Candidates()}) and email_status(e.id) = @status");
        return string.Join(" and ", conditions);

        void Add(object? value, string name, string condition)
        {
            if (value is null) return;
            conditions.Add(condition);
            parameters.AddWithValue(name, value);
        }
    }

    /// <summary>Emails that can have the status at all; which of them do, <c>email_status</c> tells.</summary>
    string Candidates() => Status switch
    {
        "sending" => "select q.email_id from queue q where q.project_id = @project and q.lease_until is not null",
        "queued" => "select r.email_id from recipients r where r.project_id = @project and r.state in ('queued', 'scheduled')",
        Partial => "select r.email_id from recipients r where r.project_id = @project and r.state in ('bounced', 'complained', 'failed', 'expired', 'suppressed', 'canceled', 'rejected')",
        _ => "select r.email_id from recipients r where r.project_id = @project and r.state = @status",
    };

    static string? Text(IQueryCollection query, string name)
    {
        if (!query.TryGetValue(name, out var values)) return null;
        if (values is not [{ Length: > 0 and <= MaxTextLength } text]) throw Wrong(name, $"is given once, with 1 to {MaxTextLength} characters", values.ToString());
        return text.Contains('\0', StringComparison.Ordinal) ? throw Wrong(name, "has no character U+0000", "it") : text;
    }

    static DateTimeOffset? Time(IQueryCollection query, string name) => Text(query, name) is not { } text ? null
        : Instant.TryParse(text, out var at) && at.Year is > 1970 and < 9000 ? at
        : throw Wrong(name, "is a time with its offset (RFC 3339), such as 2026-12-01T09:00:00%2B09:00", text);

    static ProblemException Wrong(string name, string rule, string given) => new(ProblemKind.BadRequest, $"{name} {rule}; {given} is not.");
}
