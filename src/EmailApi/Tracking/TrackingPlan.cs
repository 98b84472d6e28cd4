using System.Net;
using System.Text;
using EmailApi.Emails;

namespace EmailApi.Tracking;

/// <summary>A link to be replaced.</summary>
/// <param name="At">Where its address begins in the part, in UTF-16 units.</param>
/// <param name="Length">Of the address as it stands there.</param>
/// <param name="Target">Where it leads.</param>
public sealed record PlannedLink(int At, int Length, string Target);

/// <summary>What of a mail is put in or replaced in each recipient's copy. It is found once, when the mail is accepted, and kept with the content: composing only puts strings together, and
/// a retry sends the bytes of the first attempt whatever has changed in between.</summary>
/// <param name="Root">The address of this server for readers, as it was when the mail was accepted.</param>
/// <param name="Pixel">Where in the HTML part the pixel goes; null: none.</param>
public sealed record TrackingPlan(string Root, IReadOnlyList<PlannedLink> Html, IReadOnlyList<PlannedLink> Text, int? Pixel)
{
    /// <summary>Larger parts are left alone: no program shows them whole.</summary>
    public const int MaxChars = 2_000_000;

    /// <returns>Null when the mail holds no address at this server.</returns>
    public static TrackingPlan? Of(EmailContent content, Tracked tracked, string? root)
    {
        if (root is null || !tracked.IsPersonal()) return null;
        var others = content.Headers.Where(h => h.Name.Equals("List-Unsubscribe", StringComparison.OrdinalIgnoreCase))
            .SelectMany(h => h.Value.Split(['<', '>', ',', ' '], StringSplitOptions.RemoveEmptyEntries)).ToHashSet(StringComparer.Ordinal);
        var (links, bodyEnd) = content.Html is { Length: > 0 and <= MaxChars } html && (tracked & (Tracked.Opens | Tracked.Clicks)) != 0 ? HtmlLinks.Find(html, others) : ([], null);
        return new(root,
            tracked.HasFlag(Tracked.Clicks) ? links : [],
            tracked.HasFlag(Tracked.ClicksInText) && content.Text is { Length: > 0 and <= MaxChars } text ? TextLinks.Find(text, others) : [],
            tracked.HasFlag(Tracked.Opens) ? bodyEnd : null);
    }

    /// <summary>The HTML part of a copy: byte for byte as it was but for the addresses of links, and for the pixel.</summary>
    public string Apply(string html, Func<int, PlannedLink, string> link, Func<string> pixel)
    {
        if (Html.Count == 0 && Pixel is null) return html;
        var copy = new StringBuilder(html.Length + 256 + (Html.Count * 150));
        var (at, left) = (0, Pixel);
        for (var i = 0; i < Html.Count; i++)
        {
            var planned = Html[i];
            AddUpTo(planned.At);
            var url = WebUtility.HtmlEncode(link(i + 1, planned));
            if (html[planned.At - 1] is '"' or '\'') copy.Append(url);
            else copy.Append('"').Append(url).Append('"');
            at = planned.At + planned.Length;
        }

        AddUpTo(html.Length);
        return copy.ToString();

        void AddUpTo(int end)
        {
            if (left is { } place && place <= end)
            {
                copy.Append(html, at, place - at).Append("<img src=\"").Append(WebUtility.HtmlEncode(pixel()))
                    .Append("\" width=\"1\" height=\"1\" alt=\"\" style=\"display:block;width:1px;height:1px;border:0\">");
                (at, left) = (place, null);
            }

            copy.Append(html, at, end - at);
        }
    }

    /// <summary>The text part of a copy.</summary>
    public string ApplyToText(string text, Func<int, PlannedLink, string> link)
    {
        if (Text.Count == 0) return text;
        var copy = new StringBuilder(text.Length + (Text.Count * 150));
        var at = 0;
        for (var i = 0; i < Text.Count; i++)
        {
            copy.Append(text, at, Text[i].At - at).Append(link(Html.Count + i + 1, Text[i]));
            at = Text[i].At + Text[i].Length;
        }

        return copy.Append(text, at, text.Length - at).ToString();
    }
}
