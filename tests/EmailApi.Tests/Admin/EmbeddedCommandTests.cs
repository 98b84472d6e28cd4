using EmailApi.Tests.Support;

namespace EmailApi.Tests.Admin;

/// <summary>With the embedded database: beside the app that holds it, and without.</summary>
public sealed class EmbeddedCommandTests : IDisposable
{
    static readonly string[] CreateKey = ["keys", "create", "--name=cli", "--scopes=send"];

    readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public async Task Keys_and_doctor_work_while_the_app_runs_and_after_it_ended()
    {
        using (var app = await AppProcess.Start(folder.Path, ["--environment=Development"]).ReadyAsync())
        {
            var doctor = await AppCommand.RunAsync(folder.Path, "doctor", "--environment=Development");
            var beside = await AppCommand.RunAsync(folder.Path, CreateKey);

            Assert.DoesNotContain("WRONG", doctor.Output);
            Assert.Contains("ok database: embedded, in use by EmailApi, 127.0.0.1:", doctor.Output);
            Assert.Equal((0, 0), (doctor.ExitCode, beside.ExitCode));
            app.Http.DefaultRequestHeaders.Authorization = new("Bearer", beside.Output.Trim());
            using var body = new StringContent(TestApp.Mail().ToJsonString(), System.Text.Encoding.UTF8, "application/json");
            using var answer = await app.Http.PostAsync("/v1/emails", body);
            Assert.Equal(System.Net.HttpStatusCode.Accepted, answer.StatusCode);
            Assert.Equal(0, await app.EndAsync());
        }

        var alone = await AppCommand.RunAsync(folder.Path, "doctor", "--quick");
        Assert.Contains("ok database: embedded, started for this command, 127.0.0.1:", alone.Output);
        Assert.Equal(0, alone.ExitCode);
        Assert.Equal(0, (await AppCommand.RunAsync(folder.Path, CreateKey)).ExitCode);
        Assert.False(File.Exists(Path.Combine(folder.Path, ".data", "postgres", "cluster", "postmaster.pid")));
    }

    [Fact]
    public async Task Where_no_database_is_none_is_made()
    {
        var command = await AppCommand.RunAsync(folder.Path, CreateKey);

        Assert.Equal(1, command.ExitCode);
        Assert.Contains("start EmailApi there once", command.Errors);
        Assert.False(Directory.Exists(folder[".data"]));
    }
}
