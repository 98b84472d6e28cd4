using System.Security.Cryptography;
using EmailApi.Data.Embedded;
using EmailApi.Tests.Support;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace EmailApi.Tests.Data;

/// <summary>What a node refuses to start with, and what it keeps secret.</summary>
public sealed class KeyRingTests : IDisposable
{
    readonly TemporaryFolder folder = new();

    static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose() => folder.Dispose();

    [Fact]
    public async Task Sensitive_content_is_readable_after_a_restart_and_neither_it_nor_the_ring_lies_in_clear()
    {
        await using var app = await TestApp.StartAsync();
        var more = new System.Text.Json.Nodes.JsonObject { ["sensitive"] = true, ["text"] = "the code is 471100", ["send_at"] = DateTimeOffset.UtcNow.AddHours(1).ToString("O", System.Globalization.CultureInfo.InvariantCulture) };
        var id = await app.SendAsync(more: more);

        await app.StopAppAsync();
        await app.StartAppAsync();
        var content = await app.GetAsync($"/v1/emails/{id}/content");
        var rings = await app.QueryAsync(db => db.DataProtectionKeys.Select(k => k.Xml).ToListAsync());
        var documents = await app.QueryAsync(db => db.Contents.Select(c => c.Document).ToListAsync());

        Assert.Equal("the code is 471100", content.Text("text"));
        Assert.Contains("<masterKey", Assert.Single(rings));
        Assert.DoesNotContain("<value>", rings[0]);
        Assert.DoesNotContain("471100", System.Text.Encoding.Latin1.GetString(Assert.Single(documents)));
    }

    [Fact]
    public async Task A_node_with_another_master_key_refuses_to_start()
    {
        await using var app = await TestApp.StartAsync();
        await app.SendAsync(more: new() { ["sensitive"] = true });

        var (exitCode, errors) = await StartAsync(app.ConnectionString, $"--EmailApi:MasterKey={Convert.ToBase64String(RandomNumberGenerator.GetBytes(32))}");

        Assert.Equal(1, exitCode);
        Assert.Equal("EmailApi__MasterKey does not open the key ring in this database: start with the master key that it was made with.", errors);
    }

    [Theory]
    [InlineData("alter database {0} set synchronous_commit = off", "PostgreSQL runs with synchronous_commit = off")]
    [InlineData("drop database {0}; create database {0} template template0 encoding 'SQL_ASCII' lc_collate 'C' lc_ctype 'C'", "The database's encoding is SQL_ASCII")]
    public async Task A_database_that_would_lose_or_garble_mail_is_refused(string change, string sentence)
    {
        var database = await TestDatabase.CreateAsync(cancel: Cancel);
        foreach (var sql in change.Split(';')) await TestDatabase.RunAsync(string.Format(System.Globalization.CultureInfo.InvariantCulture, sql, new NpgsqlConnectionStringBuilder(database).Database), Cancel);

        var (exitCode, errors) = await StartAsync(database);

        Assert.Equal(1, exitCode);
        Assert.StartsWith(sentence, errors);
        await TestDatabase.DropAsync(database, Cancel);
    }

    [Fact]
    public async Task A_server_that_does_not_sync_is_refused()
    {
        var options = new EmbeddedPostgresOptions { StateDirectory = folder["state"], ServerSettings = new Dictionary<string, string> { ["fsync"] = "off" } };
        await using var postgres = await EmbeddedPostgres.StartAsync(folder["server"], NullLogger.Instance, Cancel, options);

        var (exitCode, errors) = await StartAsync(postgres.ConnectionString);

        Assert.Equal(1, exitCode);
        Assert.StartsWith("PostgreSQL runs with fsync = off", errors);
    }

    async Task<(int ExitCode, string Errors)> StartAsync(string database, params string[] more)
    {
        using var app = AppProcess.Start(folder.Path, [$"--ConnectionStrings:EmailApi={database}", "--EmailApi:Migrate=true", .. more]);
        var exitCode = await app.EndAsync(terminate: false);
        Assert.DoesNotContain("   at ", app.Output + app.Errors);
        return (exitCode, app.Errors.Trim());
    }
}
