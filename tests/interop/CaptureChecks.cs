using System.Globalization;
using EmailApi.Benchmarks.Servers;

namespace EmailApi.Interop;

/// <summary>Other people's clients, and an attacker, against the built-in capture relay of Development.</summary>
static class CaptureChecks
{
    static readonly TimeSpan Limit = TimeSpan.FromMinutes(1);

    public static async Task RunAsync(Checks checks, WorkFolder folder, Database database)
    {
        var cancel = checks.Cancel;
        var port = Machine.FreePort();
        var (server, portText) = ($"127.0.0.1:{port}", port.ToString(CultureInfo.InvariantCulture));
        var settings = new Dictionary<string, string> { ["ASPNETCORE_ENVIRONMENT"] = "Development", ["EmailApi__Capture__Port"] = portText };
        await using var app = await EmailApiServer.StartAsync(folder, await database.CreateAsync(cancel), settings, cancel);

        await checks.CheckAsync("the app's own mail shows in /v1/captured", async () =>
        {
            var id = await app.SendAsync(Api.Mail("own@example.jp", "来た"), cancel);
            var captured = (await app.CapturedAsync("own@example.jp", 20, cancel)).Single();
            Checks.Equal("来た", captured.GetProperty("subject").GetString(), "the subject");
            await app.WaitForAsync(id, "sent", cancel);
        });

        await checks.CheckAsync("swaks hands in a mail with an attachment; it is captured byte for byte", async () =>
        {
            await File.WriteAllTextAsync(folder["note.txt"], "a note\n.\nwith a dot\n", cancel);
            await SwaksAsync("--to", "swaks@example.jp,second@example.jp", "--header", "Subject: from swaks", "--body", "line one\n.\n..two\n", "--attach", $"@{folder["note.txt"]}");

            var captured = (await app.CapturedAsync("swaks@example.jp", 20, cancel)).Single();
            Checks.Equal(2, captured.GetProperty("to").GetArrayLength(), "the number of recipients");
            var detail = await app.GetAsync($"/v1/captured/{captured.GetProperty("id").GetString()}", cancel);
            Checks.Equal("from swaks", detail.GetProperty("subject").GetString(), "the subject");
            Checks.Equal("line one\n.\n..two", detail.GetProperty("text").GetString()!.ReplaceLineEndings("\n").TrimEnd(), "the text");
            Checks.Equal(1, detail.GetProperty("attachments").GetArrayLength(), "the number of attachments");
        });

        await checks.CheckAsync("swaks with HELO instead of EHLO, and with pipelining", async () =>
        {
            await SwaksAsync("--to", "helo@example.jp", "--protocol", "SMTP");
            await SwaksAsync("--to", "pipeline@example.jp", "--pipeline");
            Checks.Equal(1, (await app.CapturedAsync("helo@example.jp", 20, cancel)).Count, "mails by HELO");
            Checks.Equal(1, (await app.CapturedAsync("pipeline@example.jp", 20, cancel)).Count, "mails by pipelining");
        });

        await checks.CheckAsync("smtp-source with 50 sessions: 500 mails, a connection each, then 500 over kept ones", async () =>
        {
            foreach (var kept in new[] { false, true })
            {
                var to = kept ? "kept@example.jp" : "each@example.jp";
                string[] line = [Machine.Find("smtp-source", "postfix"), .. kept ? ["-d"] : (string[])[], "-s", "50", "-m", "500", "-l", "4000", "-f", "a@example.com", "-t", to, server];
                await ChildProcess.RunAsync(folder["source.log"], line, Limit, cancel);
                Checks.Equal(500, (await app.CapturedAsync(to, 20, cancel)).Count, $"mails to {to}");
            }
        });

        await checks.CheckAsync("Postfix relays 50 mails into the capture relay", async () =>
        {
            await using var postfix = await PostfixServer.StartAsync(folder, "postfix-client", new Dictionary<string, string> { ["relayhost"] = $"[127.0.0.1]:{port}" }, cancel);
            await ChildProcess.RunAsync(folder["source.log"],
                [Machine.Find("smtp-source", "postfix"), "-d", "-s", "5", "-m", "50", "-f", "a@example.com", "-t", "postfix@example.jp", $"127.0.0.1:{postfix.Port}"], Limit, cancel);
            var until = Environment.TickCount64 + 30_000;
            int count;
            while ((count = (await app.CapturedAsync("postfix@example.jp", 5, cancel)).Count) < 50 && Environment.TickCount64 < until) await Task.Delay(200, cancel);
            Checks.Equal(50, count, "mails from Postfix");
        });

        await SmugglingChecks.RunAsync(checks, app, port);

        Task<string> SwaksAsync(params string[] more) => ChildProcess.RunAsync(folder["swaks.log"],
            [Machine.Find("swaks", "swaks"), "--server", "127.0.0.1", "--port", portText, "--from", "a@example.com", "--helo", "client.example", .. more], Limit, cancel);
    }
}
