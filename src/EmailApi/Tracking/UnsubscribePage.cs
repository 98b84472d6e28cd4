using System.Text.Encodings.Web;
using System.Text.Unicode;
using EmailApi.Http;
using Microsoft.Net.Http.Headers;

namespace EmailApi.Tracking;

/// <summary>The two pages for who unsubscribes, in Japanese or English. They load nothing, run nothing, and stand in nobody's frame.</summary>
static class UnsubscribePage
{
    /// <summary>Japanese stays readable in the source.</summary>
    static readonly HtmlEncoder Html = HtmlEncoder.Create(UnicodeRanges.All);

    public static IResult Ask(HttpContext http, string from, UnsubscribeScope scope) => Page(http, "Unsubscribe", scope is UnsubscribeScope.Project
        ? $"Do you want to receive no more mail from {from}?"
        : $"Do you want to receive no more mail of this kind from {from}?", hasButton: true);

    public static IResult Done(HttpContext http, string from, UnsubscribeScope scope) => Page(http, "You have unsubscribed", scope is UnsubscribeScope.Project
        ? $"You will receive no more mail from {from}."
        : $"You will receive no more mail of this kind from {from}.", hasButton: false);

    static IResult Page(HttpContext http, string title, string sentence, bool hasButton)
    {
        var isJapanese = Japanese.IsPreferred(http.Request);
        var headers = http.Response.Headers;
        headers.CacheControl = "no-store, private";
        headers.ContentLanguage = isJapanese ? "ja" : "en";
        headers.Append(HeaderNames.Vary, HeaderNames.AcceptLanguage);
        headers.ContentSecurityPolicy = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
        headers.XContentTypeOptions = "nosniff";
        headers["Referrer-Policy"] = "no-referrer";
        headers["X-Robots-Tag"] = "noindex, nofollow";
        var button = hasButton ? $"""<form method="post"><input type="hidden" name="List-Unsubscribe" value="One-Click"><button>{Shown("Unsubscribe")}</button></form>""" : "";
        return Results.Text($$"""
            <!doctype html>
            <html lang="{{(isJapanese ? "ja" : "en")}}">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <title>{{Shown(title)}}</title>
            <style>
            :root { color-scheme: light dark }
            body { font: 1rem/1.6 system-ui, sans-serif; max-width: 32rem; margin: 15vh auto 0; padding: 0 1.5rem; overflow-wrap: anywhere }
            h1 { font-size: 1.4rem }
            button { font: inherit; padding: .6rem 1.4rem; cursor: pointer }
            </style>
            </head>
            <body>
            <main>
            <h1>{{Shown(title)}}</h1>
            <p>{{Shown(sentence)}}</p>
            {{button}}
            </main>
            </body>
            </html>
            """, "text/html; charset=utf-8");

        string Shown(string english) => Html.Encode(isJapanese ? Japanese.Of(english) : english);
    }
}
