using System.Text.Json;
using EmailApi.Data;
using EmailApi.Http;

namespace EmailApi.Admin;

/// <summary><c>EmailApi health</c>: asks the app on this machine, for health checks of containers, whose images have no curl.</summary>
static class HealthCommand
{
    static readonly TimeSpan Limit = TimeSpan.FromSeconds(5);

    public static async Task<int> RunAsync(string[] args)
    {
        var line = CommandLine.Parse("health", args, options: [], flags: ["--live"]);
        var url = new Uri(AddressOf(CommandHost.Create(line.Settings).Configuration), line.Has("--live") ? "livez" : "readyz");
        using var http = new HttpClient(new SocketsHttpHandler { UseProxy = false }) { Timeout = Limit };
        try
        {
            using var answer = await http.GetAsync(url);
            var body = await answer.Content.ReadAsStringAsync();
            if (answer.IsSuccessStatusCode)
            {
                await Console.Out.WriteLineAsync($"ok {url}");
                return 0;
            }

            throw new StartRefusedException($"{url} answers {(int)answer.StatusCode}: {TroubleIn(body)}");
        }
        catch (Exception error) when (error is HttpRequestException or OperationCanceledException)
        {
            throw new StartRefusedException($"{url} does not answer ({error.GetBaseException().Message.TrimEnd('.')}): see whether EmailApi runs, and give --urls as it has it.", error);
        }
    }

    /// <summary>Where the app of these settings listens, as this machine reaches it.</summary>
    /// <exception cref="StartRefusedException">It listens with TLS only.</exception>
    internal static Uri AddressOf(IConfiguration configuration)
    {
        var urls = configuration["urls"] is { Length: > 0 } given ? given
            : configuration["http_ports"] is { Length: > 0 } ports ? $"http://*:{ports.Split(';')[0]}"
            : HttpSetup.DefaultUrl;
        if (urls.Split(';').FirstOrDefault(u => u.StartsWith("http://", StringComparison.OrdinalIgnoreCase)) is not { } url)
            throw new StartRefusedException($"{urls} has no http:// address: health asks over HTTP alone.");

        var address = BindingAddress.Parse(url);
        var host = address.Host is "*" or "+" or "0.0.0.0" or "[::]" ? "127.0.0.1" : address.Host;
        return new UriBuilder("http", host.Trim('[', ']'), address.Port).Uri;
    }

    static string TroubleIn(string body)
    {
        try
        {
            return JsonSerializer.Deserialize(body, ApiJson.Wire.ReadinessResponse)?.Trouble ?? body;
        }
        catch (JsonException)
        {
            return "it is not EmailApi that answers there.";
        }
    }
}
