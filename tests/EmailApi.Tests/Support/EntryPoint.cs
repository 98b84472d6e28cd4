using System.Diagnostics;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using EmailApi.Data;
using EmailApi.Data.Embedded;
using Microsoft.Extensions.Logging.Abstractions;

namespace EmailApi.Tests.Support;

/// <summary>Runs the tests, as the generated entry point would; or, for tests that kill an app or run it as another user, is the app itself,
/// or a process that holds an embedded database until a line comes in.</summary>
static class EntryPoint
{
    public const string Hold = "--hold-database";
    public const string App = "--app";

    /// <summary>Hangfire's installer keeps the log of the app that comes first, which a test may have disposed by the time of the first migration.</summary>
    static EntryPoint() => RuntimeHelpers.RunClassConstructor(typeof(Hangfire.PostgreSql.PostgreSqlObjectsInstaller).TypeHandle);

    public static async Task<int> Main(string[] args) => args switch
    {
        [Hold, var dataDirectory, var stateDirectory, .. var more] => await HoldAsync(dataDirectory, stateDirectory, searchMachine: more is not ["fetch"]),
        [App, .. var settings] => await Program.Main(settings),
        _ when args.Any(arg => arg is "--server" or "--internal-msbuild-node") =>
            await Xunit.MicrosoftTestingPlatform.TestPlatformTestFramework.RunAsync(args, SelfRegisteredExtensions.AddSelfRegisteredExtensions),
        _ => await Xunit.Runner.InProc.SystemConsole.ConsoleRunner.Run(args),
    };

    /// <summary>How this program, the tests or the fault suite, is started once more.</summary>
    /// <param name="prefix">A program that runs it as another user.</param>
    /// <param name="program">Folder with a copy of this program, where that user cannot enter this one.</param>
    public static ProcessStartInfo StartInfo(
        string directory, IEnumerable<string> arguments, IReadOnlyList<string>? prefix = null, string? program = null, IReadOnlyDictionary<string, string>? environment = null)
    {
        string[] line = [.. prefix ?? [], Path.Combine(program ?? AppContext.BaseDirectory, Assembly.GetEntryAssembly()!.GetName().Name!), .. arguments];
        var start = new ProcessStartInfo(line[0], line[1..]) { RedirectStandardInput = true, RedirectStandardOutput = true, WorkingDirectory = directory };
        start.Environment["DOTNET_ROOT"] = Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", ".."));
        foreach (var (name, value) in environment ?? new Dictionary<string, string>()) start.Environment[name] = value;
        return start;
    }

    static async Task<int> HoldAsync(string dataDirectory, string stateDirectory, bool searchMachine)
    {
        var options = new EmbeddedPostgresOptions { StateDirectory = stateDirectory, SearchMachine = searchMachine };
        try
        {
            await using var postgres = await EmbeddedPostgres.StartAsync(dataDirectory, NullLogger.Instance, CancellationToken.None, options);
            Console.WriteLine($"{postgres.ServerProcessId} {postgres.ConnectionString}");
            Console.ReadLine();
            return 0;
        }
        catch (StartRefusedException refused)
        {
            Console.WriteLine($"refused {refused.Message}");
            return 1;
        }
    }
}
