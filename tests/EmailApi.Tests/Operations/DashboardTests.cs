using System.Net;
using System.Text;
using EmailApi.Tests.Support;

namespace EmailApi.Tests.Operations;

public sealed class DashboardTests(SharedApp shared) : IClassFixture<SharedApp>
{
    readonly TestApp app = shared.App;

    async Task<HttpResponseMessage> OpenAsync(string? key, string path = "/hangfire")
    {
        using var client = app.WithKey(null);
        if (key is not null) client.DefaultRequestHeaders.Authorization = new("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"anyone:{key}")));
        return await client.GetAsync(path);
    }

    [Theory]
    [InlineData("/hangfire")]
    [InlineData("/hangfire/jobs/enqueued")]
    [InlineData("/hangfire/recurring")]
    [InlineData("/hangfire/stats")]
    public async Task It_is_closed_without_a_key(string path)
    {
        using var answer = await OpenAsync(key: null, path);

        Assert.Equal(401, (await ProblemDocument.ReadAsync(answer)).Status);
        Assert.Equal("Basic", Assert.Single(answer.Headers.WwwAuthenticate).Scheme);
    }

    [Fact]
    public async Task It_is_closed_for_an_unknown_key()
    {
        using var answer = await OpenAsync("not a key");

        Assert.Equal(401, (await ProblemDocument.ReadAsync(answer)).Status);
    }

    [Fact]
    public async Task It_is_not_there_for_a_key_without_manage()
    {
        using var answer = await OpenAsync(await app.AddKeyAsync("no-manage", "send", "read"));

        Assert.Equal(404, (await ProblemDocument.ReadAsync(answer)).Status);
    }

    [Fact]
    public async Task It_opens_with_a_key_that_has_manage_and_shows_no_password()
    {
        using var answer = await OpenAsync(TestApp.Key);
        var page = await answer.Content.ReadAsStringAsync();

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Contains("Hangfire", page, StringComparison.Ordinal);
        Assert.DoesNotContain("Password", page, StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public async Task It_is_not_there_for_another_projects_key()
    {
        using var answer = await OpenAsync(await app.AddKeyAsync("tenant", "send", "read", "manage"));

        Assert.Equal(404, (await ProblemDocument.ReadAsync(answer)).Status);
    }

    [Fact]
    public async Task A_strangers_form_does_nothing_though_the_browser_sends_the_password_and_no_stranger_frames_it()
    {
        using var client = app.WithKey(null);
        client.DefaultRequestHeaders.Authorization = new("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"anyone:{TestApp.Key}")));
        using var form = new FormUrlEncodedContent([new("jobs[]", "housekeeping")]);

        using var posted = await client.PostAsync("/hangfire/recurring/remove", form);
        using var page = await client.GetAsync("/hangfire/recurring");

        Assert.Equal(HttpStatusCode.Forbidden, posted.StatusCode);
        Assert.Contains("housekeeping", await page.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.Equal("frame-ancestors 'none'", Assert.Single(page.Headers.GetValues("Content-Security-Policy")));
    }
}
