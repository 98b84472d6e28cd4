using System.Text.Json.Nodes;

namespace EmailApi.Faults.Scenarios;

/// <summary>F14: a relay takes some of a mail's recipients.</summary>
sealed class Partial() : Scenario(
    "partial", "Of ten recipients the relay refuses one, or three, or puts two off: the others get the mail once and never again, those put off get it at the next try, those refused never.",
    new("mails", 600, 60), new("tries", 3, 3))
{
    const int Recipients = 10;

    public override async Task RunAsync(Run run)
    {
        await using var stage = await Stage.SetAsync();
        await stage.AddNodesAsync(2);
        using var clients = new Clients(stage.Nodes.Select(n => n.Address), 0, run.Cancel);
        var (refused, late) = (new HashSet<string>(), new HashSet<string>());
        for (var number = 1; number <= run["mails"]; number++)
        {
            var shuffled = Enumerable.Range(0, Recipients).OrderBy(_ => run.Random.Next()).Select(i => Address(number, i)).ToList();
            var gone = number % 3 == 0 ? 1 : number % 3 == 1 ? 3 : 0;
            foreach (var address in shuffled.Take(gone)) Script(refused, address, "550 5.1.1 no such user", int.MaxValue);
            if (number % 3 == 2)
                foreach (var address in shuffled.Take(2)) Script(late, address, "451 4.3.2 try later", 1);
        }

        await clients.PostAsync(1, run["mails"], mail: number =>
        {
            var mail = Clients.Mail(number);
            mail["to"] = new JsonArray([.. Enumerable.Range(0, Recipients).Select(i => JsonValue.Create(Address(number, i)))]);
            return mail;
        });
        for (var i = 0; i < run["tries"]; i++)
        {
            await stage.SettleAsync(run.Cancel);
            await stage.ExecuteAsync("update queue set due_at = now() where lease_until is null and due_at < 'infinity'");
        }

        await stage.SettleAsync(run.Cancel);
        var copies = stage.Relay.Mails.SelectMany(m => m.Recipients).GroupBy(r => r).ToDictionary(g => g.Key, g => g.Count());
        var all = Enumerable.Range(1, run["mails"]).SelectMany(number => Enumerable.Range(0, Recipients).Select(i => Address(number, i))).ToList();
        var states = await stage.ListAsync<string>("select concat(address, ' ', state) from recipients where state <> 'sent'");
        run.Count("recipients / refused / put off", $"{all.Count} / {refused.Count} / {late.Count}");
        run.AtMost("not refused, and not got", all.Count(a => !refused.Contains(a) && !copies.ContainsKey(a)), 0);
        run.AtMost("got more than once", copies.Count(c => c.Value > 1), 0);
        run.AtMost("refused, and got", copies.Keys.Count(refused.Contains), 0);
        run.AtMost("states that are not sent, or bounced where refused", states.Except(refused.Select(a => $"{a} bounced")).Count() + refused.Select(a => $"{a} bounced").Except(states).Count(), 0);
        run.Must("ledger balanced", (await BothEnds.CountAsync(stage, clients)).IsBalanced);

        void Script(HashSet<string> set, string address, string answer, int times)
        {
            set.Add(address);
            stage.Relay.Answer(address, answer, times);
        }
    }

    static string Address(int mail, int recipient) => $"r{mail}-{recipient}@example.net";
}
