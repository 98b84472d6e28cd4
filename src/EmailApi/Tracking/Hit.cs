using System.Net;

namespace EmailApi.Tracking;

/// <summary>A pixel that was loaded or a link that was followed, with a valid token.</summary>
/// <param name="At">A timestamp of the node's monotonic clock; the database makes a time of it.</param>
public sealed record Hit(CopyId Copy, long At)
{
    const int MaxAgent = 512;
    static readonly string[] PrefetchHeaders = ["Sec-Purpose", "Purpose", "X-Purpose", "X-Moz"];

    /// <summary>Null: the pixel was loaded.</summary>
    public ClickToken? Click { get; init; }
    public bool IsHead { get; init; }
    public bool IsPrefetch { get; init; }
    public string? UserAgent { get; init; }
    public IPAddress? Ip { get; init; }

    public static Hit Of(HttpContext http, CopyId copy, long at, ClickToken? click = null) => new(copy, at)
    {
        Click = click,
        IsHead = HttpMethods.IsHead(http.Request.Method),
        IsPrefetch = PrefetchHeaders.Any(name => http.Request.Headers[name].ToString() is var said
            && (said.Contains("prefetch", StringComparison.OrdinalIgnoreCase) || said.Contains("preview", StringComparison.OrdinalIgnoreCase))),
        UserAgent = http.Request.Headers.UserAgent.ToString() is { Length: > 0 } agent ? agent[..Math.Min(agent.Length, MaxAgent)] : null,
        Ip = http.Connection.RemoteIpAddress is { IsIPv4MappedToIPv6: true } mapped ? mapped.MapToIPv4() : http.Connection.RemoteIpAddress,
    };

    /// <summary>Of the event that it becomes.</summary>
    public string Type => Click is null ? "email.opened" : "email.clicked";
}
