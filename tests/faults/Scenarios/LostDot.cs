using System.Globalization;
using System.Text.Json.Nodes;
using EmailApi.Tests.Support;

namespace EmailApi.Faults.Scenarios;

/// <summary>F11, F12: the connection goes within the message, or after its final dot.</summary>
sealed class LostDot() : Scenario(
    "lost-dot", "The relay closes within the message, or takes it and closes without an answer: within it each mail arrives once; after the dot the stream's rule is kept, and a second copy is marked.",
    new("large", 100, 12), new("mails", 100, 100))
{
    public override async Task RunAsync(Run run)
    {
        await using var stage = await Stage.SetAsync();
        var node = await stage.AddNodeAsync();
        var mails = run["mails"];
        foreach (var rule in new[] { "hold", "stop" })
            (await node.Process.Http.PostTextAsync("/v1/streams", $$"""{"name": "{{rule}}", "in_doubt": "{{rule}}"}""")).EnsureSuccessStatusCode();
        using var clients = new Clients([node.Address], 0, run.Cancel);

        run.Say("closed within the message:");
        var large = run["large"];
        stage.Relay.AnswerAt(RelayStep.Body, "close", large);
        await clients.PostAsync((3 * mails) + 1, (3 * mails) + large, clients: 4, mail: Large);
        await SettleAllAsync(stage, run.Cancel);
        stage.Relay.AnswerAsUsual();
        var within = await BothEnds.CountAsync(stage, clients);
        within.Judge(run, large);
        run.Must("a copy of each", stage.Relay.Mails.Count == large && within.Copies.Count == large, $"{stage.Relay.Mails.Count} copies of {within.Copies.Count}");
        run.AtMost("in doubt", within.Doubted.Count, 0);
        var doubtsBefore = await DoubtsAsync(node);

        run.Say("closed after the dot:");
        stage.Relay.AnswerAt(RelayStep.Dot, "take:close", mails);
        await clients.PostAsync(1, mails);
        await SettleAllAsync(stage, run.Cancel);
        stage.Relay.AnswerAsUsual();
        stage.Relay.AnswerAt(RelayStep.Dot, "take:close");
        foreach (var (rule, from) in new[] { ("hold", mails + 1), ("stop", (2 * mails) + 1) }) await clients.PostAsync(from, from + mails - 1, mail: number => In(rule, number));
        await SettleAllAsync(stage, run.Cancel);
        stage.Relay.AnswerAsUsual();

        var ends = await BothEnds.CountAsync(stage, clients);
        ends.Judge(run, (3 * mails) + large);
        var doubted = Enumerable.Range(mails + 1, 2 * mails).Select(number => clients.Answered[number]).ToList();
        run.AtMost("hold and stop: not marked in_doubt", doubted.Count(id => !ends.Doubted.Contains(id)), 0);
        run.AtMost("doubled under hold and stop", doubted.Count(id => ends.Copies[id] > 1), 0);
        run.Must("hold: all held", await StatesAsync("hold") == $"{mails} held in_doubt", await StatesAsync("hold"));
        run.Must("stop: all failed", await StatesAsync("stop") == $"{mails} failed in_doubt", await StatesAsync("stop"));
        var events = await stage.AskAsync<long>("select count(*) from events where type = 'email.in_doubt'");
        run.Count("events email.in_doubt, all parts", events);
        run.AtMost("after the dot: connections cut, and not counted by the metric", Math.Abs(await DoubtsAsync(node) - doubtsBefore - (3 * mails)), 0);

        async Task<string> StatesAsync(string stream) =>
            string.Join(", ", await stage.ListAsync<string>($"select concat(count(*), ' ', r.state, ' ', r.reason) from recipients r join emails e on e.id = r.email_id where e.stream = '{stream}' group by r.state, r.reason"));
    }

    /// <summary>More than the sockets buffer, so that the dot cannot have been written when the connection goes.</summary>
    static JsonObject Large(int number)
    {
        var mail = Clients.Mail(number);
        mail["attachments"] = new JsonArray(new JsonObject { ["filename"] = "big.bin", ["content"] = Attachment });
        return mail;
    }

    static readonly string Attachment = Convert.ToBase64String(new byte[6_000_000]);

    static JsonObject In(string stream, int number)
    {
        var mail = Clients.Mail(number);
        mail["stream"] = stream;
        return mail;
    }

    /// <summary>Until all that is put off has had its turn as well.</summary>
    static async Task SettleAllAsync(Stage stage, CancellationToken cancel)
    {
        do await stage.SettleAsync(cancel);
        while (await stage.ExecuteAsync("update queue set due_at = now() where lease_until is null and due_at < 'infinity'") > 0);
    }

    /// <summary>Doubts that connections left, as the metric has them: each is counted where it became known, whatever the rule made of it.</summary>
    static async Task<double> DoubtsAsync(Node node) =>
        (await node.Process.Http.GetStringAsync("/metrics")).Split('\n').Where(line => line.StartsWith("emailapi_recipients_in_doubt_total", StringComparison.Ordinal))
            .Sum(line => double.Parse(line[(line.LastIndexOf(' ') + 1)..], CultureInfo.InvariantCulture));
}
