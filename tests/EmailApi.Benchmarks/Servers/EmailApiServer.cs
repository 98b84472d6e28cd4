using System.Globalization;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json.Nodes;

namespace EmailApi.Benchmarks.Servers;

/// <summary>The app as users run it: a process of its own, on a PostgreSQL that is given to it.</summary>
sealed class EmailApiServer : IAsyncDisposable
{
    public const string Key = "benchmark-bootstrap-key-0123456789";

    static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(60);

    EmailApiServer(ChildProcess process, int port)
    {
        (Process, Port) = (process, port);
        Http = new() { BaseAddress = new($"http://127.0.0.1:{port}"), Timeout = TimeSpan.FromSeconds(60) };
        Http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", Key);
    }

    public ChildProcess Process { get; }
    public int Port { get; }
    public HttpClient Http { get; }

    /// <param name="settings">Names as in the environment, e.g. <c>EmailApi__Capture__Port</c>.</param>
    public static async Task<EmailApiServer> StartAsync(
        WorkFolder folder, string connectionString, IReadOnlyDictionary<string, string> settings, CancellationToken cancel)
    {
        var dll = Path.Combine(AppContext.BaseDirectory, "EmailApi.dll");
        if (!File.Exists(Path.ChangeExtension(dll, ".runtimeconfig.json"))) throw new CannotRunException($"{dll} is not the whole app: build the solution.");

        var port = Machine.FreePort();
        var environment = new Dictionary<string, string>
        {
            ["ASPNETCORE_ENVIRONMENT"] = "Production",
            ["ConnectionStrings__EmailApi"] = connectionString,
            ["EmailApi__DataDirectory"] = folder.NewFolder($"app-{port}"),
            ["EmailApi__Bootstrap__ApiKey"] = Key,
            ["EmailApi__MasterKey"] = Convert.ToBase64String(new byte[32]),   // nodes on one database share it
            ["EmailApi__Migrate"] = "true",
        };
        foreach (var (name, value) in settings) environment[name] = value;
        var process = ChildProcess.Start(folder[$"app-{port}.log"], ["dotnet", dll, "--urls", $"http://127.0.0.1:{port}"], environment);
        var server = new EmailApiServer(process, port);
        try
        {
            await server.ReadyAsync(cancel);
            return server;
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }

    /// <summary>The settings of one relay on loopback, in clear.</summary>
    public static Dictionary<string, string> RelaySettings(int port, int connections) => new()
    {
        ["EmailApi__Relays__0__Name"] = "relay",
        ["EmailApi__Relays__0__Host"] = "127.0.0.1",
        ["EmailApi__Relays__0__Port"] = port.ToString(CultureInfo.InvariantCulture),
        ["EmailApi__Relays__0__Security"] = "none",
        ["EmailApi__Relays__0__MaxConnections"] = connections.ToString(CultureInfo.InvariantCulture),
    };

    /// <exception cref="CannotRunException">The answer was no 2xx.</exception>
    public async Task PostAsync(string path, JsonNode body, CancellationToken cancel)
    {
        using var answer = await Http.PostAsJsonAsync(path, body, cancel);
        if (!answer.IsSuccessStatusCode) throw new CannotRunException(await answer.Content.ReadAsStringAsync(cancel));
    }

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        await Process.DisposeAsync();
    }

    async Task ReadyAsync(CancellationToken cancel)
    {
        var until = Environment.TickCount64 + (long)StartLimit.TotalMilliseconds;
        while (true)
        {
            try
            {
                using var answer = await Http.GetAsync("/readyz", cancel);
                if (answer.IsSuccessStatusCode) return;
            }
            catch (HttpRequestException)
            {
                // Not listening yet.
            }

            if (Process.HasExited || Environment.TickCount64 > until) throw new CannotRunException($"EmailApi did not start:\n{Process.LogTail()}");
            await Task.Delay(50, cancel);
        }
    }
}
