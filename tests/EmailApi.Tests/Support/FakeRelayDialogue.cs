using System.Globalization;
using System.Net.Security;
using System.Net.Sockets;
using System.Text;

namespace EmailApi.Tests.Support;

/// <summary>One connection of the <see cref="FakeRelay"/>: plain code on purpose, so that it cannot share a mistake with the app.</summary>
sealed class FakeRelayDialogue(FakeRelay relay, Socket socket, int number, CancellationToken cancel)
{
    readonly byte[] buffer = new byte[16 * 1024];
    Stream stream = new NetworkStream(socket);
    int start, end;
    bool isTls;
    bool isOver;
    string? reversePath;
    string mailParameters = "";
    List<string> recipients = [];

    public async Task RunAsync()
    {
        if (!await PassAsync(RelayStep.Connect)) return;
        if (!await ReplyAsync(RelayStep.Banner, "220 fake.example ESMTP")) return;

        while (!isOver && await ReadLineAsync() is { } bytes)
        {
            var line = Encoding.UTF8.GetString(bytes).TrimEnd('\r', '\n');
            var command = new RelayCommand(number, line, DateTimeOffset.UtcNow);
            relay.Record(command);
            if (relay.OnCommand is { } onCommand) await onCommand(command);
            var space = line.IndexOf(' ');
            var rest = space < 0 ? "" : line[(space + 1)..];
            switch ((space < 0 ? line : line[..space]).ToUpperInvariant())
            {
                case "EHLO":
                    Forget();
                    await ReplyAsync(RelayStep.Ehlo, Capabilities());
                    break;
                case "HELO":
                    Forget();
                    await ReplyAsync(RelayStep.Ehlo, "250 fake.example");   // who refuses EHLO's sender does not want it by another word
                    break;
                case "STARTTLS" when relay.StartTls && !isTls:
                    await StartTlsAsync();
                    break;
                case "AUTH" when relay.Auth:
                    await AuthAsync(rest);
                    break;
                case "MAIL":
                    await MailAsync(rest);
                    break;
                case "RCPT":
                    await RcptAsync(rest);
                    break;
                case "DATA":
                    await DataAsync();
                    break;
                case "RSET":
                    Forget();
                    await ReplyAsync(RelayStep.Rset, "250 2.0.0 Ok");
                    break;
                case "NOOP":
                    await SendAsync("250 2.0.0 Ok");
                    break;
                case "QUIT":
                    await ReplyAsync(RelayStep.Quit, "221 2.0.0 Bye");
                    return;
                default:
                    await SendAsync("502 5.5.1 Not implemented");
                    break;
            }
        }
    }

    string Capabilities()
    {
        List<string> lines = ["fake.example", "ENHANCEDSTATUSCODES"];
        if (relay.Pipelining) lines.Add("PIPELINING");
        if (relay.EightBitMime) lines.Add("8BITMIME");
        if (relay.SmtpUtf8) lines.Add("SMTPUTF8");
        if (relay.Dsn) lines.Add("DSN");
        if (relay.Size is { } size) lines.Add($"SIZE {size}");
        if (relay.StartTls && !isTls) lines.Add("STARTTLS");
        if (relay.Auth) lines.Add("AUTH PLAIN LOGIN");
        return string.Join("\r\n", lines.Select((text, i) => $"250{(i == lines.Count - 1 ? ' ' : '-')}{text}"));
    }

    async Task StartTlsAsync()
    {
        if (!await ReplyAsync(RelayStep.StartTls, "220 2.0.0 Go ahead")) return;
        start = end = 0;   // what came along in clear text must not be taken for encrypted
        var tls = new SslStream(stream);
        await tls.AuthenticateAsServerAsync(FakeRelay.TlsOptions, cancel);
        (stream, isTls) = (tls, true);
        Forget();
    }

    async Task AuthAsync(string rest)
    {
        var parts = rest.Split(' ', 2);
        string user, password;
        if (parts[0].Equals("PLAIN", StringComparison.OrdinalIgnoreCase))
        {
            var fields = (parts.Length > 1 ? FromBase64(parts[1]) : await AskAsync("334 ")).Split('\0');
            (user, password) = (fields[^2], fields[^1]);
        }
        else
        {
            user = parts.Length > 1 ? FromBase64(parts[1]) : await AskAsync("334 VXNlcm5hbWU6");
            password = await AskAsync("334 UGFzc3dvcmQ6");
        }
        var isRight = relay.Login is not { } login || login == (user, password);
        await ReplyAsync(RelayStep.Auth, isRight ? "235 2.7.0 Welcome" : "535 5.7.8 Wrong login");
    }

    async Task<string> AskAsync(string question)
    {
        await SendAsync(question);
        return FromBase64(Encoding.ASCII.GetString(await ReadLineAsync() ?? []).Trim());
    }

    static string FromBase64(string text) => Encoding.UTF8.GetString(Convert.FromBase64String(text));

    async Task MailAsync(string rest)
    {
        if (reversePath is not null)
        {
            await SendAsync("503 5.5.1 Nested MAIL");
            return;
        }
        var (path, parameters) = Path(rest);
        if (!await ReplyAsync(RelayStep.Mail, "250 2.1.0 Ok")) return;
        (reversePath, mailParameters, recipients) = (path, parameters, []);
    }

    async Task RcptAsync(string rest)
    {
        var (path, _) = Path(rest);
        if (reversePath is null) await SendAsync("503 5.5.1 MAIL first");
        else if (await ReplyAsync(RelayStep.Rcpt, "250 2.1.5 Ok", path)) recipients.Add(path);
    }

    static (string Path, string Parameters) Path(string text)
    {
        var (from, to) = (text.IndexOf('<'), text.LastIndexOf('>'));
        return from < 0 || to < from ? (text, "") : (text[(from + 1)..to], text[(to + 1)..].Trim());
    }

    async Task DataAsync()
    {
        if (reversePath is null || recipients.Count == 0)
        {
            await SendAsync("503 5.5.1 No valid recipients");
            return;
        }
        if (!await ReplyAsync(RelayStep.Data, "354 Go ahead")) return;

        if (start == end && !await FillAsync()) return;
        if (!await PassAsync(RelayStep.Body)) return;
        if (await ReadDataAsync() is not { } data) return;

        var mail = new RelayedMail(reversePath, recipients, mailParameters, data, MessageId(data), number, DateTimeOffset.UtcNow);
        Forget();
        if (relay.OnDot is { } onDot) await onDot(mail);

        var script = relay.ScriptFor(RelayStep.Dot);
        if (script?.StartsWith("take:", StringComparison.Ordinal) == true)
        {
            relay.Record(mail with { At = DateTimeOffset.UtcNow });
            await ActAsync(script["take:".Length..], "");
            return;
        }
        // Recorded before the reply leaves: whoever has read the 250 finds the mail here.
        if (await ActAsync(script, "250 2.0.0 Taken", beforeOk: () => relay.Record(mail with { At = DateTimeOffset.UtcNow })))
            await PassAsync(RelayStep.Idle);
    }

    /// <summary>Reads up to CRLF.CRLF and nothing else, takes the stuffed dots out, and changes no other octet.</summary>
    async Task<byte[]?> ReadDataAsync()
    {
        using var data = new MemoryStream();
        var isAfterCrlf = true;
        while (await ReadLineAsync() is { } line)
        {
            if (isAfterCrlf && line is [(byte)'.', (byte)'\r', (byte)'\n']) return data.ToArray();
            data.Write(line.AsSpan(isAfterCrlf && line[0] == '.' ? 1 : 0));
            isAfterCrlf = line is [.., (byte)'\r', (byte)'\n'];
        }
        return null;
    }

    static string? MessageId(byte[] data)
    {
        var header = Encoding.UTF8.GetString(data).Split("\r\n\r\n", 2)[0].Replace("\r\n ", " ").Replace("\r\n\t", " ");
        var field = header.Split("\r\n").FirstOrDefault(l => l.StartsWith("Message-ID:", StringComparison.OrdinalIgnoreCase));
        return field?["Message-ID:".Length..].Trim();
    }

    void Forget() => (reversePath, mailParameters, recipients) = (null, "", []);

    /// <returns>True when a positive reply was sent.</returns>
    Task<bool> ReplyAsync(RelayStep step, string usual, string? recipient = null) =>
        ActAsync(relay.ScriptFor(step, recipient), usual);

    /// <summary>A point of the dialogue where nothing is said as a rule.</summary>
    /// <returns>False when the connection ends here.</returns>
    async Task<bool> PassAsync(RelayStep step)
    {
        var script = relay.ScriptFor(step);
        if (script is null) return true;
        var goesOn = await ActAsync(script, "");
        var isOnlyDelay = script.StartsWith("delay:", StringComparison.Ordinal) && !script.Contains(' ');
        if (!isOnlyDelay) isOver = true;
        return goesOn && isOnlyDelay;
    }

    async Task<bool> ActAsync(string? script, string usual, Action? beforeOk = null)
    {
        var answer = script ?? usual;
        if (answer.StartsWith("delay:", StringComparison.Ordinal))
        {
            var parts = answer["delay:".Length..].Split(' ', 2);
            await Task.Delay(int.Parse(parts[0], CultureInfo.InvariantCulture), cancel);
            answer = parts.Length > 1 ? parts[1] : usual;
        }
        switch (answer)
        {
            case "close":
                isOver = true;
                socket.Shutdown(SocketShutdown.Both);
                return false;
            case "reset":
                isOver = true;
                socket.LingerState = new LingerOption(true, 0);
                socket.Close();
                return false;
            case "hang":
                await Task.Delay(Timeout.Infinite, cancel);
                return false;
            case "":
                return true;
        }
        var isPositive = answer[0] is '2' or '3';
        if (isPositive) beforeOk?.Invoke();
        await SendAsync(answer);
        if (answer.StartsWith("421", StringComparison.Ordinal)) isOver = true;
        return isPositive && !isOver;
    }

    async Task SendAsync(string reply) => await stream.WriteAsync(Encoding.UTF8.GetBytes(reply + "\r\n"), cancel);

    /// <returns>A line with its LF; null at the end of the stream.</returns>
    async Task<byte[]?> ReadLineAsync()
    {
        using var line = new MemoryStream();
        while (true)
        {
            var lineFeed = buffer.AsSpan(start, end - start).IndexOf((byte)'\n');
            var taken = lineFeed < 0 ? end - start : lineFeed + 1;
            line.Write(buffer, start, taken);
            start += taken;
            if (lineFeed >= 0) return line.ToArray();
            if (!await FillAsync()) return null;
        }
    }

    async Task<bool> FillAsync()
    {
        start = 0;
        end = await stream.ReadAsync(buffer, cancel);
        return end > 0;
    }
}
