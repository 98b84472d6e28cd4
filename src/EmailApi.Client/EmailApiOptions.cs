namespace EmailApi.Client;

/// <summary>Where the server is, the key, and how patiently it is asked.</summary>
public sealed class EmailApiOptions
{
    /// <summary>The server, e.g. <c>https://mail.shop.example/</c>: http or https, a path is kept. Left out, the
    /// <see cref="HttpClient.BaseAddress"/> of the client given counts.</summary>
    public Uri? BaseAddress { get; set; }

    /// <summary>The API key, <c>ek_live_…</c> or <c>ek_test_…</c>. Required.</summary>
    public string Key { get; set; } = "";

    /// <summary>How often a request is made at most, the first time included: 1 to 10, 4 when left out. 1 switches retries off.</summary>
    public int MaxTries { get; set; } = 4;

    /// <summary>How long one try may take, upload and download included: 1 s to 1 h, 100 s when left out. Past it the try counts as a lost
    /// connection.</summary>
    public TimeSpan TryTimeout { get; set; } = TimeSpan.FromSeconds(100);

    /// <summary>The wait before the second try, 0 to 1 min, 500 ms when left out. It doubles from try to try, and is shortened by up to half at
    /// random, so that many callers do not come back at once.</summary>
    public TimeSpan RetryDelay { get; set; } = TimeSpan.FromMilliseconds(500);

    /// <summary>The longest wait between two tries: 0 to 1 h, 30 s when left out. A server that asks for more with Retry-After is not waited
    /// for: the exception says how long it asked.</summary>
    public TimeSpan MaxRetryDelay { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>What is wrong with these options, a sentence each; empty when nothing is.</summary>
    internal IEnumerable<string> Faults(Uri? otherAddress = null)
    {
        var address = BaseAddress ?? otherAddress;
        if (address is null) yield return "BaseAddress is missing; give the server's address, such as https://mail.shop.example/.";
        else if (!address.IsAbsoluteUri || address.Scheme is not ("http" or "https"))
            yield return $"BaseAddress is {address}; give an absolute http or https address, such as https://mail.shop.example/.";
        else if (address.Query.Length > 0 || address.Fragment.Length > 0 || address.UserInfo.Length > 0)
            yield return "BaseAddress has a query, a fragment or a user name; give scheme, host, port and path only.";

        if (string.IsNullOrWhiteSpace(Key)) yield return "Key is missing; give an API key, such as ek_live_….";
        else if (Key.AsSpan().ContainsAnyExceptInRange('!', '~'))
            yield return "Key has a space, a line break or a character beyond ASCII; give it as the server printed it.";   // it is a secret: never shown
        if (MaxTries is < 1 or > 10) yield return $"MaxTries is {MaxTries}; give 1 to 10.";
        if (TryTimeout < TimeSpan.FromSeconds(1) || TryTimeout > TimeSpan.FromHours(1)) yield return $"TryTimeout is {TryTimeout}; give 1 second to 1 hour.";
        if (RetryDelay < TimeSpan.Zero || RetryDelay > TimeSpan.FromMinutes(1)) yield return $"RetryDelay is {RetryDelay}; give 0 to 1 minute.";
        if (MaxRetryDelay < TimeSpan.Zero || MaxRetryDelay > TimeSpan.FromHours(1)) yield return $"MaxRetryDelay is {MaxRetryDelay}; give 0 to 1 hour.";
    }
}
