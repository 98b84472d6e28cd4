using EmailApi.Http;
using Microsoft.Extensions.Options;

namespace EmailApi.Delivery;

/// <summary>claimed → relayed → recorded.</summary>
public static class DeliverySetup
{
    public static void AddDelivery(this WebApplicationBuilder builder)
    {
        builder.Services.AddSingleton<DeliverySignals>();
        builder.Services.AddSingleton<LaneRuns>();
        builder.Services.AddSingleton<DeliveryQueue>();
        builder.Services.AddSingleton<DeliveryMetrics>();
        builder.Services.AddSingleton<EmailSender>();
        builder.Services.AddSingleton<OutcomeRecorder>();
        builder.Services.AddSingleton<JobServers>();
        builder.Services.AddSingleton<SweepQueue>();
        builder.Services.AddScoped<DeliveryRun>();
        // Stopped in the reverse order: no more claims, then the last results are recorded.
        AddWorker<OutcomeRecorder>();
        AddWorker<SweepQueue>();
        AddWorker<KeepLanesRunning>();
        builder.Services.AddHostedService<WakeNodes>();

        void AddWorker<T>() where T : class, IHostedService
        {
            builder.Services.AddSingleton<T>();
            builder.Services.AddSingleton<IHostedService>(services =>
                services.GetRequiredService<IOptions<AppOptions>>().Value.Delivers ? services.GetRequiredService<T>() : new NoService());
        }
    }

    sealed class NoService : IHostedService
    {
        public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
