using EmailApi.Data;
using Microsoft.Extensions.Configuration;

namespace EmailApi.Migrations;

/// <summary>Brings the database of <c>ConnectionStrings__EmailApi</c> (environment, command line or <c>…File</c>) to this version's schema and
/// ends: 0 when it is there, 1 with a sentence when not. The app's own command <c>migrate</c> does the same.</summary>
public static class Program
{
    public static async Task<int> Main(string[] args)
    {
        try
        {
            var configuration = new ConfigurationManager();
            configuration.AddEnvironmentVariables().AddCommandLine(args);
            return await MigrationRun.RunAsync(configuration);
        }
        catch (StartRefusedException refused)
        {
            await Console.Error.WriteLineAsync(refused.Message);
            return 1;
        }
    }
}
