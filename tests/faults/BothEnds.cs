using System.Net.Http.Json;
using System.Text.Json;

namespace EmailApi.Faults;

/// <summary>What clients were answered, what the database says became of it, and what the relay got: counted against each other.</summary>
/// <param name="Copies">Mails at the relay by id.</param>
/// <param name="Doubted">Ids with an event <c>email.in_doubt</c>.</param>
/// <param name="Open">Ids that have not ended: waiting, held.</param>
/// <param name="States">Recipients by state, with the reason of those that failed.</param>
sealed record BothEnds(
    Clients Clients, IReadOnlyList<string> Stored, IReadOnlyDictionary<string, int> Copies, HashSet<string> Doubted, HashSet<string> Open, HashSet<string> Sent,
    IReadOnlyList<string> States, bool IsBalanced)
{
    /// <summary>Answered with 202, and neither at the relay nor waiting.</summary>
    public List<string> Lost => [.. Clients.Answered.Values.Where(id => !Copies.ContainsKey(id) && !Open.Contains(id))];

    public List<string> Doubled => [.. Copies.Where(c => c.Value > 1).Select(c => c.Key)];

    /// <summary>Counts them, by a node that runs.</summary>
    public static async Task<BothEnds> CountAsync(Stage stage, Clients clients)
    {
        var http = stage.Nodes.First(n => n.IsRunning).Process.Http;
        return new(
            clients, await IdsAsync("select id from emails"),
            stage.Relay.Mails.GroupBy(m => $"em_{m.MessageId!.TrimStart('<').Split('@')[0]}").ToDictionary(g => g.Key, g => g.Count()),
            [.. await IdsAsync("select distinct email_id from events where type = 'email.in_doubt'")], [.. await IdsAsync("select email_id from queue")],
            [.. await IdsAsync("select email_id from recipients where state = 'sent'")],
            await stage.ListAsync<string>("select concat(count(*), ' ', state, ' ' || reason) from recipients group by state, reason order by count(*) desc"),
            (await http.GetFromJsonAsync<JsonElement>("/v1/ledger")).GetProperty("balanced").GetBoolean());

        async Task<List<string>> IdsAsync(string sql) => (await stage.ListAsync<Guid>(sql)).ConvertAll(id => $"em_{id:n}");
    }

    /// <summary>The bars of every scenario.</summary>
    /// <param name="mails">How many were to be answered.</param>
    /// <param name="others">Stored beside theirs.</param>
    public void Judge(Run run, int mails, int others = 0)
    {
        run.Count("accepted (answered 202)", Clients.Answered.Count);
        run.Count("relayed (different mails at the relay)", Copies.Count);
        run.Count("states", string.Join(", ", States));
        run.Count("requests refused / cut / told to wait", $"{Clients.Refused} / {Clients.Cut} / {Clients.Unavailable}");
        if (Clients.LastUnavailable is { } words) run.Count("the last of these was told", words);
        if (Clients.LastCut is { } how) run.Count("the last was cut so", how);
        run.Must("all accepted", Clients.Answered.Count == mails, $"{Clients.Answered.Count} of {mails}");
        run.AtMost("lost", Lost.Count, 0);
        run.AtMost("stored twice", Stored.Count - others - Clients.Answered.Values.Distinct().Count(), 0);
        run.AtMost("repeats that were answered with another id", Clients.Differing, 0);
        run.AtMost("sent by the book, but not at the relay", Sent.Count(id => !Copies.ContainsKey(id)), 0);
        run.Count("in doubt", Doubted.Count);
        run.Count("doubled", Doubled.Count);
        run.AtMost("doubled unmarked", Doubled.Count(id => !Doubted.Contains(id)), 0);
        run.AtMost("tripled", Copies.Count(c => c.Value > 2), 0);
        run.Must("ledger balanced", IsBalanced);
    }
}
