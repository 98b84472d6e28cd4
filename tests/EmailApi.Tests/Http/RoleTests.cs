using System.Net;
using EmailApi.Emails;
using EmailApi.Tests.Support;
using Microsoft.EntityFrameworkCore;

namespace EmailApi.Tests.Http;

public sealed class RoleTests
{
    [Fact]
    public async Task An_api_node_accepts_and_a_worker_delivers()
    {
        await using var api = await TestApp.StartAsync("--EmailApi:Role=api");
        var id = await api.SendAsync(more: new() { ["sensitive"] = true });
        var connectionsOfApi = api.Relay.Connections.Count;

        await using var worker = await api.StartNodeAsync("--EmailApi:Role=worker");
        await api.WaitForAsync(id, RecipientState.Sent);

        Assert.Equal(0, connectionsOfApi);
        Assert.Equal(HttpStatusCode.OK, (await api.Http.GetAsync("/readyz")).StatusCode);
    }

    [Fact]
    public async Task A_worker_answers_only_health_and_metrics()
    {
        await using var worker = await TestApp.StartAsync("--EmailApi:Role=worker");

        foreach (var path in new[] { "/livez", "/readyz", "/metrics" })
        {
            using var answer = await worker.Http.GetAsync(path);
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        }

        foreach (var path in new[] { "/v1/emails/em_x", "/v1/events", "/v1/ledger", "/v1/captured", "/hangfire", "/swagger/index.html", "/openapi/v1.json", "/" })
        {
            using var answer = await worker.Http.GetAsync(path);
            Assert.Equal(404, (await ProblemDocument.ReadAsync(answer)).Status);
        }

        using var post = await worker.PostAsync(TestApp.Mail());
        Assert.Equal(404, (await ProblemDocument.ReadAsync(post)).Status);
        Assert.False(await worker.QueryAsync(db => db.Emails.AnyAsync()));
    }
}
