using System.Globalization;

namespace EmailApi.Data.Embedded;

/// <summary>The embedded database as another process than its app finds it: for commands beside a running app.</summary>
static class RunningCluster
{
    const int PortLine = 3;   // of postmaster.pid: process id, data directory, start time, port, …

    /// <summary>Whether a data directory has had a database yet.</summary>
    public static bool Exists(string dataDirectory) => ClusterHome.ReadRecord(RecordOf(dataDirectory)) is { IsCreated: true };

    /// <returns>For Npgsql; null when no app runs on the data directory.</returns>
    /// <exception cref="StartRefusedException">One does, but its database cannot be found.</exception>
    public static string? ConnectionString(string dataDirectory)
    {
        if (!DirectoryLock.IsHeld(dataDirectory)) return null;

        if (ClusterHome.ReadRecord(RecordOf(dataDirectory)) is not { } record) throw NotReady(dataDirectory, inner: null);
        try
        {
            var lines = File.ReadAllLines(Path.Combine(Path.GetFullPath(record.Home, dataDirectory), "cluster", "postmaster.pid"));
            if (lines.Length > PortLine && int.TryParse(lines[PortLine], NumberStyles.None, CultureInfo.InvariantCulture, out var port))
                return EmbeddedPostgres.ConnectionStringOf(port, record.Password);
            throw NotReady(dataDirectory, inner: null);
        }
        catch (IOException starting)
        {
            throw NotReady(dataDirectory, starting);
        }
        catch (UnauthorizedAccessException denied)
        {
            throw Denied(dataDirectory, denied);
        }
    }

    static string RecordOf(string dataDirectory)
    {
        var path = Path.Combine(dataDirectory, "postgres.json");
        try
        {
            if (File.Exists(path)) File.OpenRead(path).Dispose();
            return path;
        }
        catch (UnauthorizedAccessException denied)
        {
            throw Denied(dataDirectory, denied);
        }
    }

    static StartRefusedException NotReady(string dataDirectory, Exception? inner) =>
        new($"The EmailApi on {dataDirectory} has no database running yet: try again when /readyz answers 200.", inner);

    static StartRefusedException Denied(string dataDirectory, Exception inner) =>
        new($"The user {Environment.UserName} may not read the database's files of {dataDirectory}: run the command as the user that EmailApi runs as.", inner);
}
