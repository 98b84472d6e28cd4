using EmailApi.Data;
using EmailApi.Http;

namespace EmailApi.Admin;

/// <summary>What <c>doctor</c> saw, a line each.</summary>
/// <param name="Subject">What was looked at.</param>
/// <param name="Text">What it is like, or what is wrong.</param>
/// <param name="ToDo">What to do about it; null when all is well.</param>
sealed record Finding(string Subject, string Text, string? ToDo)
{
    public static Finding Ok(string subject, string text) => new(subject, text, null);

    public static Finding Wrong(string subject, string text, string todo) => new(subject, text, todo);

    public override string ToString() =>
        (ToDo is null ? $"ok {Subject}: {Text}" : $"WRONG {Subject}: {Text.TrimEnd('.')}: do: {ToDo.TrimEnd('.')}").ReplaceLineEndings(" ");
}

/// <summary><c>EmailApi doctor</c>: settings, database and relays, without changing any. Ends with 1 when something is wrong.</summary>
static class Doctor
{
    public static async Task<int> RunAsync(string[] args)
    {
        var line = CommandLine.Parse("doctor", args, options: [], flags: ["--quick"]);
        var builder = CommandHost.Create(line.Settings);
        AppOptions settings;
        try
        {
            settings = builder.AddSettings();
        }
        catch (StartRefusedException refused)
        {
            Say(Finding.Wrong("settings", refused.Message, "correct it; README.md has a table of all settings"));
            return 1;
        }

        Say(Finding.Ok("settings", $"role {settings.Role.Word()}, environment {builder.Environment.EnvironmentName}"));
        var isWell = true;
        // The relays are asked meanwhile; they may take their time.
        var relays = line.Has("--quick") ? Task.FromResult<IReadOnlyList<Finding>>([]) : RelaysAsync(settings, builder.Environment);
        await foreach (var finding in DatabaseAsync(builder.Configuration, settings)) isWell &= Say(finding);
        foreach (var finding in await relays) isWell &= Say(finding);
        return isWell ? 0 : 1;
    }

    static bool Say(Finding finding)
    {
        Console.WriteLine(finding);
        return finding.ToDo is null;
    }

    static async IAsyncEnumerable<Finding> DatabaseAsync(IConfiguration configuration, AppOptions settings)
    {
        CommandDatabase? database = null;
        Finding? trouble = null;
        try
        {
            database = await CommandDatabase.OpenAsync(configuration, settings);
        }
        catch (StartRefusedException refused)
        {
            // The sentence says what is wrong, a colon, and what would help.
            var colon = refused.Message.LastIndexOf(": ", StringComparison.Ordinal);
            trouble = colon < 0 ? Finding.Wrong("database", refused.Message, "correct it") : Finding.Wrong("database", refused.Message[..colon], refused.Message[(colon + 2)..]);
        }

        if (trouble is not null) yield return trouble;
        if (database is null) yield break;

        await using (database)
            await foreach (var finding in new DatabaseChecks(database, settings, TimeProvider.System).RunAsync()) yield return finding;
    }

    static async Task<IReadOnlyList<Finding>> RelaysAsync(AppOptions settings, IHostEnvironment environment)
    {
        if (settings.Relays.Count == 0)
            return [environment.IsDevelopment() || !settings.Delivers
                ? Finding.Ok("relays", "none is configured, and none is needed here")
                : Finding.Wrong("relays", "none is configured, so all mail waits", "set EmailApi__Relays__0__Name, EmailApi__Relays__0__Host and what else the relay needs")];

        var each = await Task.WhenAll(settings.Relays.Select((relay, i) => new RelayProbe(relay, $"EmailApi__Relays__{i}", TimeProvider.System).RunAsync(CancellationToken.None)));
        return [.. each.SelectMany(findings => findings)];
    }
}
