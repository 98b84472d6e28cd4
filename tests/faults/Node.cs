using System.Diagnostics;
using System.Globalization;
using EmailApi.Tests.Support;

namespace EmailApi.Faults;

/// <summary>A node of the app: a process on an address of its own, that is killed or stopped and started again there.</summary>
sealed class Node(string directory, Uri address, IReadOnlyList<string> settings, IReadOnlyDictionary<string, string>? environment = null) : IDisposable
{
    AppProcess? process;

    public Uri Address => address;
    public bool IsRunning => process is not null;
    public AppProcess Process => process ?? throw new InvalidOperationException($"{address} does not run.");

    /// <summary>Waits until mail can be accepted, if asked to.</summary>
    public async Task StartAsync(bool waitUntilReady = true)
    {
        process = AppProcess.Start(directory, [$"--urls={address}", .. settings], environment);
        if (waitUntilReady) await process.ReadyAsync();
    }

    /// <summary>kill -9.</summary>
    public void Kill()
    {
        process?.Kill();
        process?.Dispose();
        process = null;
    }

    /// <summary>SIGTERM.</summary>
    public async Task<(int ExitCode, TimeSpan Took)> StopAsync()
    {
        var startedAt = Stopwatch.StartNew();
        var exitCode = await Process.EndAsync();
        Kill();
        return (exitCode, startedAt.Elapsed);
    }

    /// <summary>Processor time that it has used so far.</summary>
    public TimeSpan ProcessorTime
    {
        get
        {
            using var now = System.Diagnostics.Process.GetProcessById(Process.Id);
            return now.TotalProcessorTime;
        }
    }

    /// <summary>Memory that it holds (RSS).</summary>
    public long MemoryBytes =>
        1024 * long.Parse(File.ReadLines($"/proc/{Process.Id}/status").First(line => line.StartsWith("VmRSS:", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);

    public void Dispose() => Kill();
}
