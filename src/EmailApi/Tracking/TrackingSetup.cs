using EmailApi.Http;

namespace EmailApi.Tracking;

/// <summary>What readers of mail come to: pixel, links, unsubscribing. Their addresses are keys of their own; no other is asked for.</summary>
public static class TrackingSetup
{
    public static void AddTracking(this WebApplicationBuilder builder, AppOptions settings)
    {
        builder.Services.AddSingleton<TrackingTokens>();
        builder.Services.AddSingleton<PublicUrl>();
        builder.Services.AddSingleton<TrackedCopies>();
        builder.Services.AddSingleton<HitMetrics>();
        builder.Services.AddSingleton<HitWriter>();
        if (settings.Accepts) builder.Services.AddHostedService(services => services.GetRequiredService<HitWriter>());
    }

    /// <summary>Not in the contract: programs have no use for them, and read of them in docs/tracking.md.</summary>
    public static void MapTracking(this WebApplication app)
    {
        string[] reading = [HttpMethods.Get, HttpMethods.Head];
        var routes = app.MapGroup("/t").ExcludeFromDescription();
        routes.MapMethods("o/{token}.gif", reading, OpenPixel.HandleAsync);
        routes.MapMethods("c/{token}", reading, ClickRedirect.HandleAsync);
        routes.MapMethods("u/{token}", reading, Unsubscribe.ShowAsync);
        routes.MapPost("u/{token}", Unsubscribe.ActAsync);
    }

    internal static ProblemException Unknown() => new(ProblemKind.NotFound, "This address leads nowhere: it was changed on its way, or its mail is kept no longer.");
}
