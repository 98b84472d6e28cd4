using EmailApi.Data;
using EmailApi.Http;
using EmailApi.Http.Outbound;
using EmailApi.Projects;
using FluentValidation;

namespace EmailApi.Webhooks;

/// <summary>Events told to who wants to know.</summary>
public static class WebhooksSetup
{
    public static void AddWebhooks(this WebApplicationBuilder builder, AppOptions settings)
    {
        builder.Services.AddSingleton<IValidator<WebhookRequest>, WebhookValidator>();
        builder.Services.AddSingleton<IValidator<ReplayRequest>, ReplayValidator>();
        builder.Services.AddSingleton<GuardedClient>();
        builder.Services.AddSingleton<WebhookSecrets>();
        builder.Services.AddSingleton<WebhookCaller>();
        builder.Services.AddSingleton<WebhookMetrics>();
        builder.Services.AddSingleton<WebhookFanOut>();
        builder.Services.AddSingleton<WebhookQueue>();
        builder.Services.AddSingleton<WebhooksUnderWay>();
        builder.Services.AddSingleton<WebhookRuns>();
        builder.Services.AddScoped<WebhookRun>();
        // Stopped in the reverse order: no more calls, then the last ones are recorded.
        builder.Services.AddSingleton<WebhookRecorder>();
        if (!settings.Delivers) return;
        builder.Services.AddHostedService(services => services.GetRequiredService<WebhookRecorder>());
        builder.Services.AddHostedService<KeepWebhooksRunning>();
    }

    public static void MapWebhooks(this WebApplication app)
    {
        var webhooks = app.MapGroup("/v1/webhooks").WithTags("Webhooks");
        webhooks.MapPost("", ManageWebhooks.CreateAsync).Describe("createWebhook", "Make a webhook", Scopes.Manage, 400, 413, 415, 422)
            .Accepts<WebhookRequest>("application/json").Produces<WebhookResponse>(201);
        webhooks.MapRead("", ManageWebhooks.ListAsync).Describe("listWebhooks", "The project's webhooks", Scopes.Read, 400);
        webhooks.MapRead("{id}", ManageWebhooks.GetAsync).Describe("getWebhook", "One webhook", Scopes.Read, 404);
        webhooks.MapPatch("{id}", ManageWebhooks.ChangeAsync).Describe("changeWebhook", "Change a webhook, or switch it off or on", Scopes.Manage, 400, 404, 413, 415, 422)
            .Accepts<WebhookRequest>("application/json");
        webhooks.MapDelete("{id}", ManageWebhooks.DeleteAsync).Describe("deleteWebhook", "Remove a webhook", Scopes.Manage, 404).Produces(204);
        webhooks.MapPost("{id}/rotate-secret", ManageWebhooks.RotateAsync).Describe("rotateWebhookSecret", "Give a webhook another secret", Scopes.Manage, 404);
        webhooks.MapPost("{id}/test", TestWebhook.HandleAsync).Describe("testWebhook", "Call a webhook now", Scopes.Manage, 404);
        webhooks.MapRead("{id}/deliveries", ListDeliveries.HandleAsync).Describe("listWebhookDeliveries", "The calls that were made to a webhook, newest first", Scopes.Read, 400, 404);
        webhooks.MapPost("{id}/replay", ReplayWebhook.HandleAsync).Describe("replayWebhook", "Tell a webhook again", Scopes.Manage, 400, 404, 409, 413, 415, 422)
            .Accepts<ReplayRequest>("application/json").Produces<ReplayResponse>(202);
    }
}
