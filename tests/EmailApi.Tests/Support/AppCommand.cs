using System.Diagnostics;

namespace EmailApi.Tests.Support;

/// <summary>A command of the app as a process of its own, to its end.</summary>
sealed record AppCommand(int ExitCode, string Output, string Errors)
{
    static readonly TimeSpan Limit = TimeSpan.FromSeconds(90);

    public string[] Lines => Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);

    public static Task<AppCommand> RunAsync(string directory, params string[] arguments) => RunAsync(directory, environment: null, arguments);

    public static async Task<AppCommand> RunAsync(string directory, IReadOnlyDictionary<string, string>? environment, params string[] arguments)
    {
        var start = EntryPoint.StartInfo(directory, [EntryPoint.App, .. arguments], environment: environment);
        start.RedirectStandardError = true;
        using var process = Process.Start(start)!;
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        try
        {
            await process.WaitForExitAsync().WaitAsync(Limit);
        }
        catch (TimeoutException)
        {
            process.Kill();
            throw;
        }

        var command = new AppCommand(process.ExitCode, await output, (await errors).Trim());
        Assert.DoesNotContain("   at ", command.Output + command.Errors);   // no stack trace, whatever happens
        return command;
    }
}
