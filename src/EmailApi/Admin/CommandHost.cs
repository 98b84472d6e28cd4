using EmailApi.Data;
using EmailApi.Data.Embedded;
using EmailApi.Http;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace EmailApi.Admin;

/// <summary>Where a command reads its settings: the places that serving reads them from.</summary>
static class CommandHost
{
    public static WebApplicationBuilder Create(string[] settings) =>
        WebApplication.CreateBuilder(new WebApplicationOptions { Args = settings, ContentRootPath = AppContext.BaseDirectory });
}

/// <summary>The database of the settings, for as long as a command runs. The embedded one may be in use by the app, which goes on undisturbed;
/// otherwise it is started for the command.</summary>
sealed class CommandDatabase : IAsyncDisposable
{
    readonly EmbeddedPostgres? started;

    CommandDatabase(string connectionString, string place, EmbeddedPostgres? started, bool isPooled = false)
    {
        var settings = DataSetup.Through(isPooled, DataSetup.For(connectionString, "EmailApi command", connections: 3), connectionString);
        (Source, Place, this.started) = (NpgsqlDataSource.Create(settings), $"{place} {settings.Host}:{settings.Port}/{settings.Database}".TrimStart(), started);
    }

    public NpgsqlDataSource Source { get; }

    /// <summary>Where it is, for people; without user and password.</summary>
    public string Place { get; }

    /// <exception cref="StartRefusedException">There is no embedded database yet, or it cannot be opened.</exception>
    public static async Task<CommandDatabase> OpenAsync(IConfiguration configuration, AppOptions settings)
    {
        var given = configuration.GetConnectionString("EmailApi");
        if (!string.IsNullOrWhiteSpace(given))
        {
            DataSetup.Check(given);
            return new(given, "", started: null, DataSetup.DirectOf(configuration) is not null);
        }

        var directory = Path.GetFullPath(settings.DataDirectory);
        if (RunningCluster.ConnectionString(directory) is { } running) return new(running, "embedded, in use by EmailApi,", started: null);
        if (!RunningCluster.Exists(directory))
            throw new StartRefusedException($"There is no database in {directory} yet: start EmailApi there once, or set ConnectionStrings__EmailApi or EmailApi__DataDirectory as EmailApi has them.");

        var embedded = await EmbeddedPostgres.StartAsync(directory, NullLogger.Instance, CancellationToken.None, new() { Binaries = settings.Postgres.Binaries });
        return new(embedded.ConnectionString, "embedded, started for this command,", embedded);
    }

    public EmailDb Context() => new((DbContextOptions<EmailDb>)EmailDb.Configure(new DbContextOptionsBuilder<EmailDb>(), o => o.UseNpgsql(Source)).Options);

    public async ValueTask DisposeAsync()
    {
        await Source.DisposeAsync();
        if (started is not null) await started.DisposeAsync();
    }
}
