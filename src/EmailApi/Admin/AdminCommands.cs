using System.Reflection;
using EmailApi.Data;

namespace EmailApi.Admin;

/// <summary>What the program does instead of serving when its first argument is a word.</summary>
static class AdminCommands
{
    const string HelpText = """
        EmailApi: an outgoing mail server with an HTTP API.

          EmailApi [settings]             serves
          EmailApi migrate                brings the database to this version's schema
          EmailApi keys create            makes an API key, and prints it this once
            --name NAME                   what it is for
            --scopes send,read            of send, read, manage, approve, audit and override_suppression
            --project default             the name of the project that it is for
            --mode live                   live, or test: its mail is captured
            --expires TIME                as in 2027-01-31T00:00:00+09:00; left out: never
            --senders, --streams, --recipients
                                          what it is bound to, each a list with commas; left out: all
          EmailApi doctor                 looks at the settings, the database and each relay; says what is wrong and what to do
            --quick                       leaves the relays alone
          EmailApi restore status         whether mail is held because the database was restored, and how much
          EmailApi restore release        lets it go
            --open in_doubt               what becomes of mail that was open in the backup and may have left since: in_doubt
                                          (held for a person), send or cancel
          EmailApi restore hold           holds all mail by hand, before nodes start on a database that was restored
          EmailApi health                 asks the EmailApi that runs here whether mail can be accepted
            --live                        only whether it answers
          EmailApi help, EmailApi version

        Every command takes the settings that serving takes: from the environment, appsettings.json, or as
        --EmailApi:Role=api. It ends with 0, or with 1 and a sentence.
        """;

    /// <summary>The command that the arguments ask for; null when they are settings alone, for serving.</summary>
    public static Func<Task<int>>? Find(string[] args) => args switch
    {
        ["help" or "--help" or "-h" or "-?", ..] => () => SayAsync(HelpText),
        ["version" or "--version", ..] => () => SayAsync($"EmailApi {Version}"),
        [var word, .. var rest] when IsWord(word) && rest.Any(arg => arg is "--help" or "-h" or "-?") => () => SayAsync(HelpText),
        ["migrate", .. var rest] => () => MigrateAsync(rest),
        ["keys", "create", .. var rest] => () => CreateKeyCommand.RunAsync(rest),
        ["doctor", .. var rest] => () => Doctor.RunAsync(rest),
        ["health", .. var rest] => () => HealthCommand.RunAsync(rest),
        ["restore", "status", .. var rest] => () => RestoreCommand.StatusAsync(rest),
        ["restore", "release", .. var rest] => () => RestoreCommand.ReleaseAsync(rest),
        ["restore", "hold", .. var rest] => () => RestoreCommand.HoldAsync(rest),
        ["keys" or "restore", ..] => () => throw Unknown(string.Join(' ', args.TakeWhile(IsWord))),
        [var word, ..] when IsWord(word) => () => throw Unknown(word),
        _ => null,
    };

    /// <summary>This release, without what the build adds to it.</summary>
    public static string Version =>
        typeof(AdminCommands).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion.Split('+')[0];

    static Task<int> MigrateAsync(string[] args)
    {
        var line = CommandLine.Parse("migrate", args, options: [], flags: []);
        return MigrationRun.RunAsync(CommandHost.Create(line.Settings).Configuration);
    }

    static async Task<int> SayAsync(string text)
    {
        await Console.Out.WriteLineAsync(text);
        return 0;
    }

    static StartRefusedException Unknown(string words) =>
        new($"There is no command \"{words}\"; there are migrate, keys create, doctor, health, restore status, restore release, restore hold, help and version.");

    /// <summary>Settings are --name=value, --name value, /name value and name=value.</summary>
    static bool IsWord(string arg) => arg.Length > 0 && arg[0] is not ('-' or '/') && !arg.Contains('=');
}
