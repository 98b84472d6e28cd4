namespace EmailApi.Tracking;

/// <summary>Who or what loaded the pixel or followed a link. A guess: nothing that is fetched proves that somebody read.</summary>
public enum HitClass
{
    /// <summary>Nothing speaks against a person.</summary>
    Human,
    /// <summary>The mailbox provider fetched it, for somebody or in advance.</summary>
    Proxy,
    /// <summary>A program fetched it in case somebody would want it.</summary>
    Prefetch,
    /// <summary>Something that looks into mail for what is dangerous, or another program without a person.</summary>
    Scanner,
}

/// <summary>What is known of a hit when it is judged.</summary>
/// <param name="IsHead">It asked for the header alone, as no reader's program does.</param>
/// <param name="IsPrefetch">It says of itself that it fetches in advance.</param>
/// <param name="SinceSent">Since the relay took the mail; null: it is not recorded yet.</param>
/// <param name="Links">Different links of the copy that were followed within <see cref="HitVerdict.Burst"/>, this one included.</param>
public readonly record struct HitFacts(bool IsClick, string? UserAgent, bool IsHead = false, bool IsPrefetch = false, TimeSpan? SinceSent = null, int Links = 1);

/// <summary>What a hit is taken for.</summary>
/// <param name="Confidence">In the class, 0 to 1.</param>
/// <param name="Reasons">Words, the strongest first.</param>
public sealed record HitVerdict(HitClass Class, double Confidence, IReadOnlyList<string> Reasons, string Family)
{
    public static readonly TimeSpan Burst = TimeSpan.FromSeconds(10);

    /// <summary>Gateways look before they deliver; a person has to be told of the mail, and open it.</summary>
    public static readonly TimeSpan SoonToOpen = TimeSpan.FromSeconds(2), SoonToClick = TimeSpan.FromSeconds(3);

    /// <summary>Nobody follows so many links in a few seconds.</summary>
    const int ManyLinks = 3;

    /// <summary>Whoever loads a picture need not look at it; who follows a link has done something.</summary>
    const double OfOpen = 0.6, OfClick = 0.8;

    public static HitVerdict Of(HitFacts facts)
    {
        var agent = AgentFamily.Of(facts.UserAgent);
        var signs = new List<(HitClass Class, string Reason, double Confidence)>();
        if (agent.Class is { } known) signs.Add((known, agent.Reason, agent.Confidence));
        if (facts.IsPrefetch) signs.Add((HitClass.Prefetch, "prefetch_header", 0.95));
        if (facts.IsHead) signs.Add((HitClass.Scanner, "head_request", 0.85));
        if (facts.Links >= ManyLinks) signs.Add((HitClass.Scanner, "many_links_at_once", 0.85));
        if (facts.SinceSent < (facts.IsClick ? SoonToClick : SoonToOpen)) signs.Add((HitClass.Scanner, "soon_after_sending", 0.6));
        if (signs.Count == 0) return new(HitClass.Human, facts.IsClick ? OfClick : OfOpen, [agent.Reason], agent.Family);

        // What a program says of itself outweighs when it came: a proxy that fetches at once is still the proxy.
        var strongest = signs.MaxBy(s => s.Confidence).Class;
        var doubt = signs.Where(s => s.Class == strongest).Aggregate(1.0, (left, sign) => left * (1 - sign.Confidence));
        return new(strongest, Math.Round(1 - doubt, 2), [.. signs.OrderByDescending(s => s.Confidence).Select(s => s.Reason)], agent.Family);
    }
}
