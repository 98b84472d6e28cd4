using System.ComponentModel;
using System.Diagnostics;

namespace EmailApi.Data.Embedded;

/// <summary>A run of another program.</summary>
/// <param name="ExitCode">127 when it could not be started, as a shell says it.</param>
/// <param name="Output">What it printed, errors last.</param>
sealed record Command(int ExitCode, string Output)
{
    public bool Succeeded => ExitCode == 0;

    /// <summary>Runs a program to its end, without input.</summary>
    /// <param name="line">The program and its arguments; never a secret, as everybody on the machine can read them.</param>
    /// <param name="inheritEnvironment">False: only what a program needs to run. The app's environment holds its secrets, so
    /// even when true the app's own settings stay out.</param>
    /// <exception cref="OperationCanceledException">Cancelled, and the program ended; past the limit it counts as failed.</exception>
    public static async Task<Command> RunAsync(
        IReadOnlyList<string> line, TimeSpan limit, CancellationToken cancel, bool inheritEnvironment = false, string? workingDirectory = null)
    {
        using var process = new Process { StartInfo = StartInfo(line, inheritEnvironment) };
        if (workingDirectory is not null) process.StartInfo.WorkingDirectory = workingDirectory;
        process.StartInfo.RedirectStandardOutput = process.StartInfo.RedirectStandardError = true;
        try
        {
            process.Start();
        }
        catch (Win32Exception e)
        {
            return new Command(127, e.Message);
        }
        process.StandardInput.Close();
        var output = process.StandardOutput.ReadToEndAsync(CancellationToken.None);
        var errors = process.StandardError.ReadToEndAsync(CancellationToken.None);

        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        ending.CancelAfter(limit);
        try
        {
            await process.WaitForExitAsync(ending.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill();   // this one only: what pg_ctl has started is stopped in order
            cancel.ThrowIfCancellationRequested();
            return new Command(124, $"{line[0]} did not end within {limit.TotalSeconds:0} s.");
        }
        return new Command(process.ExitCode, (await TextAsync(output) + await TextAsync(errors)).Trim());
    }

    /// <summary>How a program is started for the database: a clean environment, a directory anybody may enter.</summary>
    public static ProcessStartInfo StartInfo(IReadOnlyList<string> line, bool inheritEnvironment = false)
    {
        var start = new ProcessStartInfo(line[0], line.Skip(1))
        {
            WorkingDirectory = OperatingSystem.IsWindows() ? Environment.SystemDirectory : "/",
            RedirectStandardInput = true,
            UseShellExecute = false,
            CreateNoWindow = true,
        };
        foreach (var name in start.Environment.Keys.Where(name => !IsKept(name, inheritEnvironment)).ToList())
            start.Environment.Remove(name);
        if (!inheritEnvironment)
        {
            start.Environment["LC_ALL"] = "C";   // messages we can read; macOS needs some valid locale
            start.Environment["TZ"] = "UTC";
        }
        return start;
    }

    static bool IsKept(string name, bool inheritEnvironment) =>
        inheritEnvironment
            ? !name.StartsWith("EmailApi", StringComparison.OrdinalIgnoreCase) && !name.StartsWith("ConnectionStrings", StringComparison.OrdinalIgnoreCase)
            : name.ToUpperInvariant() is "PATH" or "SYSTEMROOT" or "TEMP" or "TMP" or "LD_LIBRARY_PATH" or "DYLD_LIBRARY_PATH";

    // A daemon may keep the pipe open after the program has ended: what came until then is enough.
    static async Task<string> TextAsync(Task<string> reading)
    {
        try
        {
            return await reading.WaitAsync(TimeSpan.FromSeconds(2));
        }
        catch (TimeoutException)
        {
            return "";
        }
    }
}
