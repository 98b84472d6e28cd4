using EmailApi.Http;
using EmailApi.Projects;
using Microsoft.Extensions.Options;

namespace EmailApi.Relays;

/// <summary>The relays of the settings, and which one a mail leaves through. A lane is a relay's name.</summary>
public sealed class RelayCatalog
{
    /// <summary>The lane of the built-in relay that keeps mail on this machine.</summary>
    public const string Capture = "capture";
    /// <summary>The lane of mail that waits for a relay to be configured.</summary>
    public const string Unrouted = "unrouted";

    readonly string lane;

    public RelayCatalog(IOptions<AppOptions> options, IHostEnvironment environment)
    {
        Relays = options.Value.Relays;
        lane = Relays.Count > 0 ? Relays[0].Name : environment.IsDevelopment() ? Capture : Unrouted;
    }

    public IReadOnlyList<RelayOptions> Relays { get; }

    /// <summary>True when mail would wait for ever: nothing configured, and not in Development.</summary>
    public bool IsMissing => lane == Unrouted;

    /// <summary>Without routes the relays are used in their order. Mail of test keys never leaves the machine.</summary>
    public string LaneOf(KeyMode mode = KeyMode.Live) => mode is KeyMode.Test ? Capture : lane;
}
