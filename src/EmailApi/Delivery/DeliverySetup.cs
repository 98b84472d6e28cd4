using EmailApi.Delivery.Journal;
using EmailApi.Http;
using EmailApi.Relays;

namespace EmailApi.Delivery;

/// <summary>claimed → relayed → recorded.</summary>
public static class DeliverySetup
{
    public static void AddDelivery(this WebApplicationBuilder builder, AppOptions settings)
    {
        builder.Services.AddSingleton<DeliverySignals>();
        builder.Services.AddSingleton<LaneRuns>();
        builder.Services.AddSingleton<DeliveryQueue>();
        builder.Services.AddSingleton<DeliveryMetrics>();
        builder.Services.AddSingleton<TakenJournal>();
        builder.Services.AddSingleton<EmailSender>();
        builder.Services.AddSingleton<OutcomeRecorder>();
        builder.Services.AddSingleton<JobServers>();
        builder.Services.AddSingleton<SweepQueue>();
        builder.Services.AddScoped<DeliveryRun>();
        // Stopped in the reverse order: no more claims, then the last results are recorded.
        AddWorker<OutcomeRecorder>();
        AddWorker<SweepQueue>();
        AddWorker<KeepLanesRunning>();
        AddWorker<WatchRelays>();
        builder.Services.AddHostedService<WakeNodes>();

        void AddWorker<T>() where T : class, IHostedService
        {
            builder.Services.AddSingleton<T>();
            if (settings.Delivers) builder.Services.AddHostedService(services => services.GetRequiredService<T>());
        }
    }
}
