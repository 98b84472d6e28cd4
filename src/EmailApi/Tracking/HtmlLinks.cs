using System.Buffers;
using System.Text;
using AngleSharp.Html;
using AngleSharp.Html.Parser;
using AngleSharp.Html.Parser.Tokens;
using AngleSharp.Text;

namespace EmailApi.Tracking;

/// <summary>Finds the links of an HTML part and the end of its body, with their places in the text. The tokenizer of AngleSharp reads as browsers do (WHATWG HTML §13.2.5), so
/// what stands in comments, conditional comments, scripts and the like is no link; nothing is written anew, so all else stays as its author made it.</summary>
/// <remarks>No tree is built: it would cost the square of the depth of nested elements, and stranger's HTML may be as deep as it is long.</remarks>
static class HtmlLinks
{
    const string NotTracked = "data-no-track";
    static readonly SearchValues<char> EndOfBare = SearchValues.Create(" \t\r\n\f>");
    const int MaxShown = 500;
    const int MaxLinks = 5000;

    /// <summary>A link whose text is still being read.</summary>
    sealed record Open(int At, int Length, string Href);

    /// <param name="others">Addresses that are left alone.</param>
    /// <returns>The links in their order, and where a pixel goes: before the last end of the body, else of the document, else at the end.</returns>
    public static (List<PlannedLink> Links, int? BodyEnd) Find(string html, IReadOnlyCollection<string> others)
    {
        using var source = new TextSource(html);
        using var tokens = new HtmlTokenizer(source, HtmlEntityProvider.Resolver);
        var links = new List<PlannedLink>();
        var shown = new StringBuilder();
        int? body = null, document = null;
        Open? open = null;
        while (tokens.Get() is { Type: not HtmlTokenType.EndOfFile } token)
        {
            switch (token)
            {
                case HtmlTagToken { Type: HtmlTokenType.StartTag } tag:
                    tokens.State = ContentOf(tag.Name, tokens.State);
                    if (tag.Name is not ("a" or "area")) break;
                    Close();
                    open = LinkOf(html, tag);
                    if (tag.Name is "area") Close();   // it has no text
                    break;
                case HtmlTagToken { Type: HtmlTokenType.EndTag, Name: var name } when token.Position.Position is var position:
                    if (name is "a") Close();
                    else if (name is "body") body = position - 1;
                    else if (name is "html") document = position - 1;
                    break;
                case { Type: HtmlTokenType.Character } when open is not null && shown.Length < MaxShown:
                    shown.Append(token.Data);
                    break;
            }
        }

        Close();
        return (links, body ?? document ?? html.Length);

        void Close()
        {
            if (open is not null && links.Count < MaxLinks && LinkRules.Target(open.Href, shown.ToString(), others) is { } target)
                links.Add(new(open.At, open.Length, target));
            open = null;
            shown.Clear();
        }
    }

    /// <summary>What tree construction tells the tokenizer (§13.2.6.2): in these elements tags are text.</summary>
    static HtmlParseMode ContentOf(string name, HtmlParseMode state) => name switch
    {
        "title" or "textarea" => HtmlParseMode.RCData,
        "style" or "xmp" or "iframe" or "noembed" or "noframes" => HtmlParseMode.Rawtext,
        "script" => HtmlParseMode.Script,
        "plaintext" => HtmlParseMode.Plaintext,
        _ => state,
    };

    static Open? LinkOf(string html, HtmlTagToken tag)
    {
        Open? link = null;
        foreach (var attribute in tag.Attributes)
        {
            if (attribute.Name == NotTracked) return null;
            if (attribute.Name == "href" && ValueAt(html, attribute.Position.Position - 1) is var (at, length)) link = new(at, length, attribute.Value);
        }

        return link;
    }

    /// <summary>The place of an attribute's value (§13.2.5.33 to 13.2.5.38), without its quotes.</summary>
    /// <param name="name">Where the attribute's name begins.</param>
    /// <returns>Null when it is not as the tokenizer's place would have it.</returns>
    static (int At, int Length)? ValueAt(string html, int name)
    {
        if (name < 0 || name + 4 > html.Length || !html.AsSpan(name, 4).Equals("href", StringComparison.OrdinalIgnoreCase)) return null;
        var at = SkipSpace(name + 4);
        if (at >= html.Length || html[at] != '=') return null;
        at = SkipSpace(at + 1);
        if (at >= html.Length) return null;
        var rest = html.AsSpan(at);
        if (rest[0] is '"' or '\'') return rest[1..].IndexOf(rest[0]) is var length and >= 0 ? (at + 1, length) : null;
        var end = rest.IndexOfAny(EndOfBare);
        return end > 0 ? (at, end) : null;

        int SkipSpace(int from)
        {
            while (from < html.Length && html[from] is ' ' or '\t' or '\r' or '\n' or '\f') from++;
            return from;
        }
    }
}
