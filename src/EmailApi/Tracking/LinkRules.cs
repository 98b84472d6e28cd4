using System.Buffers;

namespace EmailApi.Tracking;

/// <summary>Which links are led over this server.</summary>
static class LinkRules
{
    /// <summary>So that the link in its place stays within 2,000 characters, as old programs cut what is longer.</summary>
    public const int MaxTarget = 1400;

    /// <summary>Who wants to be rid of the mail must not be counted for it, nor fail with this server.</summary>
    static readonly SearchValues<string> UnsubscribeWords = SearchValues.Create(
        ["unsubscribe", "optout", "opt-out", "opt_out", "配信停止", "配信解除", "配信を停止", "購読解除", "購読停止", "購読を解除", "登録解除", "退会"], StringComparison.OrdinalIgnoreCase);

    static readonly SearchValues<char> Printable = SearchValues.Create(Enumerable.Range('!', '~' - '!' + 1).Select(c => (char)c).ToArray());

    /// <summary>Where a link leads, as a redirect says it: what is ASCII stays as it was written, the rest is escaped (RFC 3987 §3.1).</summary>
    /// <param name="href">The attribute's value without entities.</param>
    /// <param name="shown">What the reader sees of it.</param>
    /// <returns>Null for one that is left alone: not http or https, incomplete, too long, or for unsubscribing.</returns>
    public static string? Target(string href, string shown, IReadOnlyCollection<string> others)
    {
        var url = href.Trim(' ', '\t', '\r', '\n', '\f').Replace("\t", "", StringComparison.Ordinal).Replace("\r", "", StringComparison.Ordinal).Replace("\n", "", StringComparison.Ordinal);
        if (url.Length > MaxTarget || !IsWeb(url) || !Uri.TryCreate(url, UriKind.Absolute, out var uri) || uri.Host.Length == 0) return null;
        if (url.AsSpan().ContainsAny(UnsubscribeWords) || shown.AsSpan().ContainsAny(UnsubscribeWords) || others.Contains(url)) return null;
        var target = url.AsSpan().ContainsAnyExcept(Printable) ? new UriBuilder(uri) { Host = uri.IdnHost }.Uri.AbsoluteUri : url;
        return IsTarget(target) ? target : null;
    }

    /// <summary>What a redirect may lead to.</summary>
    public static bool IsTarget(string url) => url.Length <= MaxTarget && IsWeb(url) && !url.AsSpan().ContainsAnyExcept(Printable);

    static bool IsWeb(string url) => url.StartsWith("http://", StringComparison.OrdinalIgnoreCase) || url.StartsWith("https://", StringComparison.OrdinalIgnoreCase);
}
