using EmailApi.Admin;
using EmailApi.Tests.Support;
using Npgsql;

namespace EmailApi.Tests.Admin;

public sealed class AdminCommandTests : IDisposable
{
    readonly TemporaryFolder folder = new();

    static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData("help")]
    [InlineData("--help")]
    [InlineData("-h")]
    [InlineData("doctor", "--help")]
    public async Task Help_names_every_command(params string[] arguments)
    {
        var command = await AppCommand.RunAsync(folder.Path, arguments);

        Assert.Equal(0, command.ExitCode);
        foreach (var name in new[] { "migrate", "keys create", "doctor", "health", "restore status", "restore release", "restore hold" }) Assert.Contains($"EmailApi {name}", command.Output);
        Assert.Empty(command.Errors);
    }

    [Fact]
    public async Task Version_is_one_line()
    {
        var command = await AppCommand.RunAsync(folder.Path, "--version");

        Assert.Matches(@"^EmailApi \d+\.\d+\.\d+\n$", command.Output);
        Assert.Equal(0, command.ExitCode);
    }

    [Theory]
    [InlineData("There is no command \"frobnicate\"", "frobnicate")]
    [InlineData("There is no command \"keys delete\"", "keys", "delete", "--id=1")]
    [InlineData("There is no command \"restore\"", "restore", "--open=send")]
    [InlineData("migrate does not know --dry-run", "migrate", "--dry-run")]
    [InlineData("doctor does not know quick", "doctor", "quick")]
    [InlineData("--name needs a value", "keys", "create", "--name", "--scopes", "send")]
    [InlineData("--name: Give a name", "keys", "create", "--scopes", "send")]
    [InlineData("--scopes: A scope is one of send, read", "keys", "create", "--name=x", "--scopes=sned")]
    [InlineData("--expires: Give a time with its offset", "keys", "create", "--name=x", "--scopes=send", "--expires=tomorrow")]
    [InlineData("ConnectionStrings__EmailApi is not set", "migrate")]
    [InlineData("A setting is wrong: EmailApi__Rolle", "keys", "create", "--name=x", "--scopes=send", "--EmailApi:Rolle=api")]
    [InlineData("no database in", "keys", "create", "--name=x", "--scopes=send")]
    [InlineData("http://127.0.0.1:1/readyz does not answer", "health", "--urls=http://*:1")]
    public async Task What_cannot_be_done_ends_with_one_sentence(string sentence, params string[] arguments)
    {
        var command = await AppCommand.RunAsync(folder.Path, arguments);

        Assert.Equal(1, command.ExitCode);
        Assert.Contains(sentence, command.Errors);
        Assert.DoesNotContain('\n', command.Errors);
        Assert.Empty(command.Output);
    }

    [Theory]
    [InlineData()]
    [InlineData("--urls=http://127.0.0.1:0")]
    [InlineData("--environment", "Development")]
    [InlineData("/EmailApi:Role=api")]
    [InlineData("EmailApi:Role=api")]
    public void Settings_alone_are_no_command(params string[] arguments) => Assert.Null(AdminCommands.Find(arguments));

    [Theory]
    [InlineData("http://localhost:8080", "http://localhost:8080/")]
    [InlineData("http://0.0.0.0:8080", "http://127.0.0.1:8080/")]
    [InlineData("http://+:80", "http://127.0.0.1/")]
    [InlineData("https://*:8443;http://[::]:8080", "http://127.0.0.1:8080/")]
    [InlineData("http://[::1]:8080", "http://[::1]:8080/")]
    public void Health_asks_where_the_app_listens(string urls, string expected)
    {
        var configuration = new Microsoft.Extensions.Configuration.ConfigurationManager { ["urls"] = urls };

        Assert.Equal(expected, HealthCommand.AddressOf(configuration).ToString());
    }

    [Fact]
    public async Task Migrate_brings_an_empty_database_to_the_schema_and_does_nothing_the_second_time()
    {
        var database = await TestDatabase.CreateAsync(cancel: Cancel);

        var first = await AppCommand.RunAsync(folder.Path, "migrate", $"--ConnectionStrings:EmailApi={database}");
        var second = await AppCommand.RunAsync(folder.Path, new Dictionary<string, string> { ["ConnectionStrings__EmailApi"] = database }, "migrate");

        Assert.StartsWith("The schema is up to date; applied: ", first.Output);
        Assert.Equal("The schema was up to date; nothing had to be done.\n", second.Output);
        Assert.Equal((0, 0), (first.ExitCode, second.ExitCode));
        Assert.False(Directory.Exists(folder[".data"]));
        await TestDatabase.DropAsync(database, Cancel);
    }

    [Fact]
    public async Task A_key_that_was_created_is_taken_at_once_and_may_what_was_asked_for()
    {
        await using var app = await TestApp.StartAsync();

        var command = await CreateAsync(app, "--name", "shop", "--scopes", "send,read", "--mode", "test", "--expires", "2099-01-01T00:00:00Z", "--senders", "shop.example");

        Assert.Equal(0, command.ExitCode);
        Assert.Matches("^ek_test_[0-9a-z_]+\n$", command.Output);   // the key alone, for KEY=$(…)
        Assert.Contains("of project default may send, read", command.Errors);
        app.Http.DefaultRequestHeaders.Authorization = new("Bearer", command.Output.Trim());
        Assert.NotEmpty(await app.SendAsync());
        using var keys = await app.Http.GetAsync("/v1/keys", Cancel);
        Assert.Equal(System.Net.HttpStatusCode.Forbidden, keys.StatusCode);
    }

    [Theory]
    [InlineData("--project: there is no project shop; there are default.", "--project=shop")]
    [InlineData("--streams: project default has no stream bulk; it has transactional.", "--streams=bulk")]
    public async Task A_key_for_what_there_is_not_is_refused(string sentence, string argument)
    {
        await using var app = await TestApp.StartAsync();

        var command = await CreateAsync(app, "--name=x", "--scopes=send", argument);

        Assert.Equal((1, sentence), (command.ExitCode, command.Errors));
    }

    [Fact]
    public async Task A_key_for_a_database_without_tables_says_where_to_look()
    {
        var database = await TestDatabase.CreateAsync(cancel: Cancel);

        var command = await AppCommand.RunAsync(folder.Path, "keys", "create", "--name=x", "--scopes=send", $"--ConnectionStrings:EmailApi={database}");

        Assert.Equal(1, command.ExitCode);
        Assert.Contains("`EmailApi doctor` says what is wrong", command.Errors);
        await TestDatabase.DropAsync(database, Cancel);
    }

    [Fact]
    public async Task Health_says_what_the_app_says()
    {
        await using var app = await TestApp.StartAsync();
        var urls = $"--urls={app.Http.BaseAddress}";

        var ready = await AppCommand.RunAsync(folder.Path, "health", urls);
        await TestDatabase.RunAsync($"alter database {new NpgsqlConnectionStringBuilder(app.ConnectionString).Database} allow_connections false", Cancel);
        NpgsqlConnection.ClearAllPools();
        await TestDatabase.RunAsync($"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{new NpgsqlConnectionStringBuilder(app.ConnectionString).Database}'", Cancel);
        var away = await AppCommand.RunAsync(folder.Path, "health", urls);
        var live = await AppCommand.RunAsync(folder.Path, "health", "--live", urls);

        Assert.Equal((0, 1, 0), (ready.ExitCode, away.ExitCode, live.ExitCode));
        Assert.EndsWith("answers 503: The database is away.", away.Errors);
    }

    Task<AppCommand> CreateAsync(TestApp app, params string[] options) =>
        AppCommand.RunAsync(folder.Path, ["keys", "create", .. options, $"--ConnectionStrings:EmailApi={app.ConnectionString}"]);
}
