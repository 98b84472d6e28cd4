using System.Globalization;

namespace EmailApi.Data.Embedded;

/// <summary>One cluster and its server: made, started, stopped, and rid of what a killed run has left.</summary>
sealed class PostgresCluster(
    ClusterHome home, PostgresBinaries binaries, IReadOnlyDictionary<string, string> serverSettings, ILogger logger)
{
    public const string Superuser = "emailapi";

    static readonly TimeSpan StartLimit = TimeSpan.FromMinutes(5);   // replays at most max_wal_size after a crash
    static readonly TimeSpan FastStopLimit = TimeSpan.FromSeconds(30);
    static readonly TimeSpan ImmediateStopLimit = TimeSpan.FromSeconds(10);
    static readonly TimeSpan LeftBehindLimit = TimeSpan.FromSeconds(10);

    static readonly Dictionary<string, string> UsualSettings = new()
    {
        ["listen_addresses"] = "127.0.0.1",
        ["unix_socket_directories"] = "",
        ["shared_buffers"] = "256MB",
        ["max_connections"] = "100",
        ["max_wal_size"] = "4GB",
        ["checkpoint_timeout"] = "15min",
        ["wal_compression"] = "on",
        ["jit"] = "off",                        // short statements: compiling one takes longer than running it
        ["log_checkpoints"] = "off",
        ["log_error_verbosity"] = "terse",      // no personal data in the log: neither key values …
        ["log_min_error_statement"] = "panic",  // … nor statements
    };

    /// <summary>What the line of its log contains that says why it did not start.</summary>
    static readonly string[] Reasons = ["Address already in use", "FATAL:", "PANIC:", "error:"];

    Watchdog? watchdog;

    public ClusterHome Home => home;

    /// <summary>The server's process, once it was started.</summary>
    public int ProcessId { get; private set; }

    /// <summary>Cheap, for asking often. A dead process that nobody has waited for has no command line.</summary>
    public bool IsRunning => OperatingSystem.IsLinux() ? NamesCluster(ProcessId) : IsAlive(ProcessId);

    /// <summary>Makes the cluster under another name and renames it when complete: a start that is killed begins anew.</summary>
    public async Task CreateAsync(CancellationToken cancel)
    {
        logger.LogInformation("Creating a PostgreSQL {Major} database in {Cluster}.", binaries.Major, home.Cluster);
        var folder = home.NewFolder();
        var (cluster, password) = (Path.Combine(folder, "cluster"), Path.Combine(folder, "password"));
        Directory.CreateDirectory(cluster);
        ClusterHome.WritePrivate(password, home.Password);
        await home.User.TakeAsync(cluster, cancel);
        await home.User.TakeAsync(password, cancel);

        var made = await InitDbAsync("C.UTF-8");
        if (!made.Succeeded && made.Output.Contains("locale", StringComparison.Ordinal)) made = await InitDbAsync("C");   // macOS has no C.UTF-8
        if (!made.Succeeded) throw Failed("PostgreSQL could not create its database", made.Output);

        Directory.Move(cluster, home.Cluster);
        Directory.Delete(folder, recursive: true);

        Task<Command> InitDbAsync(string locale) => home.User.RunAsync(StartLimit, cancel,
            [binaries.InitDb, "-D", cluster, "-U", Superuser, $"--pwfile={password}", "--auth=scram-sha-256", "--data-checksums",
             "--encoding=UTF8", $"--locale={locale}", .. binaries.Major >= 17 ? ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"] : (string[])[]]);
    }

    /// <summary>Starts the server and waits until it answers. <c>pg_ctl</c> gives it a session of its own, so that Ctrl+C in
    /// the app's terminal does not end it before the app's last writes.</summary>
    public async Task StartAsync(int port, CancellationToken cancel)
    {
        if (File.Exists(home.Log)) File.Move(home.Log, home.Log + ".previous", overwrite: true);
        ClusterHome.WritePrivate(home.Log, "");
        await home.User.TakeAsync(home.Log, cancel);

        var settings = new Dictionary<string, string>(UsualSettings);
        foreach (var (name, value) in serverSettings) settings[name] = value;
        settings["port"] = port.ToString(CultureInfo.InvariantCulture);
        var arguments = string.Join(' ', settings.Select(setting => $"-c \"{setting.Key}={setting.Value}\""));

        Command started;
        try
        {
            started = await PgCtlAsync(StartLimit, cancel, "start", "-l", home.Log, "-o", arguments);
        }
        catch (OperationCanceledException)
        {
            await StopAsync();
            throw;
        }
        if (!started.Succeeded || PostmasterPid() is not { } pid)
            throw Failed("PostgreSQL did not start", $"{File.ReadAllText(home.Log)}\n{started.Output}");

        ProcessId = pid;
        watchdog = Watchdog.Start(home.User, pid, home.Cluster);
    }

    /// <summary>Stops the server, fast, then immediately. Only a process that runs this very cluster is ever signalled.</summary>
    public async Task StopAsync()
    {
        if (PostmasterPid() is { } pid && await IsServerAsync(pid)
            && !(await PgCtlAsync(FastStopLimit, CancellationToken.None, "stop", "-m", "fast")).Succeeded)
        {
            logger.LogWarning("PostgreSQL has not stopped within {Limit}; it is stopped at once and recovers at the next start.", FastStopLimit);
            await PgCtlAsync(ImmediateStopLimit, CancellationToken.None, "stop", "-m", "immediate");
        }
        watchdog?.Dispose();
        watchdog = null;
    }

    /// <summary>Rids the cluster of a server that an earlier run has left. Call it only under the data directory's lock.</summary>
    public async Task StopOrphanAsync(CancellationToken cancel)
    {
        if (PostmasterPid() is not { } pid) return;
        if (await IsServerAsync(pid))
        {
            logger.LogWarning("The database server of an earlier run (process {Pid}) still runs; it is stopped first.", pid);
            await StopAsync();
            return;
        }
        if (!OperatingSystem.IsLinux()) return;   // PostgreSQL's own check must do

        // After a kill -9 of the server its processes go by themselves, each as soon as it notices.
        var until = Environment.TickCount64 + (long)LeftBehindLimit.TotalMilliseconds;
        while (await ProcessesAsync() is { Count: > 0 } left)
        {
            if (Environment.TickCount64 > until)
                throw new StartRefusedException($"Processes of an earlier PostgreSQL ({string.Join(", ", left)}) still use {home.Cluster}: end them.");
            await Task.Delay(100, cancel);
        }
        // The number is another program's by now. PostgreSQL would take that for its server and refuse to start.
        if (Directory.Exists($"/proc/{pid}") && !NamesCluster(pid)) File.Delete(Path.Combine(home.Cluster, "postmaster.pid"));
    }

    internal void AbandonForTest() => watchdog?.Dispose();

    async Task<bool> IsServerAsync(int pid) =>
        OperatingSystem.IsLinux()
            ? NamesCluster(pid) || (await ProcessesAsync()).Contains(pid)
            : (await PgCtlAsync(TimeSpan.FromSeconds(10), CancellationToken.None, "status")).Succeeded;

    /// <summary>PostgreSQL's processes in this cluster: each works in the cluster's folder. Asked as the database's user,
    /// since root in a container may not look into another user's processes.</summary>
    async Task<List<int>> ProcessesAsync()
    {
        const string script = """
            for p in /proc/[0-9]*; do
                [ "$p/cwd" -ef "$1" ] && read -r name < "$p/comm" && [ "$name" = postgres ] && echo "${p#/proc/}"
            done 2>/dev/null
            """;
        var found = await home.User.RunAsync(TimeSpan.FromSeconds(10), CancellationToken.None, "sh", "-c", script, "sh", home.Cluster);
        return [.. found.Output.Split('\n').Select(line => int.TryParse(line, CultureInfo.InvariantCulture, out var pid) ? pid : 0).Where(pid => pid > 0)];
    }

    Task<Command> PgCtlAsync(TimeSpan limit, CancellationToken cancel, params string[] action) =>
        home.User.RunAsync(limit + TimeSpan.FromSeconds(5), cancel,
            [binaries.PgCtl, "-D", home.Cluster, .. action, .. action is ["status"] ? [] : (string[])["-w", "-t", $"{limit.TotalSeconds:0}"]]);

    int? PostmasterPid()
    {
        try
        {
            return int.TryParse(File.ReadLines(Path.Combine(home.Cluster, "postmaster.pid")).FirstOrDefault(), CultureInfo.InvariantCulture, out var pid) ? pid : null;
        }
        catch (IOException)
        {
            return null;
        }
    }

    StartRefusedException Failed(string what, string output)
    {
        var lines = output.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        logger.LogError("{What}. It said:\n{Lines}", what, string.Join('\n', lines.TakeLast(20)));
        var reason = lines.FirstOrDefault(line => Reasons.Any(line.Contains)) ?? lines.LastOrDefault("it said nothing");
        return new StartRefusedException($"{what} in {home.Cluster}: {reason}");
    }

    /// <summary>Whether a process was started as <c>…/postgres -D cluster …</c>.</summary>
    bool NamesCluster(int pid)
    {
        try
        {
            return File.ReadAllText($"/proc/{pid}/cmdline").Split('\0') is [var program, "-D", var cluster, ..]
                && Path.GetFileName(program) == "postgres" && cluster == home.Cluster;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    static bool IsAlive(int pid)
    {
        try
        {
            using var process = System.Diagnostics.Process.GetProcessById(pid);
            return !process.HasExited;
        }
        catch (ArgumentException)
        {
            return false;
        }
    }
}
