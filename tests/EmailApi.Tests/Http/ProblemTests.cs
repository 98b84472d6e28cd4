using System.Net.Http.Headers;
using System.Text.Json;
using EmailApi.Http;
using EmailApi.Tests.Support;
using Microsoft.AspNetCore.Diagnostics;
using Microsoft.AspNetCore.Http;

namespace EmailApi.Tests.Http;

public sealed class ProblemTests
{
    [Theory]
    [InlineData("/v1/events?after=zzz", "bad_cursor", "Give the next_cursor of an earlier answer, unchanged, or leave after out.")]
    [InlineData("/v1/events?after=%F0%9F%98%80", "bad_cursor", "Give the next_cursor of an earlier answer, unchanged, or leave after out.")]
    [InlineData("/v1/events?limit=ten", "bad_request", "limit is a whole number; ten is not.")]
    [InlineData("/v1/captured?wait=61", "bad_request", "wait is 0 to 60 seconds; 61 is not.")]
    public async Task A_wrong_query_is_400_and_says_what_is_wrong(string path, string code, string detail)
    {
        await using var app = await TestApp.StartWithoutRelayAsync();

        using var answer = await app.Http.GetAsync(path, TestContext.Current.CancellationToken);

        Assert.Equal(400, (int)answer.StatusCode);
        var problem = JsonDocument.Parse(await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken)).RootElement;
        Assert.Equal((code, detail), (problem.GetProperty("code").GetString(), problem.GetProperty("detail").GetString()));
    }

    [Fact]
    public async Task A_property_that_stands_twice_is_400_without_names_of_types()
    {
        await using var app = await TestApp.StartWithoutRelayAsync();

        using var answer = await app.Http.PostAsync("/v1/emails", new StringContent("""{"from": "a@shop.example", "from": "b@shop.example"}""", new MediaTypeHeaderValue("application/json")), TestContext.Current.CancellationToken);

        Assert.Equal(400, (int)answer.StatusCode);
        Assert.DoesNotContain("EmailApi.", await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_client_that_vanished_ends_quietly()
    {
        foreach (var error in new Exception[] { new BadHttpRequestException("Unexpected end of request content."), new IOException("gone"), new OperationCanceledException() })
        {
            var http = new DefaultHttpContext { RequestAborted = new CancellationToken(canceled: error is not BadHttpRequestException) };   // without services, so a log line would throw
            http.Features.Set<IExceptionHandlerFeature>(new ExceptionHandlerFeature { Error = error });

            await ProblemWriter.HandleAsync(http);

            Assert.Equal(499, http.Response.StatusCode);
        }
    }
}
