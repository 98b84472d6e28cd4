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

    /// <summary>Processor time that all programs have used so far.</summary>
    public static TimeSpan BusyTime()
    {
        // user nice system idle iowait irq softirq steal, in hundredths of a second
        var fields = File.ReadLines("/proc/stat").First().Split(' ', StringSplitOptions.RemoveEmptyEntries)[1..]
            .Select(f => long.Parse(f, CultureInfo.InvariantCulture)).ToArray();
        return TimeSpan.FromMilliseconds((fields[0] + fields[1] + fields[2] + fields[5] + fields[6]) * 10);
    }
}
