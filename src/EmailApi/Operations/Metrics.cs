
namespace EmailApi.Operations;

/// <summary>The app's own figures; no addresses, no ids in labels.</summary>
public static class Metrics
{
    public const string Meter = "EmailApi";
}
