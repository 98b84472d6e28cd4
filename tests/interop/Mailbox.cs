using System.Net;
using System.Net.Sockets;
using EmailApi.Benchmarks.Servers;
using MimeKit;

namespace EmailApi.Interop;

/// <summary>A Postfix that takes mail for mailbox.example and keeps all of it in one Maildir.</summary>
sealed class Mailbox : IAsyncDisposable
{
    public const string Domain = "mailbox.example";
    public const string Nobody = "65534";

    readonly PostfixServer postfix;

    Mailbox(PostfixServer postfix, string folder) => (this.postfix, Folder) = (postfix, folder);

    /// <summary>The Maildir.</summary>
    public string Folder { get; }

    public int Port => postfix.Port;

    public string Log => postfix.MailLog;

    /// <param name="more">Lines of main.cf.</param>
    public static async Task<Mailbox> StartAsync(WorkFolder folder, string name, CancellationToken cancel, IReadOnlyDictionary<string, string>? more = null)
    {
        var mail = folder.NewFolder($"{name}-mail");
        await ChildProcess.RunAsync(folder["chown.log"], ["chown", Nobody, mail], TimeSpan.FromSeconds(10), cancel);
        var settings = new Dictionary<string, string>
        {
            ["virtual_mailbox_domains"] = Domain,
            ["virtual_mailbox_base"] = mail,
            ["virtual_mailbox_maps"] = "static:all/",
            ["virtual_uid_maps"] = $"static:{Nobody}",
            ["virtual_gid_maps"] = $"static:{Nobody}",
            ["virtual_minimum_uid"] = "1",
            ["maillog_file"] = "{folder}/mail.log",
            ["maillog_file_prefixes"] = "{folder}",
        };
        foreach (var (key, value) in more ?? new Dictionary<string, string>()) settings[key] = value;
        return new(await PostfixServer.StartAsync(folder, name, settings, cancel), Path.Combine(mail, "all"));
    }

    /// <summary>What EHLO offers.</summary>
    public async Task<string> OffersAsync(CancellationToken cancel)
    {
        using var client = new TcpClient { NoDelay = true };
        await client.ConnectAsync(IPAddress.Loopback, Port, cancel);
        await using var stream = client.GetStream();
        using var reader = new StreamReader(stream);
        await reader.ReadLineAsync(cancel);
        await stream.WriteAsync("EHLO client.example\r\n"u8.ToArray(), cancel);
        var offers = "";
        while (await reader.ReadLineAsync(cancel) is { } line)
        {
            offers += line + "\n";
            if (line.StartsWith("250 ", StringComparison.Ordinal)) break;
        }

        return offers;
    }

    /// <summary>Waits for so many messages with this Message-ID, one for each recipient.</summary>
    public async Task<List<MimeMessage>> ReadAsync(string messageId, int count, CancellationToken cancel)
    {
        var until = Environment.TickCount64 + 20_000;
        while (true)
        {
            var found = new List<MimeMessage>();
            foreach (var file in Directory.Exists(Path.Combine(Folder, "new")) ? Directory.GetFiles(Path.Combine(Folder, "new")) : [])
            {
                var message = await MimeMessage.LoadAsync(file, cancel);
                if ($"<{message.MessageId}>" == messageId) found.Add(message);
            }

            if (found.Count >= count) return found;
            if (Environment.TickCount64 > until) throw new CheckFailedException($"{found.Count} of {count} mails lie in the mailbox.\n{Log}");
            await Task.Delay(100, cancel);
        }
    }

    public ValueTask DisposeAsync() => postfix.DisposeAsync();
}
