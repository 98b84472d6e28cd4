using EmailApi.Tests.Support;
using Npgsql;

namespace EmailApi.Tests.Admin;

/// <summary>A database is made ill in one way at a time, and doctor must say which.</summary>
public sealed class DoctorTests : IDisposable
{
    readonly TemporaryFolder folder = new();

    static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose() => folder.Dispose();

    [Fact]
    public async Task With_all_well_it_says_so_line_by_line_and_changes_nothing()
    {
        await using var app = await TestApp.StartAsync();

        var command = await DoctorAsync(app, Relay(app.Relay));

        Assert.All(command.Lines, line => Assert.StartsWith("ok ", line));
        Assert.Equal(0, command.ExitCode);
        foreach (var subject in new[] { "settings", "database", "clock", "connections", "migrations", "partitions", "key ring", "relay test TCP", "relay test banner", "relay test EHLO" })
            Assert.Single(command.Lines, line => line.StartsWith($"ok {subject}: ", StringComparison.Ordinal));
        Assert.False(Directory.Exists(folder[".data"]));
        Assert.Empty(app.Relay.Mails);
        Assert.DoesNotContain("Password", command.Output);
    }

    [Theory]
    [InlineData("alter database {0} set synchronous_commit = off", "WRONG synchronous_commit: ", "set it to on")]
    [InlineData("alter database {0} connection limit 30", "WRONG connections: 30 may be open", "raise max_connections")]
    public async Task What_the_server_gets_wrong_is_named_with_what_to_do(string statement, string wrong, string todo) =>
        await AssertWrongAsync(app => TestDatabase.RunAsync(string.Format(System.Globalization.CultureInfo.InvariantCulture, statement, new NpgsqlConnectionStringBuilder(app.ConnectionString).Database), Cancel), wrong, todo);

    [Fact]
    public async Task Missing_partitions_are_found() =>
        await AssertWrongAsync(app => app.ExecuteAsync("""
            do $$ begin execute (select 'drop table ' || string_agg(c.relname, ', ') from pg_class c join pg_inherits i on i.inhrelid = c.oid
                where i.inhparent = 'events'::regclass and c.relname > 'events_' || to_char(now(), 'YYYYMMDD')); end $$
            """), "WRONG partitions: ready for only 0 weeks", "start a node");

    [Fact]
    public async Task Another_master_key_is_found()
    {
        await using var app = await TestApp.StartAsync();

        var other = await DoctorAsync(app, "--quick", $"--EmailApi:MasterKey={Convert.ToBase64String(Enumerable.Repeat((byte)7, 32).ToArray())}");
        var none = await AppCommand.RunAsync(folder.Path, "doctor", "--quick", $"--ConnectionStrings:EmailApi={app.ConnectionString}");

        Assert.Single(other.Lines, line => line.StartsWith("WRONG key ring: the master key does not open it: do: ", StringComparison.Ordinal));
        Assert.Single(none.Lines, line => line.StartsWith("WRONG key ring: there is no EmailApi__MasterKey", StringComparison.Ordinal));
        Assert.False(File.Exists(Path.Combine(folder[".data"], "master.key")));   // looking must not make one
        Assert.Equal((1, 1), (other.ExitCode, none.ExitCode));
    }

    [Fact]
    public async Task Pending_migrations_are_named()
    {
        var database = await TestDatabase.CreateAsync(cancel: Cancel);

        var command = await AppCommand.RunAsync(folder.Path, "doctor", "--quick", $"--ConnectionStrings:EmailApi={database}");

        Assert.Matches(@"(?m)^WRONG migrations: pending: \d+_Initial.*: do: run `EmailApi migrate`$", command.Output);
        Assert.Equal(1, command.ExitCode);
        await TestDatabase.DropAsync(database, Cancel);
    }

    [Fact]
    public async Task Before_the_first_start_what_it_makes_is_not_missed()
    {
        var database = await TestDatabase.CreateAsync(await TestDatabase.TemplateAsync("migrated", TestApp.MigrateAsync), Cancel);

        var command = await AppCommand.RunAsync(folder.Path, "doctor", "--quick", $"--ConnectionStrings:EmailApi={database}");

        Assert.DoesNotContain("WRONG", command.Output);
        Assert.Equal(0, command.ExitCode);
        await TestDatabase.DropAsync(database, Cancel);
    }

    [Theory]
    [InlineData("Port=1", "WRONG database: does not answer (", "see whether PostgreSQL runs")]
    [InlineData("Password=wrong", "WRONG database: PostgreSQL refused (28P01)", "correct user and password")]
    [InlineData("Database=none", "WRONG database: PostgreSQL refused (3D000)", "create the database")]
    [InlineData("Host=", "WRONG database: ConnectionStrings__EmailApi", "")]
    public async Task A_database_that_cannot_be_used_is_told_from_one_that_refuses(string part, string wrong, string todo)
    {
        var database = await TestDatabase.CreateAsync(cancel: Cancel);

        var command = await AppCommand.RunAsync(folder.Path, "doctor", "--quick", $"--ConnectionStrings:EmailApi={database};{part}");

        Assert.Single(command.Lines, line => line.StartsWith(wrong, StringComparison.Ordinal) && line.Contains($": do: {todo}", StringComparison.Ordinal));
        Assert.Equal(1, command.ExitCode);
        await TestDatabase.DropAsync(database, Cancel);
    }

    [Fact]
    public async Task A_wrong_setting_is_the_first_thing_it_says()
    {
        var command = await AppCommand.RunAsync(folder.Path, "doctor", "--EmailApi:Role=boss");

        Assert.StartsWith("WRONG settings: A setting is wrong: EmailApi__Role: boss is not one of all, api, worker: do: ", command.Output);
        Assert.Equal((1, 1), (command.ExitCode, command.Lines.Length));
    }

    [Fact]
    public async Task A_relay_whose_certificate_is_trusted_is_well()
    {
        await using var app = await TestApp.StartAsync();
        (app.Relay.StartTls, app.Relay.Auth) = (true, true);
        await File.WriteAllTextAsync(folder["relay.pem"], FakeRelay.Certificate.ExportCertificatePem(), Cancel);
        string[] secured = [.. Relay(app.Relay), "--EmailApi:Relays:0:Host=localhost", "--EmailApi:Relays:0:Security=starttls", "--EmailApi:Relays:0:Username=u", "--EmailApi:Relays:0:Password=p"];

        var command = await AppCommand.RunAsync(folder.Path, new Dictionary<string, string> { ["SSL_CERT_FILE"] = folder["relay.pem"] }, [.. Arguments(app), .. secured]);

        Assert.DoesNotContain("WRONG", command.Output);
        Assert.Contains("ok relay test DNS: localhost is ", command.Output);
        Assert.Matches(@"(?m)^ok relay test TLS: Tls1\d, the certificate is valid until \d{4}-\d\d-\d\d$", command.Output);
        Assert.Matches("(?m)^ok relay test AUTH: AUTH .* is offered$", command.Output);
        Assert.DoesNotContain(app.Relay.Commands, c => c.Line.StartsWith("AUTH", StringComparison.Ordinal));
    }

    async Task AssertWrongAsync(Func<TestApp, Task> harm, string wrong, string todo)
    {
        await using var app = await TestApp.StartAsync();
        await harm(app);

        var command = await DoctorAsync(app, "--quick");

        Assert.Single(command.Lines, line => line.StartsWith("WRONG ", StringComparison.Ordinal));
        Assert.Single(command.Lines, line => line.StartsWith(wrong, StringComparison.Ordinal) && line.Contains($": do: {todo}", StringComparison.Ordinal));
        Assert.Equal(1, command.ExitCode);
    }

    Task<AppCommand> DoctorAsync(TestApp app, params string[] more) => AppCommand.RunAsync(folder.Path, [.. Arguments(app), .. more]);

    static string[] Arguments(TestApp app) => ["doctor", $"--ConnectionStrings:EmailApi={app.ConnectionString}", $"--EmailApi:MasterKey={TestApp.MasterKey}"];

    static string[] Relay(FakeRelay relay) =>
        ["--EmailApi:Relays:0:Name=test", "--EmailApi:Relays:0:Host=127.0.0.1", $"--EmailApi:Relays:0:Port={relay.Port}", "--EmailApi:Relays:0:Security=none"];
}
