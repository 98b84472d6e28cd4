using EmailApi.Data;
using Npgsql;

namespace EmailApi.Emails;

/// <summary>Finds the emails that a filter means, by id. Every look is one that PostgreSQL has to take as it is written, as no choice of its own is
/// good for all filters: the parts are asked mail by mail, along a list that an index has in order, or of all that a search finds. Which way is the
/// shortest, a sample of the newest mails tells; and where no part is rare, the sample holds the page already.</summary>
sealed class EmailSearch
{
    /// <summary>Mails in the sample: it holds a page of what three in a hundred are.</summary>
    const int Sample = 1000;

    /// <summary>What PostgreSQL must not do where lists are read off: sort or gather them anew.</summary>
    static readonly string[] InOrder = ["seqscan", "bitmapscan", "hashagg", "sort"];

    /// <summary>What is left to it is the index of the search.</summary>
    static readonly string[] BySearch = ["seqscan", "indexscan", "indexonlyscan"];

    readonly EmailFilter filter;
    readonly Dictionary<string, object> values;
    readonly IReadOnlyList<EmailCondition> conditions;

    public EmailSearch(EmailFilter filter, int projectId)
    {
        this.filter = filter;
        values = new() { ["project"] = projectId };
        conditions = EmailCondition.Of(filter, values);
        if (filter.From is { } from) values["from"] = Partitions.FirstId(from);
        if (filter.To is { } to) values["to"] = Partitions.FirstId(to);
        if (filter.Status is { } status) values["status"] = status;
    }

    /// <summary>The newest of them, in order.</summary>
    /// <param name="before">Only those with smaller ids.</param>
    public async Task<List<Guid>> NewestAsync(NpgsqlConnection connection, Guid? before, int count, CancellationToken cancel)
    {
        if (before is not null) values["before"] = before.Value;
        if (conditions is []) return await AlongAsync(connection, IdList.AllEmails, "desc", count, cancel);
        if (conditions is [{ Lists: { Count: > 0 } only }]) return await AlongAsync(connection, only, "desc", count, cancel);

        var ways = conditions.SelectMany(Way.Of).Append(new Way(null, IdList.AllEmails, null)).ToList();
        var (found, seen, counts) = await LookAsync(connection, ways, count, cancel);
        if (found.Count == count || seen < Sample) return found;
        var way = ways.Zip(counts).MinBy(w => w.First.Cost(w.Second, found.Count, count)).First;
        return way.Search is { } search ? await FoundByAsync(connection, search, count, cancel) : await AlongAsync(connection, way.Lists, "desc", count, cancel);
    }

    /// <summary>The oldest of them in a list, in order.</summary>
    /// <param name="after">Only those with greater ids.</param>
    public Task<List<Guid>> OldestAsync(NpgsqlConnection connection, IdList listed, Guid after, int count, CancellationToken cancel)
    {
        values["after"] = after;
        return AlongAsync(connection, [listed], "asc", count, cancel);
    }

    /// <summary>Reads them off a list.</summary>
    Task<List<Guid>> AlongAsync(NpgsqlConnection connection, IReadOnlyList<IdList> lists, string order, int count, CancellationToken cancel) =>
        IdsAsync(connection, InOrder, Asked(Listed(lists, order), lists, lists.All(l => l.AreEmails), order, count), cancel);

    /// <summary>Takes them from all that a search finds: few, else the sample would have had them.</summary>
    Task<List<Guid>> FoundByAsync(NpgsqlConnection connection, EmailTest search, int count, CancellationToken cancel) =>
        IdsAsync(connection, BySearch, $"""
            with hits as materialized (select e.id, e.stream, e.key_id, e.tags, e.subject from emails e where e.project_id = @project and {search.Sql}{Range("e.id")})   -- else the index would be asked for all
            {Asked($"select e.id from hits e where true{OfEmails} order by e.id desc", [], true, "desc", count)}
            """, cancel);

    /// <summary>Looks through the newest mails.</summary>
    /// <returns>Those found, how many were looked at, and how many of them each way would lead to.</returns>
    async Task<(List<Guid> Found, long Seen, long[] Counts)> LookAsync(NpgsqlConnection connection, IReadOnlyList<Way> ways, int count, CancellationToken cancel)
    {
        var lists = conditions.Where(c => c.IsOfRecipients).Select((c, i) => (Condition: c, Name: $"listed{i}")).ToDictionary(c => c.Condition, c => c.Name);
        var named = string.Concat(lists.Select(l => $", {l.Value} as materialized ({Listed(l.Key.Lists, "desc", "(select id from oldest)")})"));
        var holds = conditions.Select(c => lists.TryGetValue(c, out var name) ? $"e.id in (select id from {name})" : c.Holds.OfSample);
        var counts = ways.Select(w => w.Condition is { } part && lists.TryGetValue(part, out var name) ? $"(select count(*) from {name})"
            : $"(select count(*) from newest e where {(w.Search ?? w.Condition?.Holds)?.OfSample ?? "true"})");

        await using var batch = Batch(connection, InOrder, $"""
            with newest as materialized (
                select e.id, e.stream, e.key_id, e.tags, {(filter.Subject is null ? "null" : "lower(e.subject)")} as subject from emails e where e.project_id = @project{Range("e.id")} order by e.id desc limit {Sample}
            ), oldest as materialized (select id from newest order by id limit 1){named}
            select array(select id from (select e.id from newest e where {string.Join(" and ", holds)} order by e.id desc offset 0) e
                         {HasStatus("e.id")} order by id desc limit {count}),
                   (select count(*) from newest), array[{string.Join(", ", counts)}]
            """);
        await using var reader = await batch.ExecuteReaderAsync(cancel);
        await reader.NextResultAsync(cancel);
        await reader.ReadAsync(cancel);
        return ([.. reader.GetFieldValue<Guid[]>(0)], reader.GetInt64(1), reader.GetFieldValue<long[]>(2));
    }

    /// <summary>Asks the mails of a list for all that it does not say itself. <c>email_status</c> comes last (<c>offset 0</c> keeps it there): it costs
    /// more than the rest.</summary>
    /// <param name="areOwnAsked">What the mails' own rows tell was asked already.</param>
    string Asked(string listed, IReadOnlyList<IdList> lists, bool areOwnAsked, string order, int count)
    {
        var open = conditions.Where(c => c.Lists != lists).ToLookup(c => c.IsOfRecipients, c => c.Holds.Sql);
        var own = areOwnAsked || !open[false].Any() ? "" : $"cross join lateral (select from emails e where e.id = l.id and {string.Join(" and ", open[false])} offset 0) own";
        var others = !open[true].Any() ? "" : $"cross join lateral (select from (select l.id) e where {string.Join(" and ", open[true])} offset 0) others";
        return $"""
            select id from (select l.id from ({listed}) l {own} {others} order by l.id {order} offset 0) asked
            {HasStatus("id")} order by id {order} limit {count}
            """;
    }

    /// <summary>The ids of several lists in one order, each once; along emails, what their own rows tell is asked on the way.</summary>
    string Listed(IReadOnlyList<IdList> lists, string order, string? from = null)
    {
        var all = string.Join(" union all ", lists.Select(l =>
            $"(select {l.Id} as id from {l.Rows}{(l.AreEmails ? OfEmails : "")}{Range(l.Id)}{(from is null ? "" : $" and {l.Id} >= {from}")} order by {l.Id} {order})"));
        return $"select distinct id from ({all}) l order by id {order}";
    }

    string OfEmails => string.Concat(conditions.Where(c => !c.IsOfRecipients).Select(c => $" and {c.Holds.Sql}"));

    string Range(string id) => string.Concat(
        values.ContainsKey("from") ? $" and {id} >= @from" : "", values.ContainsKey("to") ? $" and {id} < @to" : "",
        values.ContainsKey("before") ? $" and {id} < @before" : "", values.ContainsKey("after") ? $" and {id} > @after" : "");

    string HasStatus(string id) => filter.Status is null ? "" : $"where email_status({id}) = @status";

    async Task<List<Guid>> IdsAsync(NpgsqlConnection connection, string[] without, string sql, CancellationToken cancel)
    {
        await using var batch = Batch(connection, without, sql);
        await using var reader = await batch.ExecuteReaderAsync(cancel);
        await reader.NextResultAsync(cancel);
        var ids = new List<Guid>();
        while (await reader.ReadAsync(cancel)) ids.Add(reader.GetGuid(0));
        return ids;
    }

    NpgsqlBatch Batch(NpgsqlConnection connection, string[] without, string sql)
    {
        var statement = new NpgsqlBatchCommand(sql);
        foreach (var (name, value) in values) statement.Parameters.Add(new(name, value));
        return new(connection) { BatchCommands = { Plans("force_generic_plan", without), statement } };
    }

    /// <summary>How the statements after it are planned until the transaction ends; never for several processes or compiled, which
    /// takes longer than they do.</summary>
    /// <param name="mode">For the values given, or once for all.</param>
    internal static NpgsqlBatchCommand Plans(string mode, params string[] without)
    {
        var settings = InOrder.Union(BySearch).Select(plan => $"set_config('enable_{plan}', '{(without.Contains(plan) ? "off" : "on")}', true)");
        return new($"select set_config('plan_cache_mode', '{mode}', true), set_config('max_parallel_workers_per_gather', '0', true), set_config('jit', 'off', true), {string.Join(", ", settings)}");
    }

    /// <summary>One way to go.</summary>
    /// <param name="Lists">What is gone along, where nothing is searched.</param>
    /// <param name="Search">What is searched.</param>
    sealed record Way(EmailCondition? Condition, IReadOnlyList<IdList> Lists, EmailTest? Search)
    {
        /// <summary>Mails that are thought to be stored: a search reads all that it finds of them.</summary>
        const double Stored = 1_000_000;

        public static IEnumerable<Way> Of(EmailCondition condition) =>
            condition.Lists is [] ? condition.Searches.Select(s => new Way(condition, [], s)) : [new(condition, condition.Lists, null)];

        /// <summary>About how long it takes, in µs.</summary>
        /// <param name="listed">Mails of the sample that are on it.</param>
        /// <param name="found">Mails of the sample that are meant.</param>
        public double Cost(long listed, int found, int count) =>
            Search is not null ? 2.5 * Stored * listed / Sample : (Lists == IdList.AllEmails ? 1 : Lists.All(l => l.AreEmails) ? 2 : 6) * Math.Min(Stored * listed / Sample, count * listed / (found + 0.5));
    }
}
