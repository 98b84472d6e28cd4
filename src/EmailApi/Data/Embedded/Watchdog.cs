using System.Diagnostics;
using System.Globalization;

namespace EmailApi.Data.Embedded;

/// <summary>Stops the database's server when the app is killed: a shell reads from a pipe whose other end only the app
/// holds, so that even after kill -9 the reading ends, and then signals the server (SIGINT: fast shutdown).</summary>
/// <remarks>It makes sure that the process still is the cluster's server, and that Ctrl+C, which reaches every program of
/// the terminal, does not end it before the app. Linux only; elsewhere the next start stops what is left.</remarks>
sealed class Watchdog : IDisposable
{
    const string Script = """
        exec >/dev/null 2>&1
        trap '' INT TERM HUP QUIT
        read -r line
        [ "/proc/$1/cwd" -ef "$2" ] && kill -INT "$1"
        """;

    readonly Process shell;

    Watchdog(Process shell) => this.shell = shell;

    public static Watchdog? Start(DatabaseUser user, int pid, string cluster)
    {
        if (!OperatingSystem.IsLinux()) return null;

        var start = Command.StartInfo(user.Line("sh", "-c", Script, "sh", pid.ToString(CultureInfo.InvariantCulture), cluster));
        return Process.Start(start) is { } shell ? new Watchdog(shell) : null;
    }

    /// <summary>Calls it off; the server is left as it is.</summary>
    public void Dispose()
    {
        shell.Kill();
        shell.WaitForExit(TimeSpan.FromSeconds(5));
        shell.Dispose();
    }
}
