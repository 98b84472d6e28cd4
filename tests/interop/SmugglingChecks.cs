using System.Net;
using System.Net.Sockets;
using System.Text;
using EmailApi.Benchmarks.Servers;

namespace EmailApi.Interop;

/// <summary>SMTP smuggling: a second mail hidden in the data of the first, behind an end of data that only sloppy servers see.</summary>
static class SmugglingChecks
{
    static readonly (string Name, string End)[] FalseEnds =
    [
        ("LF.LF", "\n.\n"), ("LF.CRLF", "\n.\r\n"), ("CRLF.LF", "\r\n.\n"), ("CR.CR", "\r.\r"), ("CR.CRLF", "\r.\r\n"), ("CRLF.CR", "\r\n.\r"),
        ("LF.CR", "\n.\r"), ("CR.LF", "\r.\n"), ("LFLF.CRLF", "\n\n.\r\n"), ("CRLF NUL.CRLF", "\r\n\0.\r\n"), ("CRLF.NUL CRLF", "\r\n.\0\r\n"), ("CRLF..CRLF", "\r\n..\r\n"),
    ];

    const int AtDot = 5;   // after banner, HELO, MAIL, RCPT and DATA

    public static async Task RunAsync(Checks checks, EmailApiServer app, int port)
    {
        foreach (var ((name, end), i) in FalseEnds.Select((e, i) => (e, i)))
        {
            await checks.CheckAsync($"smuggling behind {name}: one mail at most, none smuggled", async () =>
            {
                var (outer, victim) = ($"outer-{i}@example.jp", $"victim-{i}@example.jp");
                var replies = await TalkAsync(port, outer, $"Subject: outer\r\n\r\nhello{end}MAIL FROM:<forged@bank.example>\r\nRCPT TO:<{victim}>\r\nDATA\r\nSubject: forged\r\n\r\nforged", checks.Cancel);

                Checks.Equal(0, (await app.CapturedAsync(victim, 0, checks.Cancel)).Count, "the number of smuggled mails");
                var taken = (await app.CapturedAsync(outer, 0, checks.Cancel)).Count;
                var isTaken = replies[AtDot].StartsWith("250", StringComparison.Ordinal);
                Checks.Equal(isTaken ? 1 : 0, (await app.CapturedAsync(outer, 0, checks.Cancel)).Count, $"the number of outer mails, answered {replies[AtDot].Trim()},");
                Checks.True(replies[^1].StartsWith("221", StringComparison.Ordinal) || replies[^1].Length == 0, $"QUIT was answered: {replies[^1]}");
            });
        }
    }

    /// <summary>A whole dialogue; the data is sent at once, as it stands.</summary>
    /// <returns>What came back after each step.</returns>
    static async Task<List<string>> TalkAsync(int port, string recipient, string data, CancellationToken cancel)
    {
        using var client = new TcpClient { NoDelay = true };
        await client.ConnectAsync(IPAddress.Loopback, port, cancel);
        await using var stream = client.GetStream();
        var replies = new List<string>();
        await ReplyAsync();
        foreach (var command in new[] { "HELO attacker.example", "MAIL FROM:<a@example.com>", $"RCPT TO:<{recipient}>", "DATA" })
        {
            await SendAsync(command + "\r\n");
            await ReplyAsync();
        }

        await SendAsync(data + "\r\n.\r\n");
        await ReplyAsync();
        await SendAsync("QUIT\r\n");
        await ReplyAsync();
        return replies;

        Task SendAsync(string text) => stream.WriteAsync(Encoding.Latin1.GetBytes(text), cancel).AsTask();

        async Task ReplyAsync()
        {
            var buffer = new byte[4096];
            var read = await stream.ReadAsync(buffer, cancel).AsTask().WaitAsync(TimeSpan.FromSeconds(10), cancel);
            replies.Add(Encoding.Latin1.GetString(buffer, 0, read));
        }
    }
}
