namespace EmailApi.Data.Embedded;

/// <summary>The operating system's user that runs the database: the app's own, or as root another, for PostgreSQL refuses root.</summary>
sealed class DatabaseUser
{
    static readonly TimeSpan Soon = TimeSpan.FromSeconds(10);

    readonly IReadOnlyList<string> prefix;
    readonly string? owner;

    DatabaseUser(IReadOnlyList<string> prefix, string? owner) => (this.prefix, this.owner) = (prefix, owner);

    /// <summary>True when it is not the user the app runs as.</summary>
    public bool IsAnother => owner is not null;

    /// <summary>Whom a cluster belongs to, or for a new one: <c>postgres</c>, else <c>nobody</c>.</summary>
    public static async Task<DatabaseUser> OfAsync(string cluster, CancellationToken cancel)
    {
        if (!Environment.IsPrivilegedProcess || OperatingSystem.IsWindows()) return new DatabaseUser([], null);

        var (user, group) = (Directory.Exists(cluster) ? await OwnerAsync(cluster, cancel) : null)
            ?? await NamedAsync("postgres", cancel) ?? await NamedAsync("nobody", cancel)
            ?? throw new StartRefusedException("PostgreSQL does not run as root, and there is no user postgres or nobody to run it: add one, or set ConnectionStrings__EmailApi.");
        string[][] ways =
        [
            ["setpriv", $"--reuid={user}", $"--regid={group}", "--clear-groups", "--"],
            ["sudo", "-n", "-u", $"#{user}", "-g", $"#{group}", "--"],
        ];
        foreach (var way in ways)
            if ((await Command.RunAsync([.. way, "true"], Soon, cancel)).Succeeded) return new DatabaseUser(way, $"{user}:{group}");

        throw new StartRefusedException(
            $"PostgreSQL does not run as root, and neither setpriv nor sudo can run it as user {user}: start EmailApi as an ordinary user, or set ConnectionStrings__EmailApi.");
    }

    /// <summary>The command line that runs another one as this user.</summary>
    public IReadOnlyList<string> Line(params IEnumerable<string> line) => [.. prefix, .. line];

    public Task<Command> RunAsync(TimeSpan limit, CancellationToken cancel, params IEnumerable<string> line) =>
        Command.RunAsync(Line(line), limit, cancel);

    /// <summary>Gives a file or an empty folder to this user; false where the file system does not allow that.</summary>
    public async Task<bool> TakeAsync(string path, CancellationToken cancel) =>
        owner is null || (await Command.RunAsync(["chown", owner, path], Soon, cancel)).Succeeded;

    /// <summary>Tries as this user: only the kernel knows about every folder above.</summary>
    public async Task<bool> CanUseAsync(string folder, CancellationToken cancel) =>
        owner is null || (await RunAsync(Soon, cancel, "test", "-w", folder, "-a", "-x", folder)).Succeeded;

    static async Task<(string, string)?> NamedAsync(string name, CancellationToken cancel)
    {
        var user = await Command.RunAsync(["id", "-u", name], Soon, cancel);
        var group = await Command.RunAsync(["id", "-g", name], Soon, cancel);
        return user.Succeeded && group.Succeeded ? (user.Output, group.Output) : null;
    }

    // ls -n is in POSIX, stat is not: "drwx------ 19 101 104 4096 …"
    static async Task<(string, string)?> OwnerAsync(string path, CancellationToken cancel)
    {
        var listed = await Command.RunAsync(["ls", "-nd", path], Soon, cancel);
        return listed.Succeeded && listed.Output.Split(' ', StringSplitOptions.RemoveEmptyEntries) is [_, _, var user, var group, ..]
            ? (user, group) : null;
    }
}
