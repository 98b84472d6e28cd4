using System.Diagnostics;
using System.Globalization;
using EmailApi.Data;

namespace EmailApi.Tests.Support;

/// <summary>Another process that holds an embedded database, to be killed or to run as an ordinary user.</summary>
sealed class DatabaseHolder : IDisposable
{
    readonly Process process;

    DatabaseHolder(Process process) => this.process = process;

    public int Id => process.Id;

    /// <summary>Starts it and does not wait.</summary>
    /// <param name="prefix">A program that runs it as another user.</param>
    /// <param name="program">Folder with a copy of the test program, where that user cannot enter this one.</param>
    public static DatabaseHolder Start(
        TemporaryFolder folder, IReadOnlyList<string>? prefix = null, string? program = null, Dictionary<string, string>? environment = null, params string[] more)
    {
        return new DatabaseHolder(Process.Start(EntryPoint.StartInfo("/", [EntryPoint.Hold, folder["data"], folder["state"], .. more], prefix, program, environment))!);
    }

    /// <summary>Waits for the database.</summary>
    public async Task<(int ServerProcessId, string ConnectionString)> ReadyAsync()
    {
        var line = await LineAsync();
        return line.Split(' ', 2) is ["refused", var sentence] ? throw new StartRefusedException(sentence)
            : line.Split(' ', 2) is [var pid, var connectionString] ? (int.Parse(pid, CultureInfo.InvariantCulture), connectionString)
            : throw new InvalidOperationException($"The holder said: {line}");
    }

    public async Task<string> LineAsync() =>
        await process.StandardOutput.ReadLineAsync().WaitAsync(TimeSpan.FromSeconds(60)) ?? "";

    /// <summary>Lets it end in order.</summary>
    public async Task EndAsync()
    {
        process.StandardInput.Close();
        await process.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(60));
    }

    /// <summary>kill -9.</summary>
    public void Kill()
    {
        process.Kill();
        process.WaitForExit();
    }

    public void Dispose()
    {
        if (!process.HasExited) Kill();
        process.Dispose();
    }
}
