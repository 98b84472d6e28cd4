using EmailApi.Data;
using EmailApi.Data.Embedded;
using Microsoft.Extensions.Logging.Abstractions;

namespace EmailApi.Tests.Support;

/// <summary>Runs the tests, as the generated entry point would; or, for tests that kill an app or run it as another user,
/// is a process that holds an embedded database until a line comes in.</summary>
static class EntryPoint
{
    public const string Hold = "--hold-database";

    public static async Task<int> Main(string[] args) => args switch
    {
        [Hold, var dataDirectory, var stateDirectory, .. var more] => await HoldAsync(dataDirectory, stateDirectory, searchMachine: more is not ["fetch"]),
        _ when args.Any(arg => arg is "--server" or "--internal-msbuild-node") =>
            await Xunit.MicrosoftTestingPlatform.TestPlatformTestFramework.RunAsync(args, SelfRegisteredExtensions.AddSelfRegisteredExtensions),
        _ => await Xunit.Runner.InProc.SystemConsole.ConsoleRunner.Run(args),
    };

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
