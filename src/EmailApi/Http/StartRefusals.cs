using System.Net.Sockets;
using System.Text.RegularExpressions;
using EmailApi.Data;
using Microsoft.Extensions.Options;

namespace EmailApi.Http;

/// <summary>What ends a start with one sentence for the operator instead of a stack trace.</summary>
static partial class StartRefusals
{
    public static string? SentenceOf(Exception error) => error switch
    {
        StartRefusedException refused => refused.Message,
        OptionsValidationException invalid => $"A setting is wrong: {string.Join(" ", invalid.Failures)}",
        AggregateException { InnerException: { } inner } => SentenceOf(inner),
        IOException { InnerException: Microsoft.AspNetCore.Connections.AddressInUseException } inUse => $"{inUse.Message.TrimEnd('.')}; choose another address with --urls, such as --urls http://localhost:8081.",
        SocketException { SocketErrorCode: SocketError.AccessDenied } denied => $"The HTTP port cannot be listened on ({denied.Message}); choose another address with --urls.",
        InvalidOperationException wrong => BinderSentence(wrong),
        _ => null,
    };

    /// <summary>What the configuration binder says, under the setting's own name and without names of .NET types.</summary>
    static string? BinderSentence(Exception error)
    {
        for (var cause = error; cause is not null; cause = cause.InnerException)
        {
            if (Unconvertible().Match(cause.Message) is { Success: true } value)
                return $"A setting is wrong: {SettingName.Of(value.Groups["path"].Value)} cannot be {value.Groups["value"].Value}; give {Expected(value.Groups["type"].Value)}.";
            if (Unknown().Match(cause.Message) is { Success: true } unknown)
                return $"A setting is wrong: there is no {SectionOf(unknown.Groups["type"].Value)}{unknown.Groups["name"].Value}; README.md lists what there is.";
        }

        return null;
    }

    static string Expected(string type) => typeof(StartRefusals).Assembly.GetType(type) is { IsEnum: true } words
        ? string.Join(" or ", Enum.GetNames(words)).ToLowerInvariant()
        : type switch
        {
            "System.Boolean" => "true or false",
            "System.TimeSpan" => "a duration such as 00:00:30",
            _ => "a number",
        };

    static string SectionOf(string type) => type switch
    {
        nameof(AppOptions) => "EmailApi__",
        nameof(Relays.RelayOptions) => "EmailApi__Relays__…__",
        _ => $"EmailApi__{type.Replace("Options", "", StringComparison.Ordinal)}__",
    };

    [GeneratedRegex("Failed to convert configuration value '(?<value>.*)' at '(?<path>[^']+)' to type '(?<type>[^']+)'")]
    private static partial Regex Unconvertible();

    [GeneratedRegex(@"not found on the instance of [\w.]*\.(?<type>\w+): '(?<name>[^']+)'")]
    private static partial Regex Unknown();
}
