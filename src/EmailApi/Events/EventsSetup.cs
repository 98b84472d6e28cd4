using EmailApi.Http;
using EmailApi.Projects;

namespace EmailApi.Events;

/// <summary>What happened, told in order.</summary>
public static class EventsSetup
{
    public static void MapEvents(this WebApplication app) =>
        app.MapGet("/v1/events", EventFeed.HandleAsync).WithTags("Events")
            .Describe("listEvents", "Every event of the project once, from a cursor on", Scopes.Read, 400);
}
