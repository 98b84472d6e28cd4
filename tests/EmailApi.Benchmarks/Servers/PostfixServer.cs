using System.Globalization;

namespace EmailApi.Benchmarks.Servers;

/// <summary>A Postfix of our own: its configuration, queue and data lie in the work folder. The system's own stays as it is.</summary>
sealed class PostfixServer : IAsyncDisposable
{
    static readonly TimeSpan CommandLimit = TimeSpan.FromSeconds(30);

    readonly string folder;

    PostfixServer(string folder, int port) => (this.folder, Port) = (folder, port);

    public int Port { get; }

    /// <summary>Starts it.</summary>
    /// <param name="name">Tells instances apart.</param>
    /// <param name="settings">Lines of main.cf besides the usual ones.</param>
    /// <exception cref="CannotRunException">Postfix is not installed, or this is not root.</exception>
    public static async Task<PostfixServer> StartAsync(WorkFolder work, string name, IReadOnlyDictionary<string, string> settings, CancellationToken cancel)
    {
        var postfix = Machine.Find("postfix", "postfix");
        if (!Environment.IsPrivilegedProcess) throw new CannotRunException("Postfix can only be started by root.");

        var server = new PostfixServer(work.NewFolder(name), Machine.FreePort());
        Directory.CreateDirectory(Path.Combine(server.folder, "queue"));
        Directory.CreateDirectory(Path.Combine(server.folder, "data"));
        await ChildProcess.RunAsync(server.Log("chown"), ["chown", "postfix", Path.Combine(server.folder, "data")], CommandLimit, cancel);
        await File.WriteAllTextAsync(Path.Combine(server.folder, "main.cf"), server.Main(settings), cancel);
        await File.WriteAllTextAsync(Path.Combine(server.folder, "master.cf"), server.Services(), cancel);
        try
        {
            await ChildProcess.RunAsync(server.Log("start"), [postfix, "-c", server.folder, "start"], CommandLimit, cancel);
            await Machine.ListensAsync(server.Port, "Postfix", TimeSpan.FromSeconds(10), cancel);
            // The master keeps the file locked, which .NET's own reading respects.
            server.ProcessId = int.Parse(await ChildProcess.RunAsync(server.Log("pid"), ["cat", server.ProcessIdFile], CommandLimit, cancel), CultureInfo.InvariantCulture);
            return server;
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }

    /// <summary>What it logged; empty unless <c>maillog_file</c> is set to a file of this name in its folder.</summary>
    public string MailLog => File.Exists(MailLogFile) ? File.ReadAllText(MailLogFile) : "";

    /// <summary>The master process.</summary>
    public int ProcessId { get; private set; }

    string ProcessIdFile => Path.Combine(folder, "queue", "pid", "master.pid");

    string MailLogFile => Path.Combine(folder, "mail.log");

    public async ValueTask DisposeAsync()
    {
        // The master's id is in the instance's own queue; stop signals that one and waits for it.
        if (!File.Exists(ProcessIdFile)) return;
        try
        {
            await ChildProcess.RunAsync(Log("stop"), [Machine.Find("postfix", "postfix"), "-c", folder, "stop"], CommandLimit, CancellationToken.None);
        }
        catch (CannotRunException e) when (e.Message.Contains("not running", StringComparison.Ordinal))
        {
            // It has ended by itself.
        }
    }

    string Log(string name) => Path.Combine(folder, $"{name}.log");

    string Main(IReadOnlyDictionary<string, string> settings)
    {
        var all = new Dictionary<string, string>
        {
            ["compatibility_level"] = "3.6",
            ["queue_directory"] = Path.Combine(folder, "queue"),
            ["data_directory"] = Path.Combine(folder, "data"),
            ["inet_interfaces"] = "127.0.0.1",
            ["inet_protocols"] = "ipv4",
            ["myhostname"] = "postfix.example",
            ["mydestination"] = "",
            ["mynetworks"] = "127.0.0.0/8",
            ["smtpd_relay_restrictions"] = "permit_mynetworks, reject",
            ["alias_maps"] = "",
            ["alias_database"] = "",
            ["local_recipient_maps"] = "",
            ["smtp_tls_security_level"] = "none",
            ["disable_dns_lookups"] = "yes",
        };
        foreach (var (name, value) in settings) all[name] = value.Replace("{folder}", folder, StringComparison.Ordinal);
        return string.Concat(all.Select(s => $"{s.Key} = {s.Value}\n"));
    }

    /// <summary>master.cf as it is shipped, but for the port and chroot.</summary>
    string Services() => $"""
        127.0.0.1:{Port} inet n - n - - smtpd
        pickup    unix  n - n 60    1 pickup
        cleanup   unix  n - n -     0 cleanup
        qmgr      unix  n - n 300   1 qmgr
        tlsmgr    unix  - - n 1000? 1 tlsmgr
        rewrite   unix  - - n -     - trivial-rewrite
        bounce    unix  - - n -     0 bounce
        defer     unix  - - n -     0 bounce
        trace     unix  - - n -     0 bounce
        verify    unix  - - n -     1 verify
        flush     unix  n - n 1000? 0 flush
        proxymap  unix  - - n -     - proxymap
        proxywrite unix - - n -     1 proxymap
        smtp      unix  - - n -     - smtp
        relay     unix  - - n -     - smtp
        showq     unix  n - n -     - showq
        error     unix  - - n -     - error
        retry     unix  - - n -     - error
        discard   unix  - - n -     - discard
        local     unix  - n n -     - local
        virtual   unix  - n n -     - virtual
        lmtp      unix  - - n -     - lmtp
        anvil     unix  - - n -     1 anvil
        scache    unix  - - n -     1 scache
        postlog   unix-dgram n - n - 1 postlogd

        """;
}
