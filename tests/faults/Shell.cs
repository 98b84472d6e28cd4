using System.Diagnostics;

namespace EmailApi.Faults;

/// <summary>What only a command of the system does.</summary>
static class Shell
{
    /// <exception cref="InvalidOperationException">It ended with another code than 0; with what it said.</exception>
    public static async Task RunAsync(string script, CancellationToken cancel)
    {
        using var process = Process.Start(new ProcessStartInfo("sh", ["-c", script]) { RedirectStandardError = true })!;
        var said = await process.StandardError.ReadToEndAsync(cancel);
        await process.WaitForExitAsync(cancel);
        if (process.ExitCode != 0) throw new InvalidOperationException($"{script}: {said.Trim()}");
    }
}
