using EmailApi.Data;

namespace EmailApi.Admin;

/// <summary>A command's arguments: its own options and flags, and settings as for serving.</summary>
sealed class CommandLine
{
    static readonly string[] HostSettings = ["--environment", "--urls"];

    readonly Dictionary<string, string> values = new(StringComparer.Ordinal);
    readonly HashSet<string> set = new(StringComparer.Ordinal);
    readonly List<string> settings = [];

    CommandLine() { }

    public string[] Settings => [.. settings];

    public string? this[string option] => values.GetValueOrDefault(option);

    public bool Has(string flag) => set.Contains(flag);

    /// <summary>A list with commas or blanks between its entries; null when the option was not given.</summary>
    public string[]? List(string option) => this[option]?.Split([',', ' '], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

    /// <param name="options">Those with a value, as in <c>--name</c>.</param>
    /// <param name="flags">Those without.</param>
    /// <exception cref="StartRefusedException">An argument is neither, or has no value.</exception>
    public static CommandLine Parse(string command, string[] args, string[] options, string[] flags)
    {
        var line = new CommandLine();
        for (var i = 0; i < args.Length; i++)
        {
            var (name, value) = args[i].Split('=', 2) is [var left, var right] ? (left, right) : (args[i], null);
            if (flags.Contains(name) && value is null)
            {
                line.set.Add(name);
                continue;
            }

            var isSetting = HostSettings.Contains(name) || name.Contains(':') && !name.StartsWith('/');
            if (!isSetting && !options.Contains(name)) throw Unknown(command, args[i], [.. options, .. flags]);
            if (value is null && i + 1 < args.Length && !args[i + 1].StartsWith("--", StringComparison.Ordinal)) value = args[++i];
            if (value is null) throw new StartRefusedException($"{name} needs a value, as in {name} VALUE.");
            if (isSetting) line.settings.Add($"{name}={value}");
            else line.values[name] = value;
        }

        return line;
    }

    static StartRefusedException Unknown(string command, string arg, string[] known) =>
        new($"{command} does not know {arg}; it takes {(known.Length > 0 ? $"{string.Join(", ", known)} and settings" : "settings")} such as --EmailApi:DataDirectory=/var/lib/emailapi.");
}
