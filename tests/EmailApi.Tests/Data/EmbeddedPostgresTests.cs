using System.Diagnostics;
using System.Runtime.Versioning;
using EmailApi.Data;
using EmailApi.Data.Embedded;
using EmailApi.Tests.Support;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace EmailApi.Tests.Data;

/// <summary>Real servers, real processes, a folder for each test.</summary>
[UnsupportedOSPlatform("windows")]
public sealed class EmbeddedPostgresTests(EmbeddedPostgresTests.MadeOnce made) : IClassFixture<EmbeddedPostgresTests.MadeOnce>, IDisposable
{
    readonly TemporaryFolder folder = new();

    static CancellationToken Cancel => TestContext.Current.CancellationToken;
    string DataDirectory => folder["data"];
    EmbeddedPostgresOptions Options => new() { StateDirectory = folder["state"] };

    public void Dispose() => folder.Dispose();

    [Fact]
    public async Task The_second_start_finds_what_the_first_has_stored()
    {
        await using (var first = await StartAsync()) await ScalarAsync(first, "create table kept as select 'ü' as word");

        await using var second = await StartAsync();

        Assert.Equal("ü", await ScalarAsync(second, "select word from kept"));
    }

    [Fact]
    public async Task The_cluster_is_durable_private_and_on_loopback_only()
    {
        await using var postgres = await StartAsync();

        Assert.Matches(@"^Host=127\.0\.0\.1;Port=\d+;Username=emailapi;Password=[0-9a-f]{48};Database=emailapi$", postgres.ConnectionString);
        Assert.Equal("on", await ScalarAsync(postgres, "show fsync"));
        Assert.Equal("on", await ScalarAsync(postgres, "show data_checksums"));
        Assert.Equal("UTF8", await ScalarAsync(postgres, "show server_encoding"));
        Assert.Equal("UTC", await ScalarAsync(postgres, "show timezone"));
        Assert.Equal("scram-sha-256", await ScalarAsync(postgres, "select string_agg(distinct auth_method, ' ') from pg_hba_file_rules"));
        Assert.Equal("127.0.0.1|", await ScalarAsync(postgres, "select current_setting('listen_addresses') || '|' || current_setting('unix_socket_directories')"));
        Assert.Equal("A-Z-a-z-Ä", await ScalarAsync(postgres, "select string_agg(c, '-' order by c) from unnest(array['z', 'Ä', 'a', 'Z', 'A']) c"));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path.Combine(DataDirectory, "postgres.json")));
        var wrong = new NpgsqlConnectionStringBuilder(postgres.ConnectionString) { Password = "wrong", Pooling = false };
        await using var connection = new NpgsqlConnection(wrong.ConnectionString);
        Assert.Equal("28P01", (await Assert.ThrowsAsync<PostgresException>(() => connection.OpenAsync(Cancel))).SqlState);
    }

    [Fact]
    public async Task A_second_copy_in_the_same_data_directory_is_refused_with_a_sentence()
    {
        await using var first = await StartAsync();

        var refused = await Assert.ThrowsAsync<StartRefusedException>(StartAsync);

        Assert.StartsWith($"Another EmailApi (process {Environment.ProcessId}) uses the data directory {DataDirectory}:", refused.Message);
        Assert.Equal(1, await ScalarAsync(first, "select 1"));
    }

    [Fact]
    public async Task A_lock_file_without_its_process_is_no_obstacle()
    {
        await using (var first = await StartAsync()) { }
        await File.WriteAllTextAsync(Path.Combine(DataDirectory, "emailapi.lock"), "1\n", Cancel);

        await using var postgres = await StartAsync();

        Assert.Equal(1, await ScalarAsync(postgres, "select 1"));
    }

    [Fact]
    public async Task The_server_ends_when_the_app_is_killed_and_keeps_what_was_committed()
    {
        using var app = DatabaseHolder.Start(folder);
        var (server, connectionString) = await app.ReadyAsync();
        await ScalarAsync(connectionString, "create table kept as select 1 as n");

        app.Kill();

        await EventuallyAsync(() => !IsAlive(server));
        await using var next = await StartAsync();
        Assert.Equal(1, await ScalarAsync(next, "select n from kept"));
    }

    [Fact]
    public async Task An_app_started_the_moment_after_a_kill_is_not_stopped_by_the_last_ones_end()
    {
        using var app = DatabaseHolder.Start(folder);
        await app.ReadyAsync();

        app.Kill();
        await using var next = await StartAsync();

        var server = next.ServerProcessId;
        await Task.Delay(1000, Cancel);
        Assert.Equal(1, await ScalarAsync(next, "select 1"));
        Assert.Equal(server, next.ServerProcessId);
    }

    [Fact]
    public async Task A_server_left_by_an_earlier_run_is_stopped_and_its_data_kept()
    {
        var first = await StartAsync();
        await ScalarAsync(first, "create table kept as select 1 as n");
        await first.AbandonForTestAsync();
        Assert.True(IsAlive(first.ServerProcessId));

        await using var next = await StartAsync();

        Assert.NotEqual(first.ServerProcessId, next.ServerProcessId);
        Assert.Equal(1, await ScalarAsync(next, "select n from kept"));
    }

    [Fact]
    public async Task A_server_that_was_killed_while_the_app_was_down_recovers()
    {
        var first = await StartAsync();
        await ScalarAsync(first, "create table kept as select 1 as n");
        await first.AbandonForTestAsync();
        KillServer(first);

        await using var next = await StartAsync();

        Assert.Equal(1, await ScalarAsync(next, "select n from kept"));
    }

    [Fact]
    public async Task A_server_that_dies_under_the_app_is_started_again_on_the_same_port()
    {
        await using var postgres = await StartAsync();
        await ScalarAsync(postgres, "create table kept as select 1 as n");
        var killed = postgres.ServerProcessId;

        KillServer(postgres);

        await EventuallyAsync(() => postgres.ServerProcessId != killed);
        Assert.Equal(1, await ScalarAsync(postgres, "select n from kept"));
    }

    [Fact]
    public async Task Another_program_with_the_servers_old_process_id_is_left_alone()
    {
        await using (var first = await StartAsync()) { }
        using var other = Process.Start("sleep", "600");
        await File.WriteAllTextAsync(Path.Combine(DataDirectory, "postgres", "cluster", "postmaster.pid"), $"{other.Id}\n", Cancel);

        await using (var next = await StartAsync()) Assert.Equal(1, await ScalarAsync(next, "select 1"));

        Assert.False(other.HasExited);
        other.Kill();
    }

    [Fact]
    public async Task A_creation_that_was_killed_half_way_is_begun_anew()
    {
        using (var app = DatabaseHolder.Start(folder))
        {
            var home = Path.Combine(DataDirectory, "postgres");
            await EventuallyAsync(() => Directory.Exists(home) && Directory.GetFiles(home, "PG_VERSION", SearchOption.AllDirectories).Length > 0);
            app.Kill();
            Assert.False(Directory.Exists(Path.Combine(home, "cluster")));
            // The killed app's initdb goes on; as long as it writes, its folder comes back however often it is removed.
            await EventuallyAsync(() => !Process.GetProcessesByName("initdb").Any(p => CommandOf(p.Id).Contains(home, StringComparison.Ordinal)));
        }

        await using var postgres = await StartAsync();

        Assert.Equal(1, await ScalarAsync(postgres, "select 1"));
        Assert.Empty(Directory.GetDirectories(postgres.Home, "new-*"));
    }

    [Fact]
    public async Task Ctrl_C_in_the_terminal_does_not_reach_the_server()
    {
        await using var postgres = await StartAsync();

        var session = (await File.ReadAllTextAsync($"/proc/{postgres.ServerProcessId}/stat", Cancel)).Split(") ")[1].Split(' ')[3];
        var ours = (await File.ReadAllTextAsync("/proc/self/stat", Cancel)).Split(") ")[1].Split(' ')[3];

        Assert.NotEqual(ours, session);
    }

    [Fact]
    public async Task Binaries_that_are_not_there_are_refused_with_a_sentence_that_names_the_setting()
    {
        var refused = await Assert.ThrowsAsync<StartRefusedException>(() => StartAsync(Options with { Binaries = folder.Path }));

        Assert.StartsWith($"EmailApi__Postgres__Binaries names {folder.Path}, where no", refused.Message);
    }

    [Fact]
    public async Task A_cluster_of_a_version_that_is_not_on_the_machine_is_refused_with_a_sentence()
    {
        await using (var first = await StartAsync()) { }
        await File.WriteAllTextAsync(Path.Combine(DataDirectory, "postgres", "cluster", "PG_VERSION"), "11\n", Cancel);

        var refused = await Assert.ThrowsAsync<StartRefusedException>(StartAsync);

        Assert.Contains("was made by PostgreSQL 11, which is not on this machine", refused.Message);
    }

    [Fact]
    public async Task A_failed_start_says_why_and_logs_what_the_server_said()
    {
        var log = new ErrorLog();

        var refused = await Assert.ThrowsAsync<StartRefusedException>(() => EmbeddedPostgres.StartAsync(DataDirectory, log, Cancel,
            Options with { ServerSettings = new Dictionary<string, string> { ["shared_buffers"] = "plenty" } }));

        Assert.Contains("invalid value for parameter \"shared_buffers\"", refused.Message);
        Assert.Contains("invalid value for parameter \"shared_buffers\"", Assert.Single(log.Errors));
        await using var postgres = await StartAsync();
        Assert.Equal(1, await ScalarAsync(postgres, "select 1"));
    }

    [Fact]
    public async Task A_cluster_that_is_gone_is_no_first_start()
    {
        await using (var first = await StartAsync()) { }
        Directory.Delete(Path.Combine(DataDirectory, "postgres"), recursive: true);

        var refused = await Assert.ThrowsAsync<StartRefusedException>(StartAsync);

        Assert.Contains("is gone: bring it back", refused.Message);
    }

    [Fact]
    public async Task As_root_a_data_directory_that_the_database_user_cannot_enter_keeps_its_cluster_elsewhere()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "Only root runs the database as another user.");
        var closed = Directory.CreateDirectory(folder["closed"]).FullName;
        TemporaryFolder.Close(closed);
        await using (var first = await EmbeddedPostgres.StartAsync(Path.Combine(closed, "data"), NullLogger.Instance, Cancel, Options))
        {
            Assert.StartsWith(folder["state"], first.Home);
            await ScalarAsync(first, "create table kept as select 1 as n");
        }

        await using (var second = await EmbeddedPostgres.StartAsync(Path.Combine(closed, "data"), NullLogger.Instance, Cancel, Options))
            Assert.Equal(1, await ScalarAsync(second, "select n from kept"));

        Directory.Move(Path.Combine(closed, "data"), folder["moved"]);
        await using (var moved = await EmbeddedPostgres.StartAsync(folder["moved"], NullLogger.Instance, Cancel, Options))
        {
            Assert.Equal(1, await ScalarAsync(moved, "select n from kept"));
            await using var another = await EmbeddedPostgres.StartAsync(Path.Combine(closed, "data"), NullLogger.Instance, Cancel, Options);
            Assert.NotEqual(moved.Home, another.Home);

            Directory.CreateDirectory(folder["copy"]);
            File.Copy(Path.Combine(folder["moved"], "postgres.json"), Path.Combine(folder["copy"], "postgres.json"));
            var refused = await Assert.ThrowsAsync<StartRefusedException>(
                () => EmbeddedPostgres.StartAsync(folder["copy"], NullLogger.Instance, Cancel, Options));
            Assert.Contains($"(process {Environment.ProcessId})", refused.Message);
        }
    }

    [Fact]
    public async Task An_ordinary_user_has_the_database_in_the_data_directory()
    {
        var nobody = OrdinaryUser.Prefix(folder, out var program);
        if (nobody.Length > 0) await RunAsync("chown", "nobody", Directory.CreateDirectory(DataDirectory).FullName);
        using var app = DatabaseHolder.Start(folder, nobody, program, new() { ["EmailApi__MasterKey"] = "a-secret", ["HOME"] = DataDirectory });
        var (server, connectionString) = await app.ReadyAsync();

        Assert.Equal(1, await ScalarAsync(connectionString, "select 1"));
        Assert.True(Directory.Exists(Path.Combine(DataDirectory, "postgres", "cluster", "base")));
        Assert.False(Directory.Exists(folder["state"]));
        Assert.DoesNotContain("a-secret", await File.ReadAllTextAsync($"/proc/{server}/environ", Cancel));

        await app.EndAsync();

        Assert.False(IsAlive(server));
        await using var asRoot = await StartAsync();   // when we are: the cluster stays its owner's
        Assert.Equal(1, await ScalarAsync(asRoot, "select 1"));
    }

    [Fact]
    public async Task An_ordinary_user_who_may_not_write_in_the_data_directory_is_refused_with_a_sentence()
    {
        var nobody = OrdinaryUser.Prefix(folder, out var program);
        Directory.CreateDirectory(DataDirectory);
        if (nobody.Length == 0) File.SetUnixFileMode(DataDirectory, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        using var app = DatabaseHolder.Start(folder, nobody, program, new() { ["HOME"] = folder.Path });

        var refused = await Assert.ThrowsAsync<StartRefusedException>(app.ReadyAsync);

        Assert.Contains($"cannot write in the data directory {DataDirectory}", refused.Message);
    }

    Task<EmbeddedPostgres> StartAsync() => StartAsync(Options);

    async Task<EmbeddedPostgres> StartAsync(EmbeddedPostgresOptions options)
    {
        if (!Directory.Exists(DataDirectory)) await RunAsync("cp", "-a", made.DataDirectory, DataDirectory);
        return await EmbeddedPostgres.StartAsync(DataDirectory, NullLogger.Instance, Cancel, options);
    }

    /// <summary>A dead process that its parent has not asked about yet has no command line.</summary>
    static bool IsAlive(int process) => File.Exists($"/proc/{process}/cmdline") && File.ReadAllText($"/proc/{process}/cmdline").Length > 0;

    static void KillServer(EmbeddedPostgres postgres)
    {
        using var server = Process.GetProcessById(postgres.ServerProcessId);
        server.Kill();
    }

    static async Task RunAsync(params string[] line)
    {
        using var process = Process.Start(line[0], line[1..]);
        await process.WaitForExitAsync();
        Assert.Equal(0, process.ExitCode);
    }

    static string CommandOf(int processId)
    {
        try { return File.ReadAllText($"/proc/{processId}/cmdline"); }
        catch (IOException) { return ""; }   // it ended just now
    }

    static Task EventuallyAsync(Func<bool> isSo) => Eventually.IsAsync(isSo, TimeSpan.FromSeconds(15));

    static Task<object?> ScalarAsync(EmbeddedPostgres postgres, string sql) => ScalarAsync(postgres.ConnectionString, sql);

    static async Task<object?> ScalarAsync(string connectionString, string sql)
    {
        await using var connection = new NpgsqlConnection(connectionString + ";Pooling=false");
        await connection.OpenAsync(Cancel);
        await using var command = new NpgsqlCommand(sql, connection);
        return await command.ExecuteScalarAsync(Cancel);
    }

    /// <summary>A data directory with a cluster, for the tests that are not about making one to start from a copy.</summary>
    public sealed class MadeOnce : IAsyncLifetime
    {
        readonly TemporaryFolder folder = new();

        public string DataDirectory => folder["data"];

        public async ValueTask InitializeAsync()
        {
            var limit = TimeSpan.FromMinutes(1);
            await using var first = await EmbeddedPostgres.StartAsync(DataDirectory, NullLogger.Instance, Cancel).WaitAsync(limit, Cancel);
        }

        public ValueTask DisposeAsync()
        {
            folder.Dispose();
            return ValueTask.CompletedTask;
        }
    }

    sealed class ErrorLog : ILogger
    {
        public List<string> Errors { get; } = [];
        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;
        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (logLevel == LogLevel.Error) Errors.Add(formatter(state, exception));
        }
    }
}
