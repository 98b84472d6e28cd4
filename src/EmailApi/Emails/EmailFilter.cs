using System.Text.Json;
using EmailApi.Data;
using EmailApi.Http;
using Microsoft.AspNetCore.Mvc;
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

    /// <summary>Its rows are read off the list of the status, nothing else narrows them.</summary>
    internal bool IsByStatusAlone => Status is not null && this with { Status = null, From = null, To = null } == new EmailFilter();

    /// <summary>It looks into tags or the subject.</summary>
    internal bool IsSearch => Tag is not null || Subject is not null;

    static readonly string[] Statuses = [.. Words.All<RecipientState>(), Partial];
    const string Partial = "partial";

    /// <exception cref="ProblemException">400, naming the parameter and what would be right.</exception>
    public static EmailFilter Read(EmailFilterQuery query) => new()
    {
        Status = Text(query.Status, "status") is not { } status ? null
            : Statuses.Contains(status) ? status : throw Wrong("status", $"is one of {string.Join(", ", Statuses)}", status),
        Address = Text(query.Address, "address") is not { } address ? null
            : Emails.Address.TryParse(address, out var parsed, out var error) ? parsed : throw new ProblemException(ProblemKind.BadRequest, $"address is a whole address ({error.TrimEnd('.')}); {address} is not."),
        Stream = Text(query.Stream, "stream"),
        Tag = Text(query.Tag, "tag") is { } tag ? tag.Split(':', 2) is [var name, var value] ? (name, value) : (tag, null) : null,
        Key = Text(query.Key, "key"),
        Subject = Text(query.Subject, "subject"),
        From = Time(query.From, "from"),
        To = Time(query.To, "to"),
    };

    /// <summary>The emails that are meant, as a query of <c>emails e</c>; its values are added as parameters.</summary>
    /// <param name="more">Conditions of the caller's own.</param>
    /// <param name="order">Of the ids: <c>asc</c> or <c>desc</c>.</param>
    /// <remarks>What is asked of recipients is joined as a list in the order of an index, so that a page is read off from its end, however many
    /// rows there are. <c>email_status</c> comes last (<c>offset 0</c> keeps it there): a row costs it more than all other conditions.</remarks>
    internal string Query(int projectId, NpgsqlParameterCollection parameters, string more, string order, int limit)
    {
        var joins = new List<string>();
        var conditions = new List<string> { "e.project_id = @project" };
        parameters.AddWithValue("project", projectId);
        Add(Stream, "stream", "e.stream = @stream");
        Add(Key, "key", "e.key_id = @key");
        Add(Subject is null ? null : $"%{Subject.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("%", "\\%", StringComparison.Ordinal).Replace("_", "\\_", StringComparison.Ordinal)}%", "subject", "e.subject ilike @subject");
        if (Address is not null)
        {
            joins.Add(Recipients("addressed", "select r.email_id from recipients r where r.project_id = @project and r.address = @address"));
            parameters.AddWithValue("address", Address);
        }

        if (Status is not null)
        {
            var candidates = string.Join(" union all ", Candidates());
            if (Address is null) joins.Add(Recipients("stated", candidates));
            else conditions.Add($"e.id = (select c.email_id from ({candidates}) c where c.email_id = e.id limit 1)");   // asked mail by mail: few have the address, many the status
            if (Status == Partial) conditions.Add("exists (select from recipients r where r.email_id = e.id and r.n = 2)");   // it takes two
            parameters.AddWithValue("status", Status);
        }

        Add(From is { } from ? Partitions.FirstId(from) : null, "from", "e.id >= @from");
        Add(To is { } to ? Partitions.FirstId(to) : null, "to", "e.id < @to");
        if (Tag is { } tag)
        {
            conditions.Add(tag.Value is null ? "e.tags ? @tag" : "e.tags @> @tag");
            parameters.Add(tag.Value is null
                ? new NpgsqlParameter("tag", tag.Name)
                : new("tag", NpgsqlDbType.Jsonb) { Value = JsonSerializer.Serialize(new() { [tag.Name] = tag.Value }, ApiJson.Wire.DictionaryStringString) });
        }

        var emails = $"select e.* from emails e {string.Join(' ', joins)} where {string.Join(" and ", conditions)} {more} order by e.id {order}";
        return Status is null ? $"{emails} limit {limit}" : $"select e.* from ({emails} offset 0) e where email_status(e.id) = @status order by e.id {order} limit {limit}";

        string Recipients(string name, string ids) => $"join (select distinct email_id from ({ids}) r order by email_id {order}) {name} on {name}.email_id = e.id";

        void Add(object? value, string name, string condition)
        {
            if (value is null) return;
            conditions.Add(condition);
            parameters.AddWithValue(name, value);
        }
    }

    /// <summary>Emails that can have the status at all, a query for each state; which of them do, <c>email_status</c> tells.</summary>
    IEnumerable<string> Candidates() => Status switch
    {
        "sending" => ["select q.email_id from queue q where q.project_id = @project and q.lease_until is not null"],
        "queued" => InState("queued", "scheduled"),
        Partial => InState("bounced", "complained", "failed", "expired", "suppressed", "canceled", "rejected"),
        _ => ["select r.email_id from recipients r where r.project_id = @project and r.state = @status"],
    };

    static IEnumerable<string> InState(params string[] states) => states.Select(state => $"select r.email_id from recipients r where r.project_id = @project and r.state = '{state}'");

    static string? Text(string? text, string name)
    {
        if (text is null) return null;
        if (text.Length is 0 or > MaxTextLength) throw Wrong(name, $"has 1 to {MaxTextLength} characters", $"\"{text}\"");
        return text.Contains('\0', StringComparison.Ordinal) ? throw new ProblemException(ProblemKind.BadRequest, $"{name} must not have the character U+0000.") : text;
    }

    static DateTimeOffset? Time(string? given, string name) => Text(given, name) is not { } text ? null
        : Instant.TryParse(text, out var at) && at.Year is > 1970 and < 9000 ? at
        : throw Wrong(name, "is a time with its offset (RFC 3339), such as 2026-12-01T09:00:00%2B09:00", text);

    static ProblemException Wrong(string name, string rule, string given) => new(ProblemKind.BadRequest, $"{name} {rule}; {given} is not.");
}

/// <summary>The filter as the query of a request gives it.</summary>
/// <param name="Status">An email's status, e.g. <c>deferred</c> or <c>partial</c>.</param>
/// <param name="Address">A recipient's whole address.</param>
/// <param name="Stream">The stream's name.</param>
/// <param name="Tag"><c>name:value</c>, or the name alone for any value.</param>
/// <param name="Key">The id of the key that sent it.</param>
/// <param name="Subject">A part of the subject, in any case.</param>
/// <param name="From">Accepted at this time or later: RFC 3339 with an offset.</param>
/// <param name="To">Accepted before this time.</param>
public sealed record EmailFilterQuery(
    [FromQuery(Name = "status")] string? Status, [FromQuery(Name = "address")] string? Address, [FromQuery(Name = "stream")] string? Stream, [FromQuery(Name = "tag")] string? Tag,
    [FromQuery(Name = "key")] string? Key, [FromQuery(Name = "subject")] string? Subject, [FromQuery(Name = "from")] string? From, [FromQuery(Name = "to")] string? To);
