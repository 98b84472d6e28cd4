using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Runtime.Versioning;
using System.Text.Json;
using EmailApi.Tests.Support;

namespace EmailApi.Tests;

/// <summary>What a newcomer does and sees: the app as a process, nothing configured.</summary>
[UnsupportedOSPlatform("windows")]
public sealed class FirstRunTests : IDisposable
{
    static readonly string[] Development = ["--environment=Development"];

    readonly TemporaryFolder folder = new();

    static CancellationToken Cancel => TestContext.Current.CancellationToken;

    string DataDirectory => Path.Combine(folder.Path, ".data");

    public void Dispose() => folder.Dispose();

    [Fact]
    public async Task The_printed_line_sends_a_mail_that_is_seen_and_the_next_start_keeps_key_and_mail()
    {
        string key, id;
        using (var first = await StartAsync())
        {
            key = await KeyAsync(first);
            id = await PasteAsync(await first.LineAsync("curl http"));
            await first.Http.WaitForStatusAsync(id, "sent");
            Assert.Equal(["Hello"], await SubjectsAsync(first.Http));
            Assert.Contains($"{first.Http.BaseAddress}swagger", first.Output);
            Assert.Equal(0, await first.EndAsync());
            Assert.Empty(first.Errors);
        }

        Assert.False(File.Exists(Path.Combine(DataDirectory, "postgres", "cluster", "postmaster.pid")));
        using var second = await StartAsync();
        Assert.Equal(key, await KeyAsync(second));
        Assert.Equal("sent", await second.Http.StatusAsync(id));
        Assert.Equal(["Hello"], await SubjectsAsync(second.Http));
    }

    [Fact]
    public async Task A_start_the_moment_after_a_kill_finds_all_that_was_answered_and_a_second_copy_is_refused()
    {
        string id;
        using (var first = await StartAsync())
        {
            await KeyAsync(first);
            id = await PasteAsync(await first.LineAsync("curl http"));
            first.Kill();
        }

        using var next = await StartAsync();
        await KeyAsync(next);
        using var copy = AppProcess.Start(folder.Path, Development);
        Assert.Equal(1, await copy.EndAsync(terminate: false));

        Assert.Matches($"^Another EmailApi \\(process {next.Id}\\) uses the data directory [^\n]+$", copy.Errors);
        Assert.DoesNotContain(" at EmailApi.", copy.Output);
        Assert.Equal(id, (await next.Http.MailAsync(id)).Text("id"));
        var states = await PostgresAsync();
        Assert.Single(states);
    }

    [Fact]
    public async Task An_ordinary_user_needs_nothing_else()
    {
        var nobody = OrdinaryUser.Prefix(folder, out var program);
        var home = Directory.CreateDirectory(folder["home"]).FullName;
        if (nobody.Length > 0) using (var chown = Process.Start("chown", ["nobody", home])) await chown.WaitForExitAsync(Cancel);

        using var app = await AppProcess.Start(home, Development, new Dictionary<string, string> { ["HOME"] = home }, nobody, program).ReadyAsync();
        await KeyAsync(app);
        var id = await PasteAsync(await app.LineAsync("curl http"));

        await app.Http.WaitForStatusAsync(id, "sent");
        Assert.True(Directory.Exists(Path.Combine(home, ".data", "postgres", "cluster", "base")));
        foreach (var secret in new[] { "master.key", "bootstrap.key" })
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path.Combine(home, ".data", secret)));
        Assert.Equal(0, await app.EndAsync());
    }

    [Fact]
    public async Task With_a_database_of_its_own_no_embedded_one_appears()
    {
        var database = await TestDatabase.CreateAsync(cancel: Cancel);
        using (var app = await AppProcess.Start(folder.Path, [.. Development, $"--ConnectionStrings:EmailApi={database}"]).ReadyAsync())
        {
            await KeyAsync(app);
            await app.Http.WaitForStatusAsync(await PasteAsync(await app.LineAsync("curl http")), "sent");
        }

        var files = Directory.GetFileSystemEntries(DataDirectory).Select(path => Path.GetFileName(path)).Where(name => !name.StartsWith("taken-", StringComparison.Ordinal));   // it was killed
        Assert.Equal(["bootstrap.key", "master.key", "witness.json"], files.Order());
        await TestDatabase.DropAsync(database, Cancel);
    }

    [Theory]
    [InlineData("EmailApi__Relays__0__Port", "70000", "EmailApi__Relays__0__Port:")]
    [InlineData("EmailApi__Relays__0__Prot", "25", "Prot")]
    [InlineData("EmailApi__Role", "boss", "EmailApi__Role: boss is not one of all, api, worker.")]
    [InlineData("EmailApi__MasterKey", "c2hvcnQ=", "EmailApi__MasterKey: ")]
    [InlineData("EmailApi__MasterKeyFile", "/nowhere/key", "EmailApi__MasterKeyFile: /nowhere/key cannot be read")]
    [InlineData("EmailApi__Bootstrap__ApiKey", "short", "EmailApi__Bootstrap__ApiKey:")]
    [InlineData("ConnectionStrings__EmailApi", "Hots=127.0.0.1", "ConnectionStrings__EmailApi cannot be read")]
    [InlineData("EmailApi__TrustedProxies__0", "proxy.example", "EmailApi__TrustedProxies__0:")]
    public async Task A_wrong_setting_ends_the_start_with_one_sentence_that_names_it(string setting, string value, string sentence)
    {
        var database = await TestDatabase.CreateAsync(await TestDatabase.TemplateAsync("migrated", TestApp.MigrateAsync), Cancel);
        var environment = new Dictionary<string, string> { ["ConnectionStrings__EmailApi"] = database, ["EmailApi__Relays__0__Name"] = "r", ["EmailApi__Relays__0__Host"] = "127.0.0.1", [setting] = value };

        using var app = AppProcess.Start(folder.Path, [], environment);
        var exitCode = await app.EndAsync(terminate: false);

        Assert.Equal(1, exitCode);
        Assert.Contains(sentence, app.Errors);
        Assert.DoesNotContain('\n', app.Errors.Trim());
        Assert.DoesNotContain("   at ", app.Output + app.Errors);
        await TestDatabase.DropAsync(database, Cancel);
    }

    [Fact]
    public async Task A_port_that_is_taken_ends_the_start_with_one_sentence()
    {
        var database = await TestDatabase.CreateAsync(await TestDatabase.TemplateAsync("migrated", TestApp.MigrateAsync), Cancel);
        using var other = new TcpListener(IPAddress.Loopback, 0);
        other.Start();

        using var app = AppProcess.Start(folder.Path, [$"--ConnectionStrings:EmailApi={database}", $"--urls=http://{other.LocalEndpoint}"]);
        var exitCode = await app.EndAsync(terminate: false);

        Assert.Equal(1, exitCode);
        Assert.Contains("choose another address with --urls", app.Errors);
        Assert.DoesNotContain('\n', app.Errors.Trim());
        Assert.DoesNotContain("   at ", app.Output + app.Errors);
        await TestDatabase.DropAsync(database, Cancel);
    }

    [Fact]
    public async Task A_wrong_setting_leaves_no_embedded_database_running()
    {
        using var app = AppProcess.Start(folder.Path, ["--EmailApi:Bootstrap:ApiKey=short"]);
        var exitCode = await app.EndAsync(terminate: false);

        Assert.Equal(1, exitCode);
        Assert.False(File.Exists(Path.Combine(DataDirectory, "postgres", "cluster", "postmaster.pid")));
        Assert.DoesNotContain("   at ", app.Output + app.Errors);
    }

    Task<AppProcess> StartAsync() => AppProcess.Start(folder.Path, Development).ReadyAsync();

    static async Task<string> KeyAsync(AppProcess app)
    {
        var key = (await app.LineAsync("Key  ")).Split(' ')[^1];
        app.Http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);
        return key;
    }

    /// <summary>Runs a line as it stands.</summary>
    /// <returns>The id in the answer.</returns>
    static async Task<string> PasteAsync(string line)
    {
        var start = new ProcessStartInfo("/bin/sh", ["-c", line]) { RedirectStandardOutput = true, RedirectStandardError = true };
        using var shell = Process.Start(start)!;
        var (answer, errors) = (await shell.StandardOutput.ReadToEndAsync(Cancel), await shell.StandardError.ReadToEndAsync(Cancel));
        await shell.WaitForExitAsync(Cancel);
        Assert.True(shell.ExitCode == 0 && answer.StartsWith("{\"id\"", StringComparison.Ordinal), $"{line}\n{answer}\n{errors}");
        return JsonDocument.Parse(answer).RootElement.Text("id");
    }

    static async Task<string[]> SubjectsAsync(HttpClient http) => [.. (await http.ListAsync("/v1/captured?wait=10")).Select(c => c.Text("subject"))];

    /// <summary>The processes whose working directory is the data directory's cluster: the server, once for its main process.</summary>
    async Task<string[]> PostgresAsync()
    {
        var pid = (await File.ReadAllLinesAsync(Path.Combine(DataDirectory, "postgres", "cluster", "postmaster.pid"), Cancel))[0];
        return [.. Directory.GetDirectories("/proc").Where(p => IsServer(p)).Where(p => !Parent(p).Equals(pid, StringComparison.Ordinal))];
    }

    bool IsServer(string process)
    {
        try
        {
            return new FileInfo(Path.Combine(process, "cwd")).LinkTarget == Path.Combine(DataDirectory, "postgres", "cluster");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    static string Parent(string process) => File.ReadAllText(Path.Combine(process, "stat")).Split(") ")[^1].Split(' ')[1];
}
