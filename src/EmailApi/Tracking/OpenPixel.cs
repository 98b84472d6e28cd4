using EmailApi.Http;

namespace EmailApi.Tracking;

/// <summary>GET and HEAD /t/o/{token}.gif: a picture of one transparent pixel. Whatever became of the mail, a token of ours gets it; the database is not asked.</summary>
public static class OpenPixel
{
    /// <summary>The smallest GIF89a: 1 × 1, transparent.</summary>
    static readonly byte[] Gif = Convert.FromBase64String("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7");

    /// <exception cref="ProblemException">404: it is no token of ours.</exception>
    public static async Task HandleAsync(string token, HttpContext http, TrackingTokens tokens, HitWriter hits, TimeProvider clock)
    {
        var copy = tokens.ReadOpen(token) ?? throw TrackingSetup.Unknown();
        hits.Add(Hit.Of(http, copy, clock.GetTimestamp()));
        var response = http.Response;
        response.ContentType = "image/gif";
        response.ContentLength = Gif.Length;
        response.Headers.CacheControl = "no-store, no-cache, must-revalidate, max-age=0, private";   // some proxies know only one of them
        response.Headers.Pragma = "no-cache";
        response.Headers["Cross-Origin-Resource-Policy"] = "cross-origin";
        if (!HttpMethods.IsHead(http.Request.Method)) await response.Body.WriteAsync(Gif, http.RequestAborted);
    }
}
