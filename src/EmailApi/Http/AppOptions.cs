using System.ComponentModel.DataAnnotations;
using EmailApi.Bounces;
using EmailApi.Relays;

namespace EmailApi.Http;

/// <summary>Which parts of the app a node runs.</summary>
public enum NodeRole
{
    All,
    /// <summary>Accepts and answers; delivers nothing.</summary>
    Api,
    /// <summary>Delivers; answers nothing but health and metrics.</summary>
    Worker,
}

/// <summary>The settings under <c>EmailApi</c>. All are checked at the start (<see cref="SettingsCheck"/>); a wrong one stops it with a sentence.</summary>
public sealed class AppOptions
{
    public NodeRole Role { get; init; }
    /// <summary>Embedded cluster, key file and bootstrap key lie here.</summary>
    [Required]
    public string DataDirectory { get; init; } = ".data";
    /// <summary>32 bytes as base64; absent: a file in the data directory.</summary>
    public string? MasterKey { get; init; }
    public string? MasterKeyFile { get; init; }
    /// <summary>Whether migrations are applied at the start; unset: in Development and with the embedded database.</summary>
    public bool? Migrate { get; init; }
    public BootstrapOptions Bootstrap { get; init; } = new();
    public BounceOptions Bounce { get; init; } = new();
    public CaptureOptions Capture { get; init; } = new();
    public PostgresOptions Postgres { get; init; } = new();
    public List<RelayOptions> Relays { get; init; } = [];
    /// <summary>Where readers of mail reach this server: the beginning of the links for tracking and unsubscribing. The same on all nodes that accept.</summary>
    public string? PublicUrl { get; init; }
    /// <summary>Addresses of the proxies whose X-Forwarded-* headers count.</summary>
    public List<string> TrustedProxies { get; init; } = [];
    public WebhookOptions Webhooks { get; init; } = new();

    /// <summary>Not a setting: no connection string was given.</summary>
    internal bool UsesEmbeddedDatabase { get; set; }

    public bool Accepts => Role is not NodeRole.Worker;
    public bool Delivers => Role is not NodeRole.Api;
}

public sealed class BootstrapOptions
{
    /// <summary>A full-access key of project <c>default</c>; taken as it is.</summary>
    [RegularExpression("^[!-~]{32,512}$", ErrorMessage = "ApiKey is 32 to 512 printable ASCII characters without spaces.")]
    public string? ApiKey { get; init; }
    public string? ApiKeyFile { get; init; }
}

public sealed class WebhookOptions
{
    /// <summary>Networks (CIDR) that webhooks may reach although they are not public; loopback too must be named.</summary>
    public List<string> AllowedNetworks { get; init; } = [];
}

public sealed class PostgresOptions
{
    /// <summary>Folder with initdb, pg_ctl and postgres for the embedded database; unset: looked for on the machine.</summary>
    public string? Binaries { get; init; }
}

public sealed class CaptureOptions
{
    /// <summary>Loopback port of the capture relay; unset: 2525 in Development if it is free, else any free one.</summary>
    [Range(1, 65535)]
    public int? Port { get; init; }
}
