using System.Globalization;
using System.Reflection;
using EmailApi.Data;

namespace EmailApi.Http;

/// <summary>Reads the settings before anything is started. The binder passes a name over that it does not know, or ends the start with an
/// exception about itself; here each fault is a sentence that names the setting as an environment variable would be.</summary>
static class SettingsCheck
{
    const string Root = "EmailApi";
    static readonly string[] ComesLater = ["Submission"];

    /// <exception cref="StartRefusedException">With all faults.</exception>
    public static AppOptions Read(IConfiguration configuration)
    {
        var faults = new List<string>();
        Check(configuration.GetSection(Root), typeof(AppOptions), faults);
        var settings = faults.Count > 0 ? new() : configuration.GetSection(Root).Get<AppOptions>() ?? new();
        faults.AddRange(AppOptionsValidator.Faults(settings));
        return faults.Count == 0 ? settings : throw new StartRefusedException($"A setting is wrong: {string.Join(" ", faults)}");
    }

    static void Check(IConfigurationSection section, Type type, List<string> faults)
    {
        var name = SettingName.Of(section.Path);
        var children = section.GetChildren().ToList();
        if (type.IsGenericType && type.GetGenericTypeDefinition() == typeof(List<>))
        {
            if (!string.IsNullOrEmpty(section.Value)) faults.Add($"{name}: number the elements of the list, as in {name}__0.");
            foreach (var child in children)
                if (int.TryParse(child.Key, NumberStyles.None, CultureInfo.InvariantCulture, out _)) Check(child, type.GenericTypeArguments[0], faults);
                else faults.Add($"{SettingName.Of(child.Path)}: number the elements of the list, as in {name}__0.");
        }
        else if (type == typeof(string) || type.IsValueType)
        {
            if (children.Count > 0) faults.Add($"{SettingName.Of(children[0].Path)}: there is no such setting; {name} is one value.");
            else if (ValueFault(section.Value, type) is { } fault) faults.Add($"{name}: {section.Value} is not {fault}.");
        }
        else
        {
            if (!string.IsNullOrEmpty(section.Value) && section.Path != Root) faults.Add($"{name}: there is no such value; set {string.Join(", ", Names(type).Select(n => $"{name}__{n}"))}.");
            foreach (var child in children) CheckMember(child, type, faults);
        }
    }

    static void CheckMember(IConfigurationSection member, Type type, List<string> faults)
    {
        var name = SettingName.Of(member.Path);
        if (Settings(type).FirstOrDefault(p => p.Name.Equals(member.Key, StringComparison.OrdinalIgnoreCase)) is { } property) Check(member, property.PropertyType, faults);
        else if (type != typeof(AppOptions) || !ComesLater.Contains(member.Key, StringComparer.OrdinalIgnoreCase)) faults.Add($"{name}: there is no such setting; there are {string.Join(", ", Names(type))}.");
        else if (!IsSwitchedOff(member)) faults.Add($"{name} is not supported by this version yet; leave it out.");
    }

    /// <summary>Port 0 asks for nothing that is not there.</summary>
    static bool IsSwitchedOff(IConfigurationSection listener) => listener["Port"] == "0" && listener.GetChildren().Count() == 1;

    static IEnumerable<PropertyInfo> Settings(Type type) => type.GetProperties().Where(p => p.SetMethod is { IsPublic: true });

    static IEnumerable<string> Names(Type type) => Settings(type).Select(p => p.Name);

    /// <summary>What the value should be, or null when it can be read.</summary>
    static string? ValueFault(string? value, Type type)
    {
        var underlying = Nullable.GetUnderlyingType(type);
        if (value is null || underlying is not null && value.Length == 0) return null;
        type = underlying ?? type;
        if (type == typeof(bool)) return bool.TryParse(value, out _) ? null : "true or false";
        if (type == typeof(int)) return int.TryParse(value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out _) ? null : "a whole number";
        if (type == typeof(double)) return double.TryParse(value, NumberStyles.Float, CultureInfo.InvariantCulture, out _) ? null : "a number";
        if (type == typeof(TimeSpan)) return TimeSpan.TryParse(value, CultureInfo.InvariantCulture, out _) ? null : "a time span such as 00:00:30";
        if (!type.IsEnum) return null;
        var words = Enum.GetNames(type);
        return words.Contains(value, StringComparer.OrdinalIgnoreCase) ? null : $"one of {string.Join(", ", words.Select(w => w.ToLowerInvariant()))}";
    }
}
