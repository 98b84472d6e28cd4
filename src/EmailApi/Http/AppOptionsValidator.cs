using System.ComponentModel.DataAnnotations;
using System.Net;

namespace EmailApi.Http;

/// <summary>Checks what the settings say; each fault is a sentence that begins with the setting's full name.</summary>
static class AppOptionsValidator
{
    public static List<string> Faults(AppOptions options)
    {
        var failures = new List<string>();
        Check(options, "EmailApi");
        Check(options.Bootstrap, "EmailApi__Bootstrap");
        Check(options.Bounce, "EmailApi__Bounce");
        Check(options.Bounce.Mailbox, "EmailApi__Bounce__Mailbox");
        Check(options.Capture, "EmailApi__Capture");
        Check(options.Postgres, "EmailApi__Postgres");
        for (var i = 0; i < options.Relays.Count; i++)
        {
            Check(options.Relays[i], $"EmailApi__Relays__{i}");
            if (options.Relays[i].Name is Relays.RelayCatalog.Capture or Relays.RelayCatalog.Unrouted)
                failures.Add($"EmailApi__Relays__{i}__Name: {options.Relays[i].Name} is a name of the server's own; choose another.");
        }

        foreach (var twice in options.Relays.GroupBy(r => r.Name).Where(g => g.Count() > 1))
            failures.Add($"EmailApi__Relays: two relays are named {twice.Key}; give each a name of its own.");
        if (options.MasterKey is { } key && Data.MasterKey.Parse(key) is null) failures.Add("EmailApi__MasterKey: give 32 bytes as base64; `openssl rand -base64 32` makes one.");
        if (options.PublicUrl is { Length: > 0 } url && !IsPublicUrl(url)) failures.Add("EmailApi__PublicUrl: give an address that links can begin with, such as https://mail.example.jp, without user, query and fragment.");
        for (var i = 0; i < options.TrustedProxies.Count; i++)
            if (!IPAddress.TryParse(options.TrustedProxies[i], out _)) failures.Add($"EmailApi__TrustedProxies__{i}: {options.TrustedProxies[i]} is not an IP address.");
        for (var i = 0; i < options.Webhooks.AllowedNetworks.Count; i++)
            if (!IPNetwork.TryParse(options.Webhooks.AllowedNetworks[i], out _)) failures.Add($"EmailApi__Webhooks__AllowedNetworks__{i}: {options.Webhooks.AllowedNetworks[i]} is not a network such as 10.1.0.0/16 or ::1/128.");
        return failures;

        static bool IsPublicUrl(string url) => Uri.TryCreate(url, UriKind.Absolute, out var uri) && uri.Scheme is "http" or "https" && uri.Host.Length > 0
            && uri.UserInfo.Length + uri.Query.Length + uri.Fragment.Length == 0 && url.Length <= 200 && System.Text.Ascii.IsValid(uri.AbsoluteUri);

        void Check(object part, string path)
        {
            var results = new List<ValidationResult>();
            Validator.TryValidateObject(part, new ValidationContext(part), results, validateAllProperties: true);
            failures.AddRange(results.Select(r => $"{path}{string.Concat(r.MemberNames.Take(1).Select(m => $"__{m}"))}: {r.ErrorMessage}"));
        }
    }
}
