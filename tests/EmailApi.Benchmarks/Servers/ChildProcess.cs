using System.Diagnostics;
using System.Globalization;

namespace EmailApi.Benchmarks.Servers;

/// <summary>Another program that runs beside this one; it is ended by its id when disposed. What it prints goes to a file, so that reading
/// it costs nothing while something is measured.</summary>
sealed class ChildProcess : IAsyncDisposable
{
    static readonly TimeSpan StopLimit = TimeSpan.FromSeconds(40);   // the app may finish its dialogues for 25 s

    readonly Process process;
    readonly string name;

    ChildProcess(Process process, string name, string logFile) => (this.process, this.name, LogFile) = (process, name, logFile);

    public int Id => process.Id;
    public string LogFile { get; }
    public bool HasExited => process.HasExited;

    /// <param name="environment">Joins this program's own, without its settings for EmailApi.</param>
    public static ChildProcess Start(string logFile, IReadOnlyList<string> line, IReadOnlyDictionary<string, string>? environment = null)
    {
        File.WriteAllBytes(logFile, []);   // whoever reads it at once finds one
        // exec: the program takes the shell's place and keeps its id.
        var start = new ProcessStartInfo("sh", ["-c", "log=$1; shift; exec \"$@\" >\"$log\" 2>&1 </dev/null", "sh", logFile, .. line]);
        foreach (var key in start.Environment.Keys.Where(IsSetting).ToList()) start.Environment.Remove(key);
        foreach (var (key, value) in environment ?? new Dictionary<string, string>()) start.Environment[key] = value;
        return new(Process.Start(start)!, line[0], logFile);
    }

    /// <summary>Runs a program to its end.</summary>
    /// <exception cref="CannotRunException">It failed, or did not end in time.</exception>
    public static async Task<string> RunAsync(string logFile, IReadOnlyList<string> line, TimeSpan limit, CancellationToken cancel)
    {
        await using var child = Start(logFile, line);
        var exitCode = await child.WaitForExitAsync(limit, cancel);
        var output = await File.ReadAllTextAsync(logFile, CancellationToken.None);
        return exitCode == 0 ? output : throw new CannotRunException($"{string.Join(' ', line)} ended with {exitCode}: {output.Trim()}");
    }

    /// <returns>Its exit code.</returns>
    /// <exception cref="CannotRunException">It runs on.</exception>
    public async Task<int> WaitForExitAsync(TimeSpan limit, CancellationToken cancel)
    {
        try
        {
            await process.WaitForExitAsync(cancel).WaitAsync(limit, cancel);
            return process.ExitCode;
        }
        catch (TimeoutException)
        {
            throw new CannotRunException($"{name} did not end within {limit.TotalSeconds:0} s.");
        }
    }

    /// <summary>The last of what it printed.</summary>
    public string LogTail()
    {
        var lines = File.ReadAllLines(LogFile);
        return string.Join('\n', lines.TakeLast(20));
    }

    /// <summary>Processor time so far, of all its threads.</summary>
    public TimeSpan CpuTime
    {
        get
        {
            process.Refresh();
            return process.TotalProcessorTime;
        }
    }

    /// <summary>Memory resident now, bytes.</summary>
    public long ResidentBytes => StatusBytes("VmRSS:");

    /// <summary>Most memory it ever had resident, bytes.</summary>
    public long PeakResidentBytes => StatusBytes("VmHWM:");

    long StatusBytes(string field)
    {
        var line = File.ReadLines($"/proc/{Id}/status").First(l => l.StartsWith(field, StringComparison.Ordinal));
        return long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) * 1024;
    }

    /// <summary>Asks it to end (SIGTERM), then makes it.</summary>
    public async ValueTask DisposeAsync()
    {
        if (!process.HasExited)
        {
            using var kill = Process.Start("kill", ["-TERM", Id.ToString(CultureInfo.InvariantCulture)]);
            try
            {
                await process.WaitForExitAsync().WaitAsync(StopLimit);
            }
            catch (TimeoutException)
            {
                process.Kill();
                await process.WaitForExitAsync();
            }
        }

        process.Dispose();
    }

    static bool IsSetting(string name) =>
        name.StartsWith("EmailApi", StringComparison.OrdinalIgnoreCase) || name.StartsWith("ConnectionStrings", StringComparison.OrdinalIgnoreCase)
        || name.StartsWith("ASPNETCORE_", StringComparison.OrdinalIgnoreCase) || name.StartsWith("DOTNET_gc", StringComparison.OrdinalIgnoreCase);
}

/// <summary>Something is missing or does not work on this machine; the message is a sentence for the user.</summary>
sealed class CannotRunException(string message) : Exception(message);
