using System.Net;
using System.Text.Json.Nodes;
using EmailApi.Tests.Support;
using Microsoft.EntityFrameworkCore;

namespace EmailApi.Tests.Tracking;

/// <summary>Readers go where the mail led them while the database is away, and what they did is told when it is back.</summary>
public sealed class DatabaseAwayTests
{
    [Fact]
    public async Task Pixel_and_links_answer_all_the_same_and_unsubscribing_asks_to_come_again()
    {
        var database = await TestDatabase.CreateAsync(await TestDatabase.TemplateAsync("migrated", TestApp.MigrateAsync), TestContext.Current.CancellationToken);
        await using var proxy = DatabaseProxy.Start(database);
        await using (var app = await TestApp.StartAsync($"--ConnectionStrings:EmailApi={proxy.ConnectionString}", $"--EmailApi:PublicUrl={TrackingApp.Url}"))
        {
            var id = await app.SendAsync(more: new() { ["html"] = TrackingApp.Html, ["track"] = new JsonObject { ["opens"] = true, ["clicks"] = true }, ["unsubscribe"] = "stream" });
            var copy = new Copy(Assert.Single(await app.RelayedAsync(id)));
            using var reader = new HttpClient(new HttpClientHandler { AllowAutoRedirect = false }) { BaseAddress = app.Http.BaseAddress };

            await proxy.StopAsync();
            Assert.Equal(HttpStatusCode.OK, await VisitAsync(copy.Pixel));
            Assert.Equal(HttpStatusCode.Found, await VisitAsync(copy.Links[0]));
            Assert.Equal(HttpStatusCode.NotFound, await VisitAsync(copy.Links[0] + "A"));
            Assert.Equal(HttpStatusCode.ServiceUnavailable, await VisitAsync(copy.Unsubscribe, HttpMethod.Post));
            proxy.Restart();

            await Eventually.IsAsync(async () => await VisitAsync(copy.Unsubscribe, HttpMethod.Post) is HttpStatusCode.OK, TimeSpan.FromSeconds(20));
            await app.UntilAsync(db => db.Events.AnyAsync(e => e.Type == "email.opened"));
            await app.UntilAsync(db => db.Events.AnyAsync(e => e.Type == "email.clicked"));

            async Task<HttpStatusCode> VisitAsync(string url, HttpMethod? method = null)
            {
                using var request = new HttpRequestMessage(method ?? HttpMethod.Get, url.Replace(TrackingApp.Url, "", StringComparison.Ordinal));
                using var answer = await reader.SendAsync(request);
                return answer.StatusCode;
            }
        }

        await TestDatabase.DropAsync(database);
    }
}
