using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace EmailApi.Benchmarks.Servers;

/// <summary>What a run needs from the machine.</summary>
static class Machine
{
    /// <summary>A port of loopback that nobody listens on.</summary>
    public static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    /// <summary>Finds a program of the system, also where daemons lie.</summary>
    /// <exception cref="CannotRunException">It is not installed.</exception>
    public static string Find(string program, string package)
    {
        var folders = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Append("/usr/sbin").Append("/usr/local/sbin");
        return folders.Select(folder => Path.Combine(folder, program)).FirstOrDefault(File.Exists)
            ?? throw new CannotRunException($"{program} is not installed: apt-get install {package} (its own service may stay stopped).");
    }

    /// <summary>Waits until something listens on a port of loopback.</summary>
    public static async Task ListensAsync(int port, string name, TimeSpan limit, CancellationToken cancel)
    {
        var until = Environment.TickCount64 + (long)limit.TotalMilliseconds;
        while (true)
        {
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            try
            {
                await socket.ConnectAsync(IPAddress.Loopback, port, cancel);
                return;
            }
            catch (SocketException) when (Environment.TickCount64 < until)
            {
                await Task.Delay(50, cancel);
            }
            catch (SocketException)
            {
                throw new CannotRunException($"{name} does not listen on port {port}.");
            }
        }
    }

    /// <summary>Processor time of a server that works through children, such as Postfix and PostgreSQL: its own, its children's, and that
    /// of children that have ended.</summary>
    public static TimeSpan CpuTimeOfFamily(int parent)
    {
        var hundredths = Directory.GetDirectories("/proc").Sum(folder =>
        {
            if (!int.TryParse(Path.GetFileName(folder), CultureInfo.InvariantCulture, out var id) || Stat(id) is not { } stat) return 0;
            return id == parent ? stat.Own + stat.Ended : stat.Parent == parent ? stat.Own : 0;
        });
        return TimeSpan.FromMilliseconds(hundredths * 10);
    }

    /// <returns>Its parent's id; 0 when it has ended.</returns>
    public static int ParentOf(int id) => Stat(id)?.Parent ?? 0;

    static (int Parent, long Own, long Ended)? Stat(int id)
    {
        try
        {
            // id (name) state ppid … utime (14) stime cutime cstime, in hundredths of a second
            var text = File.ReadAllText($"/proc/{id}/stat");
            var fields = text[(text.LastIndexOf(')') + 2)..].Split(' ');
            long Field(int number) => long.Parse(fields[number - 3], CultureInfo.InvariantCulture);
            return ((int)Field(4), Field(14) + Field(15), Field(16) + Field(17));
        }
        catch (IOException)
        {
            return null;   // ended
        }
    }
}
