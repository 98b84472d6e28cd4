using EmailApi.Data;
using EmailApi.Http;
using Microsoft.Extensions.Options;
using Npgsql;

namespace EmailApi.Delivery;

/// <summary>Tells worker nodes of mail that an api node accepted: one NOTIFY for all that came within 20 ms, outside the accept transaction, as
/// a NOTIFY in it would take a database-wide lock at each commit. Best effort: runs look each second anyway.</summary>
public sealed partial class WakeNodes(
    DatabaseGate gate, EngineDatabase database, DirectDatabase direct, DeliverySignals signals, IOptions<AppOptions> options, ILogger<WakeNodes> logger) : BackgroundService
{
    const string Channel = "emailapi_queue";
    static readonly TimeSpan Coalesce = TimeSpan.FromMilliseconds(20);
    static readonly TimeSpan Pause = TimeSpan.FromSeconds(5);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await gate.WaitAsync(stoppingToken);
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                if (options.Value.Delivers) await ListenAsync(stoppingToken);
                else await NotifyAsync(stoppingToken);
            }
            catch (Exception error) when (!stoppingToken.IsCancellationRequested)
            {
                LogFailed(logger, error.GetBaseException().Message);
                await Task.Delay(Pause, stoppingToken);
            }
        }
    }

    async Task ListenAsync(CancellationToken cancel)
    {
        await using var connection = await direct.Source.OpenConnectionAsync(cancel);
        if (!await direct.HasSessionAsync(connection, cancel))
        {
            LogPolls(logger);
            await connection.CloseAsync();
            await Task.Delay(Timeout.Infinite, cancel);
        }

        connection.Notification += (_, _) => signals.WakeAll();
        await using var listen = new NpgsqlCommand($"listen {Channel}", connection);
        await listen.ExecuteNonQueryAsync(cancel);
        while (true) await connection.WaitAsync(cancel);
    }

    async Task NotifyAsync(CancellationToken cancel)
    {
        using var work = new SemaphoreSlim(0, 1);
        void Raise()
        {
            try
            {
                if (work.CurrentCount == 0) work.Release();
            }
            catch (SemaphoreFullException)
            {
                // Raised already.
            }
        }

        signals.WorkForOthers += Raise;
        try
        {
            while (true)
            {
                await work.WaitAsync(cancel);
                await using (var notify = database.Source.CreateCommand($"notify {Channel}")) await notify.ExecuteNonQueryAsync(cancel);
                await Task.Delay(Coalesce, cancel);
            }
        }
        finally
        {
            signals.WorkForOthers -= Raise;
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "The database is reached through a pooler, where no session can listen; nodes look each second. ConnectionStrings__EmailApiDirect would let them wake each other")]
    static partial void LogPolls(ILogger logger);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Nodes cannot wake each other for now ({Reason}); they look each second")]
    static partial void LogFailed(ILogger logger, string reason);
}
