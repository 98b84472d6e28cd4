using System.ComponentModel.DataAnnotations;
using MailKit.Security;

namespace EmailApi.Relays;

/// <summary>How the connection to a relay is protected. There is no "when available": a stripped STARTTLS must not go unnoticed.</summary>
public enum RelaySecurity
{
    /// <summary>In clear. Refused together with a password.</summary>
    None,
    /// <summary>STARTTLS (RFC 3207), demanded.</summary>
    StartTls,
    /// <summary>TLS from the first byte (RFC 8314 §3).</summary>
    Tls,
}

static class RelaySecurities
{
    public static SecureSocketOptions ToSocketOptions(this RelaySecurity security) => security switch
    {
        RelaySecurity.Tls => SecureSocketOptions.SslOnConnect,
        RelaySecurity.StartTls => SecureSocketOptions.StartTls,
        _ => SecureSocketOptions.None,
    };
}

/// <summary>An SMTP server that takes our mail on: one element of <c>EmailApi__Relays</c>.</summary>
public sealed record RelayOptions : IValidatableObject
{
    /// <summary>What mail, routes and figures call it; also the name of its lane.</summary>
    [Required, RegularExpression("^[a-z0-9][a-z0-9_-]{0,39}$", ErrorMessage = "Name is 1 to 40 of a-z, 0-9, - and _.")]
    public string Name { get; init; } = "";
    [Required]
    public string Host { get; init; } = "";
    [Range(1, 65535)]
    public int Port { get; init; } = 587;
    public RelaySecurity Security { get; init; } = RelaySecurity.StartTls;
    public string? Username { get; init; }
    public string? Password { get; init; }
    public string? PasswordFile { get; init; }
    /// <summary>Connections kept open at most, per node.</summary>
    [Range(1, 200)]
    public int MaxConnections { get; init; } = 10;
    /// <summary>Mails a second at most, per node; 0: no limit.</summary>
    [Range(0, 100_000)]
    public double RatePerSecond { get; init; }
    /// <summary>Keeps what was said to the relay for every mail; else for those that it did not take.</summary>
    public bool KeepConversations { get; init; }
    /// <summary>Wait for the TCP connection.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "00:05:00")]
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(30);
    /// <summary>Wait for the reply to a command. RFC 5321 §4.5.3.2 asks for 5 minutes of servers on the open Internet.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "00:10:00")]
    public TimeSpan CommandTimeout { get; init; } = TimeSpan.FromMinutes(5);
    /// <summary>Wait for the reply to the final dot. RFC 5321 §4.5.3.2.6: 10 minutes; less makes doubles.</summary>
    [Range(typeof(TimeSpan), "00:00:05", "00:30:00")]
    public TimeSpan DataTimeout { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>What one mail may take in all, composing included, however often the relay answers in time.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "1.00:00:00")]
    public TimeSpan MailTimeout { get; init; } = TimeSpan.FromHours(1);

    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (Uri.CheckHostName(Host) is UriHostNameType.Unknown) yield return new("Host is a host name or an IP address; the port goes into Port.", [nameof(Host)]);
        if (Security is RelaySecurity.None && !string.IsNullOrEmpty(Password))
            yield return new("Security none would send the password in clear; set starttls or tls.", [nameof(Security)]);
        if (string.IsNullOrEmpty(Username) != string.IsNullOrEmpty(Password))
            yield return new("Username and Password go together.", [nameof(Username)]);
    }
}
