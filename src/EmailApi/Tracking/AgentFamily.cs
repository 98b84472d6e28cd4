namespace EmailApi.Tracking;

/// <summary>What a program says it is, without versions or anything that tells one reader from another.</summary>
/// <param name="Family">E.g. <c>Chrome</c> or <c>Gmail image proxy</c>.</param>
/// <param name="Class">What such programs are; null: it depends on how they come.</param>
public sealed record AgentFamily(string Family, HitClass? Class, string Reason, double Confidence)
{
    const int MaxRead = 512;

    static readonly AgentFamily None = new("none", HitClass.Scanner, "no_user_agent", 0.7);
    static readonly AgentFamily Apple = new("Apple Mail privacy proxy", HitClass.Proxy, "apple_mail_privacy", 0.8);
    static readonly AgentFamily Other = new("other", HitClass.Scanner, "unknown_agent", 0.5);

    /// <summary>What stands in a User-Agent field, the most telling first: browsers' names stand in those of scanners too, and one browser's in another's.</summary>
    static readonly (string Word, AgentFamily Family)[] Known =
    [
        .. Of(HitClass.Proxy, "image_proxy", 0.95, ("GoogleImageProxy", "Gmail image proxy"), ("YahooMailProxy", "Yahoo image proxy"), ("OutlookImageProxy", "Outlook image proxy"),
            ("Mail.RU_Bot/Img", "Mail.ru image proxy"), ("YandexImageResizer", "Yandex image proxy"), ("YandexImages", "Yandex image proxy"), ("ImageProxy", "image proxy")),
        .. Of(HitClass.Scanner, "security_scanner", 0.95, ("Barracuda", "Barracuda"), ("Mimecast", "Mimecast"), ("Proofpoint", "Proofpoint"), ("urldefense", "Proofpoint"), ("SafeLinks", "Microsoft Safe Links"),
            ("MSOffice-Defender", "Microsoft Defender"), ("Symantec", "Symantec"), ("MessageLabs", "Symantec"), ("TrendMicro", "Trend Micro"), ("Trend Micro", "Trend Micro"), ("TMUFE", "Trend Micro"), ("IronPort", "Cisco"),
            ("FireEye", "FireEye"), ("Sophos", "Sophos"), ("Forcepoint", "Forcepoint"), ("Websense", "Forcepoint"), ("Zscaler", "Zscaler"), ("Cloudmark", "Cloudmark"), ("McAfee", "McAfee"), ("Kaspersky", "Kaspersky"),
            ("Fortinet", "Fortinet"), ("FortiGuard", "Fortinet"), ("CheckPoint", "Check Point"), ("Avanan", "Check Point"), ("VirusTotal", "VirusTotal"), ("urlscan", "urlscan"), ("Netcraft", "Netcraft"),
            ("PhishTank", "PhishTank"), ("Vade", "Vade"), ("Hornetsecurity", "Hornetsecurity"), ("Google-Safety", "Google")),
        .. Of(HitClass.Prefetch, "link_preview", 0.9, ("BingPreview", "Bing preview"), ("SkypeUriPreview", "Skype preview"), ("Slackbot", "Slack preview"), ("Slack-ImgProxy", "Slack preview"), ("facebookexternalhit", "Facebook preview"),
            ("WhatsApp", "WhatsApp preview"), ("Twitterbot", "X preview"), ("LinkedInBot", "LinkedIn preview"), ("Discordbot", "Discord preview"), ("TelegramBot", "Telegram preview"), ("Line-Poker", "LINE preview"), ("Applebot", "Apple preview")),
        .. Of(HitClass.Scanner, "no_browser", 0.9, ("HeadlessChrome", "headless browser"), ("PhantomJS", "headless browser"), ("Puppeteer", "headless browser"), ("Playwright", "headless browser"), ("curl/", "curl"), ("Wget", "Wget"),
            ("python", "Python"), ("aiohttp", "Python"), ("Go-http-client", "Go"), ("Java/", "Java"), ("okhttp", "Java"), ("Apache-HttpClient", "Java"), ("libwww-perl", "Perl"), ("node-fetch", "Node.js"), ("axios", "Node.js"),
            ("undici", "Node.js"), ("Ruby", "Ruby"), ("PHP", "PHP"), ("GuzzleHttp", "PHP"), ("WindowsPowerShell", "PowerShell"), ("PowerShell", "PowerShell"), (".NET", ".NET"), ("Googlebot", "crawler"), ("bingbot", "crawler"),
            ("crawler", "crawler"), ("spider", "crawler"), ("scanner", "scanner"), ("bot/", "crawler"), ("bot;", "crawler")),
        .. Of(null, "mail_program", 0.8, ("Microsoft Outlook", "Outlook"), ("ms-office", "Outlook"), ("MSOffice", "Outlook"), ("Outlook-iOS", "Outlook"), ("Outlook-Android", "Outlook"), ("Thunderbird", "Thunderbird"), ("Becky", "Becky!")),
        .. Of(null, "browser", 0.7, ("Edg/", "Edge"), ("EdgA/", "Edge"), ("EdgiOS", "Edge"), ("Edge/", "Edge"), ("OPR/", "Opera"), ("SamsungBrowser", "Samsung Internet"), ("YaBrowser", "Yandex Browser"), ("Vivaldi", "Vivaldi"),
            ("FxiOS", "Firefox"), ("Firefox/", "Firefox"), ("CriOS", "Chrome"), ("Chrome/", "Chrome"), ("Trident/", "Internet Explorer"), ("MSIE ", "Internet Explorer"), ("Safari/", "Safari"), ("AppleWebKit", "Apple Mail")),
    ];

    public static AgentFamily Of(string? userAgent)
    {
        if (string.IsNullOrWhiteSpace(userAgent)) return None;
        if (userAgent.Trim() == "Mozilla/5.0") return Apple;   // all that Apple's proxy says
        var text = userAgent.AsSpan(0, Math.Min(userAgent.Length, MaxRead));
        foreach (var (word, family) in Known)
            if (text.Contains(word, StringComparison.OrdinalIgnoreCase)) return family;
        return Other;
    }

    static IEnumerable<(string, AgentFamily)> Of(HitClass? what, string reason, double confidence, params (string Word, string Name)[] families) =>
        families.Select(f => (f.Word, new AgentFamily(f.Name, what, reason, confidence)));
}
