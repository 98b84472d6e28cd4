using System.Diagnostics;
using System.Runtime.Versioning;
using System.Text.RegularExpressions;
using EmailApi.Tests.Support;

namespace EmailApi.Tests;

/// <summary>Pastes what README.md says into a shell, as a reader would.</summary>
[UnsupportedOSPlatform("windows")]
public sealed partial class ReadmeTests : IDisposable
{
    /// <summary>A curl that ends the shell when the answer is an error.</summary>
    const string StrictShell = """
        set -eu -o pipefail
        curl() { command curl -sS --fail-with-body "$@"; }

        """;

    readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData("README.md")]
    [InlineData("README.ja.md")]
    public async Task Every_command_from_the_first_mail_to_a_real_relay_works_as_pasted(string readme)
    {
        var root = Tree.Top;
        var lines = Lines(await File.ReadAllTextAsync(Path.Combine(root, readme)));
        Assert.InRange(lines.Count, 20, 100);
        var project = Directory.CreateDirectory(folder["src/EmailApi"]).FullName;
        Directory.CreateSymbolicLink(folder["openapi"], Path.Combine(root, "openapi"));

        using var app = await AppProcess.Start(project, ["--environment=Development"]).ReadyAsync();
        var script = StrictShell + string.Join('\n', lines).Replace("http://localhost:8080", app.Http.BaseAddress!.ToString().TrimEnd('/'), StringComparison.Ordinal);
        var (exitCode, output) = await RunAsync(script);

        Assert.True(exitCode == 0, output);
        Assert.Contains("\"status\":\"queued\"", output);
        Assert.Contains("\"subject\":", output);
        Assert.Contains("\"balanced\":true", output);
    }

    /// <summary>The shell blocks after the one that starts the app, up to the first that sets up something else.</summary>
    static List<string> Lines(string readme)
    {
        var blocks = ShellBlock().Matches(readme).Select(m => m.Groups[1].Value).SkipWhile(b => !b.Contains("KEY=$(cat", StringComparison.Ordinal)).TakeWhile(b => !b.Contains("export ", StringComparison.Ordinal))
            .Where(b => !b.Contains("dotnet run", StringComparison.Ordinal));   // the samples, which the build compiles
        return [.. blocks.SelectMany(b => b.Split('\n', StringSplitOptions.RemoveEmptyEntries))];
    }

    [GeneratedRegex("^```sh\n(.*?)^```", RegexOptions.Singleline | RegexOptions.Multiline)]
    private static partial Regex ShellBlock();

    async Task<(int ExitCode, string Output)> RunAsync(string script)
    {
        using var shell = new Process
        {
            StartInfo = new("/bin/bash", ["-c", script]) { WorkingDirectory = folder.Path, RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false },
        };
        shell.Start();
        var (output, errors) = (shell.StandardOutput.ReadToEndAsync(), shell.StandardError.ReadToEndAsync());
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(2));
        await shell.WaitForExitAsync(limit.Token);
        return (shell.ExitCode, await output + await errors);
    }
}
