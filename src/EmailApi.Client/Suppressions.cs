namespace EmailApi.Client;

/// <summary>An address that is to be mailed no more.</summary>
/// <param name="Email">The address alone.</param>
/// <param name="Reason">A reason word; <c>manual</c> when left out.</param>
/// <param name="Stream">Only mail of this stream; null: all mail of the project.</param>
/// <param name="ExpiresAt">When it ends; null: never.</param>
public sealed record SuppressionRequest(string Email, string? Reason = null, string? Stream = null, DateTimeOffset? ExpiresAt = null);

/// <summary>An address that must not be mailed.</summary>
/// <param name="Email">As it is compared: in lower case, its domain in Unicode.</param>
/// <param name="Reason">A word, e.g. <c>unknown_user</c>; expect new ones.</param>
/// <param name="Stream">Null: the whole project.</param>
/// <param name="Source"><c>bounce</c>, <c>complaint</c>, <c>unsubscribe</c>, <c>import</c> or <c>manual</c>.</param>
/// <param name="EmailId">The mail that caused it, if one did; it may be gone.</param>
public sealed record Suppression(string Email, string Reason, string? Stream, string Source, DateTimeOffset CreatedAt, DateTimeOffset? ExpiresAt, string? EmailId);

/// <summary>A page of suppressions.</summary>
/// <param name="NextCursor">What to give as <c>after</c> for the next page; null when this is the last.</param>
public sealed record SuppressionPage(IReadOnlyList<Suppression> Data, string? NextCursor);

/// <summary>Which suppressions are meant: every part that is given must hold.</summary>
public sealed record SuppressionFilter
{
    /// <summary>However it is spelt.</summary>
    public string? Address { get; init; }
    /// <summary>Those of this stream; those of the whole project are not among them.</summary>
    public string? Stream { get; init; }
    public string? Reason { get; init; }
    public string? Source { get; init; }

    /// <summary>As a query, each part with an ampersand before it.</summary>
    internal string ToQuery()
    {
        return string.Concat(Part("address", Address), Part("stream", Stream), Part("reason", Reason), Part("source", Source));

        static string Part(string name, string? value) => value is null ? "" : $"&{name}={Uri.EscapeDataString(value)}";
    }
}
