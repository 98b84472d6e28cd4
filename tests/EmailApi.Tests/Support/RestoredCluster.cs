using System.Diagnostics;
using EmailApi.Data.Embedded;
using Microsoft.Extensions.Logging.Abstractions;

namespace EmailApi.Tests.Support;

/// <summary>A PostgreSQL cluster of a test's own, whose files can be copied and laid back while it is down. Its nodes reach it by one address throughout.</summary>
sealed class RestoredCluster : IAsyncDisposable
{
    readonly TemporaryFolder folder = new();
    EmbeddedPostgres postgres = null!;
    DatabaseProxy proxy = null!;

    public string ConnectionString => proxy.ConnectionString;

    string Files => Path.Combine(folder["data"], "postgres", "cluster");

    public static async Task<RestoredCluster> StartAsync()
    {
        var cluster = new RestoredCluster();
        await cluster.StartServerAsync();
        cluster.proxy = DatabaseProxy.Start(cluster.postgres.ConnectionString);
        return cluster;
    }

    /// <summary>Stops it, in order: nothing that was committed is missing.</summary>
    public async Task StopAsync()
    {
        await proxy.StopAsync();
        await postgres.DisposeAsync();
    }

    /// <param name="recover">As a standby that takes over, or a recovery to a point in time: on a timeline of its own.</param>
    public async Task StartAgainAsync(bool recover = false)
    {
        if (recover) await File.WriteAllTextAsync(Path.Combine(Files, "recovery.signal"), "");
        await StartServerAsync();
        proxy.PointTo(postgres.ConnectionString);
        proxy.Restart();
    }

    /// <summary>Keeps a copy of its files; it must be down.</summary>
    public Task BackUpAsync() => CopyAsync(Files, folder["backup"]);

    /// <summary>Brings the copy back, into the same folder; it must be down.</summary>
    public async Task LayBackAsync()
    {
        foreach (var entry in new DirectoryInfo(Files).EnumerateFileSystemInfos())
            if (entry is DirectoryInfo inner) inner.Delete(recursive: true);
            else entry.Delete();
        await CopyAsync(Path.Combine(folder["backup"], "."), Files);
    }

    public async ValueTask DisposeAsync()
    {
        await proxy.DisposeAsync();
        await postgres.DisposeAsync();
        folder.Dispose();
    }

    async Task StartServerAsync()
    {
        var options = new EmbeddedPostgresOptions
        {
            StateDirectory = folder["state"],
            ServerSettings = new Dictionary<string, string> { ["shared_buffers"] = "32MB", ["restore_command"] = "false" },
        };
        postgres = await EmbeddedPostgres.StartAsync(folder["data"], NullLogger.Instance, TestContext.Current.CancellationToken, options);
    }

    /// <summary>With owners and modes, as PostgreSQL refuses others.</summary>
    public static async Task CopyAsync(string from, string to)
    {
        using var copy = Process.Start("cp", ["-a", from, to]);
        await copy.WaitForExitAsync();
        Assert.Equal(0, copy.ExitCode);
    }
}
