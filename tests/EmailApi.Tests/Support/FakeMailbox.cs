using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.RegularExpressions;

namespace EmailApi.Tests.Support;

/// <summary>A scripted IMAP server (RFC 3501) with one mailbox on loopback. It knows what a reader of a mailbox needs, and records what it was told.</summary>
public sealed partial class FakeMailbox : IAsyncDisposable
{
    public const string User = "bounces@example.jp";
    public const string Password = "correct horse";

    readonly TcpListener listener = new(IPAddress.Loopback, 0);
    readonly SortedDictionary<int, byte[]> messages = [];   // guards itself and the commands
    readonly List<string> commands = [];
    readonly Task accepting;
    int lastUid;

    FakeMailbox()
    {
        listener.Start();
        accepting = AcceptAsync();
    }

    public int Port => ((IPEndPoint)listener.LocalEndpoint).Port;

    public int UidValidity { get; set; } = 1;

    public IReadOnlyList<string> Commands
    {
        get { lock (messages) return [.. commands]; }
    }

    /// <summary>UIDs of the messages that are in it.</summary>
    public IReadOnlyList<int> Uids
    {
        get { lock (messages) return [.. messages.Keys]; }
    }

    public static FakeMailbox Start() => new();

    public void Deliver(string message)
    {
        lock (messages) messages[++lastUid] = Encoding.UTF8.GetBytes(message);
    }

    public async ValueTask DisposeAsync()
    {
        listener.Dispose();
        await accepting;
    }

    async Task AcceptAsync()
    {
        await Task.Yield();
        try
        {
            while (true) _ = ServeAsync(await listener.AcceptTcpClientAsync());
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException or InvalidOperationException)
        {
            // Stopped.
        }
    }

    async Task ServeAsync(TcpClient client)
    {
        try
        {
            using (client)
            {
                await using var stream = client.GetStream();
                using var reader = new StreamReader(stream, Encoding.Latin1);
                await stream.WriteAsync("* OK [CAPABILITY IMAP4rev1 UIDPLUS LITERAL+] ready\r\n"u8.ToArray());
                while (await reader.ReadLineAsync() is { } line)
                {
                    while (Literal().Match(line) is { Success: true } literal)
                    {
                        var text = new char[int.Parse(literal.Groups[1].Value, CultureInfo.InvariantCulture)];
                        await reader.ReadBlockAsync(text);
                        line = $"{line[..literal.Index]}\"{new string(text)}\"{await reader.ReadLineAsync()}";
                    }

                    lock (messages) commands.Add(line[(line.IndexOf(' ', StringComparison.Ordinal) + 1)..]);
                    await stream.WriteAsync(Answer(line));
                    if (line.EndsWith(" LOGOUT", StringComparison.Ordinal)) return;
                }
            }
        }
        catch (IOException)
        {
            // It hung up.
        }
    }

    byte[] Answer(string line)
    {
        var words = line.Split(' ', 3);
        var (tag, verb, rest) = (words[0], words[1].ToUpperInvariant(), words.Length > 2 ? words[2] : "");
        if (verb == "UID") (verb, rest) = ($"UID {rest.Split(' ')[0].ToUpperInvariant()}", rest[(rest.IndexOf(' ', StringComparison.Ordinal) + 1)..]);
        using var answer = new MemoryStream();
        lock (messages)
        {
            var status = "OK done";
            switch (verb)
            {
                case "CAPABILITY": Say("* CAPABILITY IMAP4rev1 UIDPLUS LITERAL+"); break;
                case "LOGIN" when !rest.Contains(Password, StringComparison.Ordinal): status = "NO [AUTHENTICATIONFAILED] no"; break;
                case "LOGIN" or "NOOP" or "CLOSE": break;
                case "LIST": Say("* LIST (\\HasNoChildren) \"/\" INBOX"); break;
                case "SELECT" or "EXAMINE":
                    Say($"* {messages.Count} EXISTS", "* FLAGS (\\Seen \\Deleted)", $"* OK [UIDVALIDITY {UidValidity}] valid", $"* OK [UIDNEXT {lastUid + 1}] next");
                    status = verb == "EXAMINE" ? "OK [READ-ONLY] done" : "OK [READ-WRITE] done";
                    break;
                case "UID SEARCH": Say($"* SEARCH {string.Join(' ', Named(rest))}".TrimEnd()); break;
                case "UID FETCH": Fetch(rest); break;
                case "UID STORE": break;
                case "UID EXPUNGE": foreach (var uid in Named(rest)) messages.Remove(uid); break;
                case "LOGOUT": Say("* BYE"); break;
                default: status = "BAD unknown"; break;
            }

            Say($"{tag} {status}");
        }

        return answer.ToArray();

        void Say(params string[] lines)
        {
            foreach (var text in lines) answer.Write(Encoding.UTF8.GetBytes($"{text}\r\n"));
        }

        void Fetch(string which)
        {
            var uid = int.Parse(which.Split(' ')[0], CultureInfo.InvariantCulture);
            var (offset, count) = Partial().Match(which) is { Success: true } part
                ? (int.Parse(part.Groups[1].Value, CultureInfo.InvariantCulture), int.Parse(part.Groups[2].Value, CultureInfo.InvariantCulture)) : (0, int.MaxValue);
            var body = messages[uid].Skip(offset).Take(count).ToArray();
            answer.Write(Encoding.UTF8.GetBytes($"* {messages.Keys.ToList().IndexOf(uid) + 1} FETCH (UID {uid} BODY[]<{offset}> {{{body.Length}}}\r\n"));
            answer.Write(body);
            Say(")");
        }
    }

    /// <summary>The UIDs of a set such as <c>3:*</c>, which always has the last one.</summary>
    IEnumerable<int> Named(string set)
    {
        set = set.Replace("UID", "", StringComparison.OrdinalIgnoreCase).Trim();
        foreach (var part in set.Split(','))
        {
            var ends = part.Split(':');
            var from = int.Parse(ends[0], CultureInfo.InvariantCulture);
            var to = ends.Length == 1 ? from : ends[1] == "*" ? Math.Max(lastUid, from) : int.Parse(ends[1], CultureInfo.InvariantCulture);
            if (ends is [_, "*"]) from = Math.Min(from, lastUid);
            foreach (var uid in messages.Keys.Where(uid => uid >= from && uid <= to).ToList()) yield return uid;
        }
    }

    [GeneratedRegex(@"\{(\d+)\+?\}$")]
    private static partial Regex Literal();

    [GeneratedRegex(@"<(\d+)\.(\d+)>")]
    private static partial Regex Partial();
}
