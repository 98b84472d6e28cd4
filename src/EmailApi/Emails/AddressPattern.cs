namespace EmailApi.Emails;

/// <summary>An entry of an allow-list: an address, a domain, or <c>*.</c> and a domain for all below it.</summary>
public static class AddressPattern
{
    const string Below = "*.";

    /// <summary>Checks an entry and gives the form that is kept.</summary>
    /// <param name="error">A sentence that says what would be right; empty when the entry is good.</param>
    public static bool TryParse(string? text, out string pattern, out string error)
    {
        if (text?.Contains('@', StringComparison.Ordinal) is true) return Address.TryParse(text, out pattern, out error);

        var isBelow = text?.StartsWith(Below, StringComparison.Ordinal) is true;
        // With a label before it, as *.jp is a pattern though jp is no domain of a mailbox.
        var isDomain = Address.TryParse(isBelow ? $"a@x.{text![Below.Length..]}" : $"a@{text}", out var address, out _);
        pattern = !isDomain ? "" : isBelow ? Below + Address.Domain(address)[2..] : Address.Domain(address);
        error = isDomain ? "" : "Give an address (a@shop.example), a domain (shop.example), or all below one (*.shop.example).";
        return isDomain;
    }

    /// <param name="pattern">One that <see cref="TryParse"/> gave.</param>
    /// <param name="address">One that <see cref="Address.TryParse"/> gave.</param>
    public static bool Covers(string pattern, string address) =>
        pattern.Contains('@', StringComparison.Ordinal) ? Address.Key(pattern) == Address.Key(address)
        : pattern.StartsWith(Below, StringComparison.Ordinal) ? Address.Domain(address).EndsWith(pattern[1..], StringComparison.Ordinal)
        : Address.Domain(address) == pattern;
}
