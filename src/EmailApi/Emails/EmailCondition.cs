using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using EmailApi.Http;

namespace EmailApi.Emails;

/// <summary>Something asked of a mail, as SQL.</summary>
/// <param name="Sql">Asked of <c>emails e</c>.</param>
/// <param name="OfSample">Asked of a sample, whose subjects are in lower case already: making them so is the dearest part of it.</param>
sealed record EmailTest(string Sql, string OfSample)
{
    public static implicit operator EmailTest(string sql) => new(sql, sql);

    /// <param name="pattern">Name of the value.</param>
    public static EmailTest OfSubject(string pattern) => new($"e.subject ilike @{pattern}", $"e.subject like lower(@{pattern})");

    public EmailTest Or(EmailTest other) => new($"({Sql} or {other.Sql})", $"({OfSample} or {other.OfSample})");
}

/// <summary>One part of a filter.</summary>
/// <param name="Holds">True of the mails that are meant.</param>
/// <param name="Lists">Where an index lists their ids in order; empty when none does.</param>
/// <param name="Searches">What the mails have that an index finds, in no order; cheapest first.</param>
sealed partial record EmailCondition(EmailTest Holds, IReadOnlyList<IdList> Lists, IReadOnlyList<EmailTest> Searches)
{
    const int MaxWords = 4;

    /// <summary>Asks recipients; else the mail's own row tells.</summary>
    public bool IsOfRecipients { get; private init; }

    /// <summary>The parts that are given, cheapest first; what their SQL names is added to the values.</summary>
    public static IReadOnlyList<EmailCondition> Of(EmailFilter filter, Dictionary<string, object> values) =>
        [.. new[] { OfStream(filter, values), OfKey(filter, values), OfTag(filter, values), OfSubject(filter, values), OfAddress(filter, values), OfStatus(filter, values) }.OfType<EmailCondition>()];

    static EmailCondition? OfStream(EmailFilter filter, Dictionary<string, object> values)
    {
        if (filter.Stream is null) return null;
        values["stream"] = filter.Stream;
        return new("e.stream = @stream", [new("emails e where e.project_id = @project and e.stream = @stream", "e.id")], []);
    }

    static EmailCondition? OfKey(EmailFilter filter, Dictionary<string, object> values)
    {
        if (filter.Key is null) return null;
        values["key"] = filter.Key;
        return new("e.key_id = @key", [new("emails e where e.project_id = @project and e.key_id = @key", "e.id")], []);
    }

    static EmailCondition? OfTag(EmailFilter filter, Dictionary<string, object> values)
    {
        if (filter.Tag is not { } tag) return null;
        values["tag"] = tag.Value is null ? tag.Name : JsonSerializer.Serialize(new() { [tag.Name] = tag.Value }, ApiJson.Wire.DictionaryStringString);
        var holds = tag.Value is null ? "e.tags ? @tag" : "e.tags @> @tag::jsonb";
        return new(holds, [], [holds]);
    }

    static EmailCondition? OfAddress(EmailFilter filter, Dictionary<string, object> values)
    {
        if (filter.Address is null) return null;
        values["address"] = filter.Address;
        return OfRecipients("r.project_id = @project and r.address = @address", new IdList("recipients r where r.project_id = @project and r.address = @address", "r.email_id"));
    }

    /// <summary>Only that the mail can have the status, as a recipient is in one of the states that make it; <c>email_status</c> tells whether it has.</summary>
    static EmailCondition? OfStatus(EmailFilter filter, Dictionary<string, object> values)
    {
        if (filter.Status is null) return null;
        values["status"] = filter.Status;
        if (filter.Status == RecipientState.Sending.Word())
            return new("exists (select from queue q where q.email_id = e.id and q.lease_until is not null offset 0)", [new("queue q where q.project_id = @project and q.lease_until is not null", "q.email_id")], []) { IsOfRecipients = true };
        string[] states = filter.Status switch
        {
            "queued" => ["queued", "scheduled"],
            EmailFilter.Partial => ["bounced", "complained", "failed", "expired", "suppressed", "canceled", "rejected"],
            _ => [filter.Status],
        };
        var named = string.Join(", ", states.Select(state => $"'{state}'"));
        var several = filter.Status == EmailFilter.Partial ? " and exists (select from recipients t where t.email_id = r.email_id and t.n = 2 offset 0)" : "";   // it takes two
        return OfRecipients($"r.project_id = @project and r.state in ({named})", [.. states.Select(state => new IdList($"recipients r where r.project_id = @project and r.state = '{state}'{several}", "r.email_id"))]);
    }

    static EmailCondition OfRecipients(string which, params IReadOnlyList<IdList> lists) =>
        new($"exists (select from recipients r where r.email_id = e.id and {which} offset 0)", lists, []) { IsOfRecipients = true };   // "offset 0": asked mail by mail, never joined

    static EmailCondition? OfSubject(EmailFilter filter, Dictionary<string, object> values)
    {
        if (filter.Subject is not { } subject) return null;
        if (subject.Length <= 2 && subject.All(char.IsAsciiLetterOrDigit))
        {
            values["subject_starts"] = $"{subject}%";
            values["subject_word"] = $"% {subject}%";
            var wordStart = EmailTest.OfSubject("subject_starts").Or(EmailTest.OfSubject("subject_word"));
            return new(wordStart, [], [wordStart]);
        }

        values["subject"] = $"%{Pattern(subject)}%";
        var searches = new List<EmailTest>();
        foreach (var word in Word().Matches(subject).Select(m => m.Value).Where(w => w != subject).OrderByDescending(w => w.Length).Take(MaxWords))
        {
            var name = $"word{searches.Count}";
            values[name] = $"%{word}%";
            searches.Add(EmailTest.OfSubject(name));
        }

        if (!Ascii.IsValid(subject))
        {
            values["letters"] = string.Concat(subject.Where(c => !char.IsAscii(c)));
            searches.Add("octet_length(e.subject) > length(e.subject) and string_to_array(lower(e.subject), null) @> string_to_array(lower(@letters), null)");
        }

        var anywhere = EmailTest.OfSubject("subject");
        return new(anywhere, [], [.. searches, anywhere]);
    }

    /// <summary>What the index of three letters in a row can find: it knows nothing of shorter ones.</summary>
    [GeneratedRegex(@"[\p{L}\p{N}]{3,}")]
    private static partial Regex Word();

    static string Pattern(string text) => text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("%", "\\%", StringComparison.Ordinal).Replace("_", "\\_", StringComparison.Ordinal);
}

/// <summary>Rows that an index has in the order of the mails' ids.</summary>
/// <param name="Rows">From where, and which.</param>
/// <param name="Id">The column of the mail's id.</param>
sealed record IdList(string Rows, string Id)
{
    public static readonly IReadOnlyList<IdList> AllEmails = [new("emails e where e.project_id = @project", "e.id")];

    /// <summary>The rows are the mails' own.</summary>
    public bool AreEmails => Id == "e.id";
}
