using EmailApi.Benchmarks.Servers;
using EmailApi.Data.Embedded;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace EmailApi.Benchmarks;

/// <summary>SQL statements for a mail, of a node and a database of its own: counting them costs, so that nothing is timed meanwhile.</summary>
sealed class StatementCount(Options options, CancellationToken cancel)
{
    const int Mails = 4000;

    /// <returns>Statements a mail under load, those of the node's housekeeping meanwhile included.</returns>
    public async Task<double> RunAsync()
    {
        using var folder = new WorkFolder(options.Folder);
        await using var sink = await SmtpSink.StartAsync(folder, cancel);
        await using var postgres = await EmbeddedPostgres.StartAsync(folder.NewFolder("postgres"), NullLogger.Instance, cancel, new() { ServerSettings = Statements.ServerSettings });
        await using var app = await EmailApiServer.StartAsync(folder, postgres.ConnectionString, EmailApiServer.RelaySettings(sink.Port, options.Connections), cancel);
        await using var database = NpgsqlDataSource.Create(postgres.ConnectionString);
        var arrivals = new Arrivals(sink, database, cancel);
        var load = new Load(app.Port, options.Attachment * 1000);

        await RoundAsync("warm-up");
        await Statements.BeginAsync(database, cancel);
        await RoundAsync("counted");
        if (!arrivals.IsComplete) throw new CannotRunException("Statements cannot be counted while mail is missing.");
        return await Statements.CountAsync(database, cancel) / Mails;

        async Task RoundAsync(string name)
        {
            var (before, from) = (sink.Count, Arrivals.NextId());
            await load.PostAsync(Mails, options.Clients, cancel);
            await arrivals.ArriveAsync(name, before + Mails);
            await arrivals.RecordedAsync(name, from, Mails);
        }
    }
}
