using EmailApi.Data;
using EmailApi.Http;
using EmailApi.Projects;

namespace EmailApi.Limits;

/// <summary>How many mails may come in, and how many did.</summary>
public static class LimitsSetup
{
    public static void AddLimits(this WebApplicationBuilder builder)
    {
        builder.Services.AddSingleton<SendLimits>();
        builder.Services.AddHostedService(services => services.GetRequiredService<SendLimits>());
    }

    public static void MapLimits(this WebApplication app) =>
        app.MapRead("/v1/usage", GetUsage.HandleAsync).WithTags("Usage").Describe("getUsage", "What was sent, and what the limits leave", Scopes.Read, 400);

    /// <summary>An endpoint that takes mail: 429 by a limit, and what is left of each in the RateLimit headers of every answer.</summary>
    public static RouteHandlerBuilder Limited(this RouteHandlerBuilder endpoint) =>
        endpoint.WithMetadata(new LimitedMetadata()).AddEndpointFilter((context, next) =>
        {
            var http = context.HttpContext;
            http.Response.OnStarting(() =>
            {
                http.RequestServices.GetRequiredService<SendLimits>().Describe(Caller.Behind(http), http.Response.Headers);
                return Task.CompletedTask;
            });
            return next(context);
        });
}

/// <summary>Marks an endpoint whose answers have RateLimit headers.</summary>
public sealed record LimitedMetadata;
