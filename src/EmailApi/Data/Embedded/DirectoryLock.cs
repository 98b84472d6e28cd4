using System.Globalization;
using System.Text;

namespace EmailApi.Data.Embedded;

/// <summary>Keeps other copies of the app out of a directory. The operating system holds the lock (flock) and drops it with
/// the process, so a file left by kill -9 is no obstacle; what the file says, the process id, is for people.</summary>
sealed class DirectoryLock : IDisposable
{
    const string FileName = "emailapi.lock";

    readonly FileStream file;

    DirectoryLock(FileStream file) => this.file = file;

    /// <summary>Creates the directory when there is none.</summary>
    /// <exception cref="StartRefusedException">Another process holds it, or this user may not write there.</exception>
    public static DirectoryLock Take(string directory)
    {
        var file = Open(directory);
        file.SetLength(0);
        file.Write(Encoding.ASCII.GetBytes($"{Environment.ProcessId}\n"));
        file.Flush();
        return new DirectoryLock(file);
    }

    /// <summary>Whether a living process holds it. Leaves nothing behind.</summary>
    /// <exception cref="StartRefusedException">This user may not look.</exception>
    public static bool IsHeld(string directory)
    {
        if (!File.Exists(Path.Combine(directory, FileName))) return false;
        try
        {
            Open(directory).Dispose();
            return false;
        }
        catch (StartRefusedException refused) when (refused.InnerException is IOException)
        {
            return true;
        }
    }

    public void Dispose()
    {
        file.SetLength(0);   // the file stays: to delete it would let two processes lock two files of one name
        file.Dispose();
    }

    static FileStream Open(string directory)
    {
        var path = Path.Combine(directory, FileName);
        try
        {
            if (!Directory.Exists(directory)) CreateDirectory(directory);
            return new FileStream(path, FileMode.OpenOrCreate, FileAccess.Write, Sharing);
        }
        catch (UnauthorizedAccessException e)
        {
            throw new StartRefusedException(
                $"The user {Environment.UserName} cannot write in the data directory {directory}: set EmailApi__DataDirectory to another, or start as the user it belongs to.", e);
        }
        catch (IOException e) when (File.Exists(path))
        {
            throw new StartRefusedException(
                $"Another EmailApi{Holder(path)} uses the data directory {directory}: end it, or set EmailApi__DataDirectory to another for this one.", e);
        }
    }

    // On Unix anything but None is a shared lock; on Windows None would keep others from reading the process id.
    static FileShare Sharing => OperatingSystem.IsWindows() ? FileShare.Read : FileShare.None;

    // The database's user must pass through to its own folder when that is another user.
    static void CreateDirectory(string directory)
    {
        if (OperatingSystem.IsWindows()) Directory.CreateDirectory(directory);
        else Directory.CreateDirectory(directory, ClusterHome.FolderMode);
    }

    static string Holder(string path)
    {
        try
        {
            // .NET would ask for a shared lock to read the file and be refused: cat asks for none.
            using var readable = OperatingSystem.IsWindows() ? new StreamReader(new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite)) : null;
            var text = readable is not null
                ? readable.ReadToEnd()
                : Command.RunAsync(["cat", path], TimeSpan.FromSeconds(5), CancellationToken.None).GetAwaiter().GetResult().Output;
            return int.TryParse(text.Trim(), CultureInfo.InvariantCulture, out var id) ? $" (process {id})" : "";
        }
        catch (IOException)
        {
            return "";
        }
    }
}
