using System.Text.RegularExpressions;
using EmailApi.Http;
using EmailApi.Tests.Support;

namespace EmailApi.Tests.Deploy;

/// <summary>What is written about settings and what the app takes are the same.</summary>
public sealed partial class SettingNamesTests
{
    const string ConnectionString = "ConnectionStrings__EmailApi";

    /// <summary>Settings of the platform that have two underscores too.</summary>
    static readonly string[] Platform = ["Logging__LogLevel__"];

    [Theory]
    [InlineData("Dockerfile")]
    [InlineData("docker-compose.yml")]
    [InlineData("deploy/emailapi.service")]
    [InlineData("docs/operations.md")]
    [InlineData("README.md")]
    [InlineData("README.ja.md")]
    public void Every_setting_that_is_named_is_one(string file)
    {
        var named = Name().Matches(Read(file)).Select(m => m.Value).Where(n => !Platform.Any(n.StartsWith)).Distinct().ToList();

        Assert.NotEmpty(named);
        Assert.All(named, name => Assert.True(Matches(name, Settings().ToList()), $"{file} names {name}, which is no setting."));
    }

    [Theory]
    [InlineData("README.md")]
    [InlineData("README.ja.md")]
    public void The_table_of_settings_has_every_setting_and_no_other(string file)
    {
        var rows = Rows(Read(file));
        // A secret's …File stands in a row for all of them.
        var settings = Settings().Where(s => !s.EndsWith("File", StringComparison.Ordinal)).ToList();

        Assert.Equal(settings.Order(), rows.Where(r => r != "--urls" && r != "…File").Order());
        Assert.Contains("…File", rows);
    }

    [Fact]
    public void What_the_compose_file_asks_for_is_what_its_example_has()
    {
        var asked = Variable().Matches(Read("docker-compose.yml")).Select(m => m.Groups[1].Value).Distinct();
        var example = Read(".env.example").Split('\n').Where(line => line.Contains('=') && !line.StartsWith('#')).Select(line => line.Split('=')[0]);

        Assert.Equal(asked.Order(), example.Order());
    }

    [Fact]
    public void Every_secret_can_be_given_as_a_file() =>
        Assert.Equal(
            [$"{ConnectionString}DirectFile", $"{ConnectionString}File", "EmailApi__Bootstrap__ApiKeyFile", "EmailApi__Bounce__Mailbox__PasswordFile", "EmailApi__MasterKeyFile", "EmailApi__Relays__0__PasswordFile"],
            Settings().Where(s => s.EndsWith("File", StringComparison.Ordinal)).Order(StringComparer.Ordinal));

    /// <summary>All settings by their full names, with 0 for the number of an element.</summary>
    static IEnumerable<string> Settings() => [ConnectionString, $"{ConnectionString}File", $"{ConnectionString}Direct", $"{ConnectionString}DirectFile", .. Under("EmailApi", typeof(AppOptions))];

    static IEnumerable<string> Under(string path, Type type) =>
        type.GetProperties().Where(p => p.SetMethod is { IsPublic: true }).SelectMany(p => Of($"{path}__{p.Name}", p.PropertyType));

    static IEnumerable<string> Of(string path, Type type) =>
        type.IsGenericType && type.GetGenericTypeDefinition() == typeof(List<>) ? Of($"{path}__0", type.GenericTypeArguments[0])
        : type == typeof(string) || type.IsValueType ? [path]
        : Under(path, type);

    /// <summary>A name as it stands; or, as in prose, one that others begin with, or without what all begin with.</summary>
    static bool Matches(string name, List<string> settings)
    {
        var general = Number().Replace(name, "__0");
        return settings.Any(s => s == general || s == $"EmailApi__{general}" || s.StartsWith(general + "__", StringComparison.Ordinal));
    }

    /// <summary>The first column of the settings' table. <c>…__Host</c> goes on from the row before it.</summary>
    static List<string> Rows(string text)
    {
        var lines = text.Split('\n');
        var first = Array.FindIndex(lines, l => l.StartsWith($"| `{ConnectionString}`", StringComparison.Ordinal));
        var (rows, prefix) = (new List<string>(), "");
        foreach (var cell in lines.Skip(first).TakeWhile(l => l.StartsWith('|')).Select(l => l.Split('|')[1]))
        {
            foreach (Match code in Code().Matches(cell))
            {
                var name = code.Groups[1].Value;
                if (name.StartsWith("__", StringComparison.Ordinal)) continue;   // `…__0`, `__1`: more elements
                if (name.StartsWith("…__", StringComparison.Ordinal)) name = prefix + name[1..];
                else if (name.Contains("__0__", StringComparison.Ordinal)) prefix = name[..(name.LastIndexOf("__", StringComparison.Ordinal))];
                rows.Add(name);
            }
        }

        return rows;
    }

    static string Read(string file) => File.ReadAllText(Path.Combine(Tree.Top, file));

    [GeneratedRegex("[A-Za-z]+__[A-Za-z0-9_]*[A-Za-z0-9]", RegexOptions.CultureInvariant)]
    internal static partial Regex Name();

    [GeneratedRegex("__[0-9]+", RegexOptions.CultureInvariant)]
    internal static partial Regex Number();

    [GeneratedRegex(@"\$\{([A-Z_]+)", RegexOptions.CultureInvariant)]
    internal static partial Regex Variable();

    [GeneratedRegex("`([^`]+)`", RegexOptions.CultureInvariant)]
    internal static partial Regex Code();
}
