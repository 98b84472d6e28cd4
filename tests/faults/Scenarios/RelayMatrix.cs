using System.Text.Json.Nodes;
using EmailApi.Tests.Support;

namespace EmailApi.Faults.Scenarios;

/// <summary>F10: whatever a relay does at whatever step.</summary>
sealed class RelayMatrix() : Scenario(
    "relay", "At each step of the dialogue the relay answers 4yz or 5yz, closes or says nothing: outcome, step, reply, time of the next try and events are those of the table, and then the mail arrives once where it may.",
    new Parameter("command-s", 10, 5))
{
    const string Busy = "4yz", Never = "5yz", Close = "close", Hang = "hang";
    const string InDoubt = "in_doubt";

    /// <summary>What a cell must lead to: the first attempt's outcome and step.</summary>
    /// <param name="Answer">What the relay says, or does.</param>
    sealed record Cell(RelayStep Step, string Fault, string Answer, string Outcome, string RecordedStep)
    {
        public string Name => $"{Step.ToString().ToLowerInvariant()} {Fault}";

        /// <summary>Larger than what sockets buffer: the dot cannot have been written when the relay stops reading.</summary>
        public bool IsLarge => Step is RelayStep.Body;

        public string Attempt => $"{Outcome} {RecordedStep} {(Answer.Length > 0 && char.IsAsciiDigit(Answer[0]) && !IsLarge ? Answer : "no reply")}";
    }

    /// <summary>Those where the mail at hand is hit. 4yz and 5yz within the message close the connection, as nobody reads a reply while writing.</summary>
    static readonly Cell[] OfMail =
    [
        .. Before(RelayStep.Connect, "banner"), .. Before(RelayStep.Banner, "banner"), .. Before(RelayStep.Ehlo, "ehlo"), .. Before(RelayStep.StartTls, "start_tls"), .. Before(RelayStep.Auth, "auth"),
        new(RelayStep.Mail, Busy, "450 4.7.1 greylisted", "deferred", "mail"), new(RelayStep.Mail, Never, "550 5.7.1 not you", "failed", "mail"), .. Silent(RelayStep.Mail, "deferred", "mail"),
        new(RelayStep.Rcpt, Busy, "450 4.2.1 busy", "deferred", "rcpt"), new(RelayStep.Rcpt, Never, "550 5.7.1 not wanted", "bounced", "rcpt"), .. Silent(RelayStep.Rcpt, "deferred", "rcpt"),
        new(RelayStep.Data, Busy, "451 4.3.0 later", "deferred", "data"), new(RelayStep.Data, Never, "554 5.6.0 never", "bounced", "data"), .. Silent(RelayStep.Data, "deferred", "data"),
        new(RelayStep.Body, Busy, "451 4.3.0 later", "deferred", "data"), new(RelayStep.Body, Never, "554 5.6.0 never", "deferred", "data"), .. Silent(RelayStep.Body, "deferred", "data"),
        new(RelayStep.Dot, Busy, "451 4.3.0 later", "deferred", "dot"), new(RelayStep.Dot, Never, "554 5.6.0 never", "bounced", "dot"), .. Silent(RelayStep.Dot, InDoubt, "dot"),
    ];

    /// <summary>Before MAIL nothing is the mail's fault.</summary>
    static IEnumerable<Cell> Before(RelayStep step, string recorded) =>
        [new(step, Busy, "421 4.3.2 not now", "deferred", recorded), new(step, Never, "554 5.7.1 not you", "deferred", recorded), .. Silent(step, "deferred", recorded)];

    static IEnumerable<Cell> Silent(RelayStep step, string outcome, string recorded) => [new(step, Close, "close", outcome, recorded), new(step, Hang, "hang", outcome, recorded)];

    /// <summary>They are waited for together: each takes the whole time-out. Which of the mails meets which of them is left open.</summary>
    static readonly Cell[] AtOnce = [.. OfMail.Where(c => c.Fault == Hang && c.Step < RelayStep.Body)];

    /// <summary>Those between mails: the mail before and the mail after know nothing of it.</summary>
    static readonly (string Fault, string Answer)[] BetweenMails = [(Busy, "421 4.4.2 idle for too long"), (Never, "554 5.4.2 tired"), (Close, "close"), (Hang, "hang")];

    public override async Task RunAsync(Run run)
    {
        await using var stage = await Stage.SetAsync();
        (stage.Relay.StartTls, stage.Relay.Auth) = (true, true);
        var certificate = Path.Combine(stage.Folder, "relay.pem");
        await File.WriteAllTextAsync(certificate, FakeRelay.Certificate.ExportCertificatePem(), run.Cancel);
        var node = await stage.AddNodeInAsync(new Dictionary<string, string> { ["SSL_CERT_FILE"] = certificate },
            "--EmailApi:Relays:0:Security=StartTls", "--EmailApi:Relays:0:Host=localhost", "--EmailApi:Relays:0:Username=shop", "--EmailApi:Relays:0:Password=secret",
            $"--EmailApi:Relays:0:CommandTimeout={TimeSpan.FromSeconds(run["command-s"]):c}", "--EmailApi:Relays:0:ConnectTimeout=00:00:05", "--EmailApi:Relays:0:DataTimeout=00:00:05");
        var http = node.Process.Http;
        var wrong = 0;

        foreach (var cell in OfMail.Except(AtOnce)) await JudgeAsync(cell.Name, cell.Attempt, () => FaultAsync(cell));
        await JudgeAsync($"{string.Join(", ", AtOnce.Select(c => c.Step))} {Hang}", string.Join("; ", AtOnce.Select(c => c.Attempt).Order()), HangAsync);
        await JudgeAsync("connect refused", "deferred connect no reply", RefusedAsync);
        foreach (var (fault, answer) in BetweenMails) await JudgeAsync($"rset {fault}", "bounced rcpt 550 5.7.1 not wanted", () => RsetAsync(answer));
        foreach (var (fault, answer) in BetweenMails) await JudgeAsync($"idle {fault}", "sent dot 250 2.0.0 Taken", () => IdleAsync(answer));
        await JudgeAsync("quit, each of them", "exit code 0", QuitAsync);
        run.Count("cells", OfMail.Length + 1 + (3 * BetweenMails.Length));
        run.AtMost("cells that are not as the table says", wrong, 0);

        async Task JudgeAsync(string cell, string expected, Func<Task<string>> act)
        {
            string found;
            try
            {
                found = await act();
            }
            catch (Exception error) when (!run.Cancel.IsCancellationRequested)
            {
                found = $"{error.GetType().Name}: {error.Message}";
            }

            stage.Relay.AnswerAsUsual();
            if (found == expected) return;
            wrong++;
            run.Say($"{cell}: {found}; it must be: {expected}");
        }

        async Task<string> FaultAsync(Cell cell)
        {
            await HangUpAsync();
            stage.Relay.AnswerAt(cell.Step, cell.Answer, cell.Outcome == InDoubt ? 1 : int.MaxValue);
            var id = await SendAsync(cell.IsLarge);
            await http.WaitForStatusAsync(id, cell.Outcome == InDoubt ? "sent" : cell.Outcome);
            var first = (await http.AttemptsAsync(id))[0];
            stage.Relay.AnswerAsUsual();
            if (cell.Outcome == "deferred" && await WaitFaultAsync(id) is { } fault) return $"{first}, {fault}";
            string[] events = cell.Outcome switch { "deferred" => ["accepted", "deferred", "sent"], InDoubt => ["accepted", InDoubt, "sent"], var ended => ["accepted", ended] };
            return await EndAsync(id, first, events);
        }

        async Task<string> HangAsync()
        {
            await HangUpAsync();
            foreach (var cell in AtOnce) stage.Relay.AnswerAt(cell.Step, cell.Answer, 1);
            var ids = await Task.WhenAll(AtOnce.Select(_ => SendAsync()));
            foreach (var id in ids) await http.WaitForStatusAsync(id, "deferred");
            var found = new List<string>();
            foreach (var id in ids)
            {
                var first = (await http.AttemptsAsync(id))[0];
                found.Add(await WaitFaultAsync(id) is { } fault ? $"{first}, {fault}" : await EndAsync(id, first, ["accepted", "deferred", "sent"]));
            }

            return string.Join("; ", found.Order());
        }

        async Task<string?> WaitFaultAsync(string id)
        {
            var wait = await stage.ListAsync<double>($"select extract(epoch from q.due_at - e.at)::float8 from queue q join events e on e.email_id = q.email_id and e.sequence = 2 where q.email_id = '{id.ToGuid()}'");
            return wait is [>= 50.9 and <= 69.1] ? null : $"tried again after {string.Join(", ", wait)} s instead of 1 min ±15 %";
        }

        // The rest of its life: it arrives once where it may, and never where the relay refused it.
        async Task<string> EndAsync(string id, string first, string[] events)
        {
            if (events[^1] == "sent")
            {
                await stage.ExecuteAsync($"update queue set due_at = now() where email_id = '{id.ToGuid()}' and lease_until is null");
                await http.WaitForStatusAsync(id, "sent");
            }

            var (found, copies) = (await http.EventsAsync(id), stage.Relay.CopiesOf(id).Count);
            if (!found.SequenceEqual(events)) return $"{first}, then events {string.Join(", ", found)} instead of {string.Join(", ", events)}";
            return copies == (events[^1] == "sent" ? 1 : 0) ? first : $"{first}, then {copies} copies";
        }

        async Task<string> RefusedAsync()
        {
            await HangUpAsync();
            await stage.Relay.StopAsync();
            var id = await SendAsync();
            await http.WaitForStatusAsync(id, "deferred");
            stage.Relay.Restart();
            return await EndAsync(id, (await http.AttemptsAsync(id))[0], ["accepted", "deferred", "sent"]);
        }

        // The library resets a transaction whose recipients were all refused.
        async Task<string> RsetAsync(string answer)
        {
            await HangUpAsync();
            stage.Relay.AnswerAt(RelayStep.Rcpt, "550 5.7.1 not wanted", 1);
            stage.Relay.AnswerAt(RelayStep.Rset, answer, 1);
            var id = await SendAsync();
            await http.WaitForStatusAsync(id, "bounced");
            var next = await EndAsync(await SendAsync(), "", ["accepted", "sent"]);
            return await EndAsync(id, (await http.AttemptsAsync(id))[0], ["accepted", "bounced"]) + next;
        }

        async Task<string> IdleAsync(string answer)
        {
            await HangUpAsync();
            stage.Relay.AnswerAt(RelayStep.Idle, answer, 1);
            var before = await EndAsync(await SendAsync(), "", ["accepted", "sent"]);
            await Task.Delay(50, run.Cancel);
            var id = await SendAsync();
            await http.WaitForStatusAsync(id, "sent");
            return await EndAsync(id, string.Join(", ", await http.AttemptsAsync(id)), ["accepted", "sent"]) + before;
        }

        async Task<string> QuitAsync()
        {
            stage.Relay.AnswerAt(RelayStep.Dot, "delay:300");
            var ids = new List<string>();
            foreach (var (_, answer) in BetweenMails) stage.Relay.AnswerAt(RelayStep.Quit, answer, 1);
            foreach (var _ in BetweenMails) ids.Add(await SendAsync());   // at once: a connection each
            foreach (var id in ids) await http.WaitForStatusAsync(id, "sent");
            var (code, took) = await node.StopAsync();
            if (took > TimeSpan.FromSeconds(30)) return $"the node took {took.TotalSeconds:0} s to end";
            return ids.All(id => stage.Relay.CopiesOf(id).Count == 1) ? $"exit code {code}" : "not a copy of each";
        }

        // So that the next mail makes a connection of its own.
        async Task HangUpAsync()
        {
            await stage.Relay.StopAsync();
            stage.Relay.Restart();
        }

        async Task<string> SendAsync(bool isLarge = false)
        {
            var mail = TestApp.Mail();
            if (isLarge) mail["attachments"] = new JsonArray(new JsonObject { ["filename"] = "big.bin", ["content"] = Convert.ToBase64String(new byte[6_000_000]) });
            using var answer = await http.PostTextAsync("/v1/emails", mail.ToJsonString());
            return (await answer.EnsureSuccessStatusCode().JsonAsync()).Text("id");
        }
    }
}
