using System.Diagnostics;
using System.Net.Http.Headers;

namespace EmailApi.Tests.Support;

/// <summary>The app as a process of its own, in a working directory of its own: to be killed, to run as another user, or to be read as a
/// newcomer reads it.</summary>
sealed class AppProcess : IDisposable
{
    static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);
    const string Listening = "Now listening on: ";

    readonly Process process;
    readonly List<string> output = [];
    readonly List<string> errors = [];

    AppProcess(ProcessStartInfo start)
    {
        start.RedirectStandardError = true;
        process = new Process { StartInfo = start };
        process.OutputDataReceived += (_, line) => Add(output, line.Data);
        process.ErrorDataReceived += (_, line) => Add(errors, line.Data);
        process.Start();
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
    }

    public int Id => process.Id;
    public string Output => Text(output);
    public string Errors => Text(errors);

    /// <summary>With the key of <see cref="TestApp"/>, once <see cref="ReadyAsync"/> has seen where it listens.</summary>
    public HttpClient Http { get; private set; } = null!;

    /// <summary>Settings of a node in production on a database, that sends through a relay named <c>test</c>.</summary>
    public static IEnumerable<string> Production(string database, FakeRelay relay) =>
    [
        "--environment=Production", $"--EmailApi:Bootstrap:ApiKey={TestApp.Key}", $"--EmailApi:MasterKey={TestApp.MasterKey}", $"--ConnectionStrings:EmailApi={database}",
        "--EmailApi:Relays:0:Name=test", "--EmailApi:Relays:0:Host=127.0.0.1", $"--EmailApi:Relays:0:Port={relay.Port}", "--EmailApi:Relays:0:Security=none",
    ];

    /// <param name="settings">As on the command line; HTTP is on a free port of loopback unless they say otherwise.</param>
    public static AppProcess Start(
        string directory, IEnumerable<string> settings, IReadOnlyDictionary<string, string>? environment = null, IReadOnlyList<string>? prefix = null, string? program = null) =>
        new(EntryPoint.StartInfo(directory, [EntryPoint.App, "--urls=http://127.0.0.1:0", .. settings], prefix, program, environment));

    /// <summary>Waits until mail can be accepted.</summary>
    public async Task<AppProcess> ReadyAsync()
    {
        var line = await LineAsync(Listening);
        Http = new HttpClient { BaseAddress = new Uri(line[(line.IndexOf(Listening, StringComparison.Ordinal) + Listening.Length)..].Trim()), Timeout = TimeSpan.FromSeconds(20) };
        Http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", TestApp.Key);
        await UntilAsync(async () => (await Http.GetAsync("/readyz")).IsSuccessStatusCode, "be ready");
        return this;
    }

    /// <summary>The first line of its output that has this in it, now or later.</summary>
    public async Task<string> LineAsync(string part)
    {
        string? found = null;
        await UntilAsync(() => Task.FromResult((found = Output.Split('\n').FirstOrDefault(line => line.Contains(part, StringComparison.Ordinal))) is not null), $"say {part}");
        return found!;
    }

    /// <summary>Ends it in order (SIGTERM), or waits for its own end.</summary>
    /// <returns>The exit code.</returns>
    public async Task<int> EndAsync(bool terminate = true)
    {
        if (terminate) using (var kill = Process.Start("kill", ["-TERM", $"{process.Id}"])) await kill.WaitForExitAsync();
        await process.WaitForExitAsync().WaitAsync(Limit);
        return process.ExitCode;
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
        Http?.Dispose();
        process.Dispose();
    }

    async Task UntilAsync(Func<Task<bool>> isSo, string what)
    {
        var startedAt = TimeProvider.System.GetTimestamp();
        while (!await isSo())
        {
            if (process.HasExited || TimeProvider.System.GetElapsedTime(startedAt) > Limit)
                throw new TimeoutException($"The app did not {what}{(process.HasExited ? $" before its end with {process.ExitCode}" : "")}. It said:\n{Output}\n{Errors}");
            await Task.Delay(10);
        }
    }

    static void Add(List<string> lines, string? line)
    {
        if (line is null) return;
        lock (lines) lines.Add(line);
    }

    static string Text(List<string> lines)
    {
        lock (lines) return string.Join('\n', lines);
    }
}
