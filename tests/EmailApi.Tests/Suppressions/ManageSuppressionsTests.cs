using System.Net;
using System.Text.Json.Nodes;
using EmailApi.Operations;
using EmailApi.Tests.Support;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace EmailApi.Tests.Suppressions;

/// <summary>The API of suppressions.</summary>
public sealed class ManageSuppressionsTests(SharedApp shared) : IClassFixture<SharedApp>, IAsyncLifetime
{
    TestApp app = null!;

    public async ValueTask InitializeAsync() => app = await shared.BeginAsync();

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    [Fact]
    public async Task What_is_added_again_takes_the_place_of_what_was_said_before()
    {
        using var first = await app.PostAsync(new JsonObject { ["email"] = "Taro@Example.jp" }, "/v1/suppressions");
        using var same = await app.PostAsync(new JsonObject { ["email"] = "taro@example.jp" }, "/v1/suppressions");
        var changed = await app.SuppressAsync("taro@example.jp", "complaint", until: DateTimeOffset.UtcNow.AddDays(2));
        var ofStream = await app.SuppressAsync("taro@example.jp", stream: "news");

        Assert.Equal((HttpStatusCode.Created, HttpStatusCode.OK), (first.StatusCode, same.StatusCode));
        Assert.Equal("/v1/suppressions/taro%40example.jp", first.Headers.Location?.OriginalString);
        var made = await first.JsonAsync();
        Assert.Equal(("taro@example.jp", "manual", "manual", "", "", ""), (made.Text("email"), made.Text("reason"), made.Text("source"), made.Text("stream"), made.Text("expires_at"), made.Text("email_id")));
        Assert.Equal(made.GetRawText(), (await same.JsonAsync()).GetRawText());
        Assert.Equal("complaint", changed.Text("reason"));
        Assert.NotEqual("", changed.Text("expires_at"));
        Assert.Equal("news", ofStream.Text("stream"));
        Assert.Equal(["", "news"], (await app.Http.ListAsync("/v1/suppressions/TARO@example.jp")).Select(s => s.Text("stream")));
    }

    [Fact]
    public async Task The_list_pages_and_filters()
    {
        for (var i = 0; i < 5; i++) await app.SuppressAsync($"r{i}@example.jp", i % 2 == 0 ? "complaint" : null);
        await app.SuppressAsync("r0@example.jp", stream: "news");
        await app.Http.ImportAsync("imported@example.jp");

        var first = await app.GetAsync("/v1/suppressions?limit=4");
        var rest = await app.GetAsync($"/v1/suppressions?limit=4&after={first.Text("next_cursor")}");

        Assert.Equal(["imported@example.jp", "r0@example.jp", "r4@example.jp", "r3@example.jp"], first.GetProperty("data").EnumerateArray().Select(s => s.Text("email")));
        Assert.Equal(["r2@example.jp", "r1@example.jp", "r0@example.jp"], rest.GetProperty("data").EnumerateArray().Select(s => s.Text("email")));
        Assert.Equal("", rest.Text("next_cursor"));
        Assert.Equal(3, (await app.Http.ListAsync("/v1/suppressions?reason=complaint")).Length);
        Assert.Equal(2, (await app.Http.ListAsync("/v1/suppressions?address=R0@EXAMPLE.jp")).Length);
        Assert.Equal("r0@example.jp", Assert.Single(await app.Http.ListAsync("/v1/suppressions?stream=news")).Text("email"));
        Assert.Equal("imported@example.jp", Assert.Single(await app.Http.ListAsync("/v1/suppressions?source=import")).Text("email"));
    }

    [Theory]
    [InlineData("?reason=hunger", 400)]
    [InlineData("?source=hunger", 400)]
    [InlineData("?address=nobody", 400)]
    [InlineData("?stream=NO%20NAME", 400)]
    [InlineData("?adress=taro@example.jp", 400)]
    [InlineData("?after=x", 400)]
    [InlineData("?limit=0", 400)]
    [InlineData("/nobody", 404)]
    [InlineData("/taro@example.jp", 404)]
    [InlineData("/export?format=xml", 400)]
    public async Task What_cannot_be_read_is_said(string path, int status)
    {
        using var answer = await app.Http.GetAsync($"/v1/suppressions{path}");

        Assert.Equal(status, (await ProblemDocument.ReadAsync(answer)).Status);
    }

    [Fact]
    public async Task All_faults_of_a_new_one_are_told_at_once()
    {
        using var answer = await app.PostAsync(new JsonObject { ["email"] = "Taro <taro@example.jp>", ["reason"] = "hunger", ["stream"] = "nothing", ["expires_at"] = "2020-01-01T00:00:00Z" }, "/v1/suppressions");
        using var unknown = await app.PostAsync(new JsonObject { ["email"] = "taro@example.jp", ["source"] = "bounce" }, "/v1/suppressions");
        using var missing = await app.PostAsync(new JsonObject(), "/v1/suppressions");

        var problem = await ProblemDocument.ReadAsync(answer);
        Assert.Equal(422, problem.Status);
        Assert.Equal(["#/email", "#/reason", "#/stream", "#/expires_at"], problem.Errors.Select(e => e.Pointer));
        Assert.Equal("#/source", Assert.Single((await ProblemDocument.ReadAsync(unknown)).Errors).Pointer);
        Assert.Equal("#/email", Assert.Single((await ProblemDocument.ReadAsync(missing)).Errors).Pointer);
        Assert.Empty(await app.Http.ListAsync("/v1/suppressions"));
    }

    [Theory]
    [InlineData("taro@example.jp")]
    [InlineData("taro+shop@example.jp")]
    [InlineData("a/b@example.jp")]
    [InlineData("a%b?c#d@example.jp")]
    [InlineData("\"a b\"@example.jp")]
    [InlineData("taro@例え.jp")]
    public async Task An_address_is_found_and_lifted_by_its_path(string address)
    {
        await app.SuppressAsync(address);

        var found = Assert.Single(await app.Http.ListAsync(Suppressing.Path(address)));
        using var lifted = await app.Http.DeleteAsync(Suppressing.Path(address));
        using var again = await app.Http.DeleteAsync(Suppressing.Path(address));

        Assert.Equal(address, found.Text("email"));
        Assert.Equal((204, 404), ((int)lifted.StatusCode, (int)again.StatusCode));
    }

    [Fact]
    public async Task Lifting_that_of_the_project_leaves_that_of_a_stream_and_says_so()
    {
        await app.SuppressAsync("taro@example.jp");
        await app.SuppressAsync("taro@example.jp", "unsubscribe", "news");

        using var whole = await app.Http.DeleteAsync(Suppressing.Path("taro@example.jp"));
        using var more = await app.Http.DeleteAsync(Suppressing.Path("taro@example.jp"));
        var left = Assert.Single(await app.Http.ListAsync(Suppressing.Path("taro@example.jp")));
        using var ofStream = await app.Http.DeleteAsync($"{Suppressing.Path("taro@example.jp")}?stream=news");

        Assert.Equal((204, 404, 204), ((int)whole.StatusCode, (int)more.StatusCode, (int)ofStream.StatusCode));
        Assert.Contains("news", (await ProblemDocument.ReadAsync(more)).Detail, StringComparison.Ordinal);
        Assert.Equal("unsubscribe", left.Text("reason"));
    }

    [Fact]
    public async Task Reading_needs_read_and_changing_manage()
    {
        using var reader = app.WithKey(await app.AddKeyAsync("default", "read"));
        using var sender = app.WithKey(await app.AddKeyAsync("default", "send"));

        using var read = await reader.GetAsync("/v1/suppressions");
        using var export = await reader.GetAsync("/v1/suppressions/export");
        using var unread = await sender.GetAsync("/v1/suppressions");
        using var unexported = await sender.GetAsync("/v1/suppressions/export");
        using var add = await reader.PostTextAsync("/v1/suppressions", """{"email": "taro@example.jp"}""");
        using var delete = await reader.DeleteAsync(Suppressing.Path("taro@example.jp"));
        var import = await reader.ImportAsync("taro@example.jp");

        Assert.Equal((200, 200, 403, 403), ((int)read.StatusCode, (int)export.StatusCode, (int)unread.StatusCode, (int)unexported.StatusCode));
        Assert.Equal((403, 403, 403), ((int)add.StatusCode, (int)delete.StatusCode, (int)import.Status));
        Assert.Contains("manage", (await ProblemDocument.ReadAsync(add)).Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task One_that_is_over_counts_no_more_and_is_swept()
    {
        await app.SuppressAsync("taro@example.jp", until: DateTimeOffset.UtcNow.AddDays(1));
        await app.SuppressAsync("hanako@example.jp");
        await app.ExecuteAsync("update suppressions set expires_at = now() - interval '1 second' where address = 'taro@example.jp'");

        var accepted = await app.AcceptAsync(TestApp.Mail());
        var listed = await app.Http.ListAsync("/v1/suppressions");
        var exported = await app.Http.GetStringAsync("/v1/suppressions/export?format=ndjson");
        var again = await app.PostAsync(new JsonObject { ["email"] = "taro@example.jp" }, "/v1/suppressions");
        await app.ExecuteAsync("update suppressions set expires_at = now() - interval '1 second' where address = 'taro@example.jp'");
        await using var scope = app.Services.CreateAsyncScope();
        await scope.ServiceProvider.GetRequiredService<HousekeepingJob>().RunAsync(TestContext.Current.CancellationToken);

        Assert.Equal("queued", accepted.Text("status"));
        Assert.Equal("hanako@example.jp", Assert.Single(listed).Text("email"));
        Assert.DoesNotContain("taro", exported, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.Created, again.StatusCode);
        Assert.Equal(["hanako@example.jp"], await app.QueryAsync(db => db.Suppressions.Select(s => s.Address).ToListAsync()));
    }
}
