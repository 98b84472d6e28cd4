using EmailApi.Capture;
using EmailApi.Data;
using EmailApi.Http;
using EmailApi.Projects;
using EmailApi.Relays;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.Options;

namespace EmailApi.Operations;

/// <summary>In Development says, once all is ready, where things are and how to send the first mail. The key is never written elsewhere.</summary>
sealed class Greeting(
    DatabaseGate gate, BootstrapKey bootstrap, CaptureRelay capture, RelayCatalog relays, IServer server, IOptions<AppOptions> options,
    IHostEnvironment environment, IHostApplicationLifetime lifetime) : BackgroundService
{
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await gate.WaitAsync(stoppingToken);
        var started = new TaskCompletionSource();
        await using var registration = lifetime.ApplicationStarted.Register(started.SetResult);
        await started.Task.WaitAsync(stoppingToken);

        var url = server.Features.Get<IServerAddressesFeature>()?.Addresses.FirstOrDefault() ?? "";
        if (environment.IsDevelopment() && options.Value.Accepts) await Console.Out.WriteLineAsync(Text(url));
        else if (bootstrap.Made is not null) await Console.Out.WriteLineAsync($"The first API key is in {Path.Combine(Path.GetFullPath(options.Value.DataDirectory), BootstrapKey.FileName)}.");
    }

    string Text(string url)
    {
        var key = bootstrap.Made ?? options.Value.Bootstrap.ApiKey ?? "YOUR_KEY";
        var relay = relays.Relays is [var first, ..] ? $"{first.Host}:{first.Port} ({first.Name})" : $"127.0.0.1:{capture.Port} (built in; mail shows in {url}/v1/captured)";
        return $$"""

            EmailApi is ready.

              API     {{url}}/swagger
              Relay   {{relay}}
              Key     {{key}}

            Send the first mail:

              curl {{url}}/v1/emails -H 'Authorization: Bearer {{key}}' --json '{"from": "Shop <orders@shop.example>", "to": "taro@example.jp", "subject": "Hello", "text": "It works."}'

            """;
    }
}
