using System.ComponentModel.DataAnnotations;
using EmailApi.Emails;
using EmailApi.Relays;

namespace EmailApi.Bounces;

/// <summary>How what comes back is received.</summary>
public sealed class BounceOptions : IValidatableObject
{
    /// <summary>Return paths lie under this domain, and its MX is this server's bounce listener; unset: mail leaves with the From address as its return path.</summary>
    public string? Domain { get; init; }
    /// <summary>Port of the bounce listener; 0: none. Unset: 2526 when a domain is set.</summary>
    [Range(0, 65535)]
    public int? Port { get; init; }
    /// <summary>Asks relays for a report of success as well, which makes <c>delivered</c> of <c>sent</c>: one more mail comes back for each that leaves.</summary>
    public bool ReportsDelivery { get; init; }
    public MailboxOptions Mailbox { get; init; } = new();

    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (Domain is { Length: > 0 } && (!Address.TryParse($"{new string('b', 49)}@{Domain}", out _, out var fault) || Domain[0] == '['))
            yield return new(fault is { Length: > 0 } ? $"Domain is a domain such as bounces.example.jp. {fault}" : "Domain is a domain such as bounces.example.jp.", [nameof(Domain)]);
        if (Port > 0 && string.IsNullOrEmpty(Domain)) yield return new("Port needs EmailApi__Bounce__Domain, for which mail is taken there.", [nameof(Port)]);
        if (ReportsDelivery && string.IsNullOrEmpty(Domain)) yield return new("ReportsDelivery needs EmailApi__Bounce__Domain, where the reports go.", [nameof(ReportsDelivery)]);
    }
}

/// <summary>A mailbox that reports come to, read by IMAP.</summary>
public sealed class MailboxOptions : IValidatableObject
{
    /// <summary>The IMAP server; unset: no mailbox is read.</summary>
    public string? Host { get; init; }
    [Range(1, 65535)]
    public int Port { get; init; } = 993;
    public RelaySecurity Security { get; init; } = RelaySecurity.Tls;
    public string? Username { get; init; }
    public string? Password { get; init; }
    public string? PasswordFile { get; init; }
    [Required]
    public string Folder { get; init; } = "INBOX";
    /// <summary>Deletes the bounces, complaints and receipts that belong to a mail of ours once they are recorded; else nothing in the mailbox is changed.</summary>
    public bool Deletes { get; init; }

    internal bool IsOn => !string.IsNullOrEmpty(Host);

    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (!IsOn) yield break;
        if (Uri.CheckHostName(Host) is UriHostNameType.Unknown) yield return new("Host is a host name or an IP address; the port goes into Port.", [nameof(Host)]);
        if (string.IsNullOrEmpty(Username) || string.IsNullOrEmpty(Password)) yield return new("Username and Password are needed to read the mailbox.", [nameof(Username)]);
        if (Security is RelaySecurity.None && System.Net.IPAddress.TryParse(Host, out var address) is var isAddress && !(isAddress && System.Net.IPAddress.IsLoopback(address!)))
            yield return new("Security none would send the password in clear; set starttls or tls.", [nameof(Security)]);
    }
}
