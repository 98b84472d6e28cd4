using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace EmailApi.Data.Embedded;

/// <summary>Where a data directory's cluster lies: the folder <c>postgres</c> within it or, when root's database user cannot
/// enter that, a folder of its own under the system's state folder. A file in the data directory, <c>postgres.json</c>
/// (mode 0600), says where and keeps the password, so a data directory that was moved still finds its cluster.</summary>
/// <remarks>As root the folder stays root's, and only <c>cluster</c> and the log in it are the database user's: what the
/// database's user does in there can never lead root's file operations elsewhere.</remarks>
sealed class ClusterHome
{
    const string Inside = "postgres";
    const string NewPrefix = "new-";

    readonly string recordPath;
    Record record;

    ClusterHome(string path, string recordPath, Record record, DatabaseUser user) =>
        (Path, this.recordPath, this.record, User) = (path, recordPath, record, user);

    public string Path { get; }
    public DatabaseUser User { get; }
    public string Cluster => ClusterOf(Path);
    public string Log => System.IO.Path.Combine(Path, "log");
    public string Password => record.Password;
    public bool IsInside => record.Home == Inside;
    public bool HasCluster => File.Exists(System.IO.Path.Combine(Cluster, "PG_VERSION"));

    /// <summary>The version of PostgreSQL that made the cluster; null when there is none yet.</summary>
    public int? Major => HasCluster && int.TryParse(File.ReadAllText(System.IO.Path.Combine(Cluster, "PG_VERSION")), out var major) ? major : null;

    /// <summary>Mode of folders that another user must be able to pass through when there is one.</summary>
    public static UnixFileMode FolderMode =>
        UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute |
        (Environment.IsPrivilegedProcess ? UnixFileMode.GroupExecute | UnixFileMode.OtherExecute : 0);

    public static async Task<ClusterHome> FindAsync(string dataDirectory, EmbeddedPostgresOptions options, CancellationToken cancel)
    {
        var recordPath = System.IO.Path.Combine(dataDirectory, "postgres.json");
        var inside = System.IO.Path.Combine(dataDirectory, Inside);
        if (ReadRecord(recordPath) is { } record)
        {
            var path = System.IO.Path.GetFullPath(record.Home, dataDirectory);
            var home = new ClusterHome(path, recordPath, record, await DatabaseUser.OfAsync(ClusterOf(path), cancel));
            if (record.IsCreated && !home.HasCluster)
                throw new StartRefusedException($"The database in {home.Cluster} is gone: bring it back, or delete {recordPath} to begin with an empty one.");
            if (home.HasCluster && !await home.User.CanUseAsync(home.Cluster, cancel))
                throw new StartRefusedException($"The user that the database in {home.Cluster} belongs to can no longer enter it: open the folders above it for that user, or move the data directory.");
            if (!home.HasCluster) CreateFolder(path);
            return home;
        }
        if (Directory.Exists(ClusterOf(inside)))
            throw new StartRefusedException($"{recordPath}, which keeps the password of the database in {inside}, is gone: bring it back, or move {inside} away to begin with an empty one.");

        return await ChooseAsync(dataDirectory, inside, recordPath, options, cancel);
    }

    /// <summary>A folder beside the cluster for work in progress; renamed when complete, deleted by the next start otherwise.</summary>
    /// <remarks>Never the same name twice: a program of a killed run may still be writing in the last one.</remarks>
    public string NewFolder() => CreateFolder(System.IO.Path.Combine(Path, NewPrefix + RandomNumberGenerator.GetHexString(8, lowercase: true)));

    /// <summary>The number of the cluster's folder and when it was made, which a copy does not share; null where the file system does not tell.</summary>
    public async Task<string?> PlaceAsync(CancellationToken cancel)
    {
        if (OperatingSystem.IsWindows()) return Directory.GetCreationTimeUtc(Cluster).ToString("O", System.Globalization.CultureInfo.InvariantCulture);
        // The number alone may be used again after the folder was deleted; stat, which knows the birth, is not in POSIX.
        const string script = """
            stat -c '%i %W' "$1" 2>&- || stat -f '%i %B' "$1" 2>&- || { set -- $(ls -di "$1"); echo "$1"; }
            """;
        var place = await Command.RunAsync(["sh", "-c", script, "sh", Cluster], TimeSpan.FromSeconds(10), cancel);
        return place.Succeeded ? place.Output : null;
    }

    public void DeleteLeftovers()
    {
        foreach (var leftover in Directory.GetDirectories(Path, NewPrefix + "*"))
        {
            try
            {
                Directory.Delete(leftover, recursive: true);
            }
            catch (IOException) { }   // a program of the killed run is still writing in there: the next start's turn
        }
    }

    /// <summary>Remembers that there is data: from now on a missing cluster is a loss and no first start.</summary>
    public void MarkCreated()
    {
        if (!record.IsCreated) WriteRecord(recordPath, record = record with { IsCreated = true });
    }

    /// <summary>Writes a file that only its owner may read.</summary>
    public static void WritePrivate(string path, string text)
    {
        var how = new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows()) how.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        using var file = new FileStream(path, how);
        file.Write(Encoding.UTF8.GetBytes(text));
        file.Flush(flushToDisk: true);
    }

    static async Task<ClusterHome> ChooseAsync(
        string dataDirectory, string inside, string recordPath, EmbeddedPostgresOptions options, CancellationToken cancel)
    {
        var user = await DatabaseUser.OfAsync(ClusterOf(inside), cancel);
        var isInside = await IsUsableAsync(inside, user, cancel);
        var path = isInside ? inside : Unused(options.StateDirectory, RealPath(dataDirectory));
        var record = new Record(isInside ? Inside : path, RandomNumberGenerator.GetHexString(48, lowercase: true), IsCreated: false);
        WriteRecord(recordPath, record);   // first: a start that is killed here leaves no cluster that nobody knows
        if (!isInside)
        {
            Directory.Delete(inside);
            CreateFolder(options.StateDirectory);
            if (!await IsUsableAsync(path, user, cancel))
                throw new StartRefusedException($"The database's user can enter neither the data directory {dataDirectory} nor {path}: set EmailApi__DataDirectory to a folder that others may enter.");
        }
        return new ClusterHome(path, recordPath, record, user);
    }

    static async Task<bool> IsUsableAsync(string path, DatabaseUser user, CancellationToken cancel)
    {
        var trial = System.IO.Path.Combine(CreateFolder(path), NewPrefix + "trial");
        Directory.CreateDirectory(trial);
        var isUsable = await user.TakeAsync(trial, cancel) && await user.CanUseAsync(trial, cancel);
        Directory.Delete(trial);
        return isUsable;
    }

    // A folder of this name belongs to a data directory that was once here and has moved.
    static string Unused(string stateDirectory, string realPath)
    {
        var name = System.IO.Path.Combine(stateDirectory, Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(realPath)))[..32]);
        return Enumerable.Range(1, int.MaxValue).Select(n => n == 1 ? name : $"{name}-{n}").First(path => !Directory.Exists(path));
    }

    static string RealPath(string path)
    {
        if (System.IO.Path.GetDirectoryName(path) is not { } parent) return path;
        var here = System.IO.Path.Combine(RealPath(parent), System.IO.Path.GetFileName(path));
        return Directory.ResolveLinkTarget(here, returnFinalTarget: true)?.FullName ?? here;
    }

    static string CreateFolder(string path)
    {
        if (Directory.Exists(path)) return path;   // how far it is open is its owner's choice
        Directory.CreateDirectory(path);
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(path, FolderMode);   // whatever the umask
        return path;
    }

    static string ClusterOf(string home) => System.IO.Path.Combine(home, "cluster");

    internal static Record? ReadRecord(string path)
    {
        try
        {
            return File.Exists(path) ? JsonSerializer.Deserialize<Record>(File.ReadAllText(path)) : null;
        }
        catch (JsonException e)
        {
            throw new StartRefusedException($"{path}, which says where the database lies, cannot be read: bring back what it said.", e);
        }
    }

    static void WriteRecord(string path, Record record)
    {
        WritePrivate(path + ".new", JsonSerializer.Serialize(record));
        File.Move(path + ".new", path, overwrite: true);
    }

    /// <param name="Home"><c>postgres</c>, within the data directory, or a full path.</param>
    internal sealed record Record(string Home, string Password, bool IsCreated);
}
