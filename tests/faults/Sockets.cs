using System.Globalization;

namespace EmailApi.Faults;

/// <summary>Whose a TCP connection on loopback is, as /proc tells.</summary>
static class Sockets
{
    const int LocalAddress = 1, Inode = 9;   // columns of /proc/net/tcp

    /// <returns>Which of the processes has the connection whose own end has this port; null: none.</returns>
    public static int? OwnerOf(int port, IReadOnlyList<int> processes)
    {
        var ending = port.ToString("X4", CultureInfo.InvariantCulture);
        var inodes = new[] { "/proc/net/tcp", "/proc/net/tcp6" }.Where(File.Exists).SelectMany(File.ReadLines)
            .Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Where(columns => columns[LocalAddress].EndsWith($":{ending}", StringComparison.Ordinal)).Select(columns => $"socket:[{columns[Inode]}]").ToHashSet();
        return processes.Cast<int?>().FirstOrDefault(process => Files(process!.Value).Any(inodes.Contains));
    }

    static List<string> Files(int process)
    {
        try
        {
            return [.. Directory.GetFiles($"/proc/{process}/fd").Select(file => File.ResolveLinkTarget(file, returnFinalTarget: false)?.Name ?? "")];
        }
        catch (IOException)
        {
            return [];   // it ended
        }
    }
}
