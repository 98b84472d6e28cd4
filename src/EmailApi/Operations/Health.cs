using EmailApi.Data;
using EmailApi.Delivery;
using EmailApi.Http;
using EmailApi.Relays;
using Microsoft.Extensions.Options;
using Npgsql;

namespace EmailApi.Operations;

/// <summary>GET /livez and /readyz.</summary>
public static class Health
{
    static readonly TimeSpan MaxWait = TimeSpan.FromSeconds(2);

    /// <summary>The process answers; nothing else is asked.</summary>
    public static IResult Live() => Results.Text("ok");

    /// <summary>200 when mail can be accepted, also while relays are down; 503 with the database away, migrations pending, or once the node stops.</summary>
    public static async Task<IResult> ReadyAsync(DatabaseGate gate, EngineDatabase database, RelayCatalog relays, LaneRuns runs, IOptions<AppOptions> options, QuietStop stop, CancellationToken cancel)
    {
        string? trouble = stop.HasBegun ? "The server is stopping." : gate.IsOpen ? null : gate.Waiting;
        var isHeld = false;
        if (trouble is null)
        {
            try
            {
                using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancel);
                limit.CancelAfter(MaxWait);
                await using var command = database.Source.CreateCommand("select exists (select from epoch where held_at is not null)");
                isHeld = await command.ExecuteScalarAsync(limit.Token) is true;
            }
            catch (Exception error) when (error is NpgsqlException or OperationCanceledException && !cancel.IsCancellationRequested)
            {
                trouble = "The database is away.";
            }
        }

        List<string> details = [];
        if (relays.IsMissing && options.Value.Delivers) details.Add("no_relay");
        details.AddRange(runs.Configured.Where(r => r.Trouble is not null).Select(r => $"relay_down:{r.Relay.Name}"));
        if (isHeld) details.Add("restored");
        var answer = new ReadinessResponse(trouble is null ? "ready" : "unready", trouble, details);
        return Results.Json(answer, ApiJson.Wire.ReadinessResponse, statusCode: trouble is null ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable);
    }
}

/// <param name="Status"><c>ready</c> or <c>unready</c>.</param>
/// <param name="Trouble">Why it is not ready.</param>
/// <param name="Details">What does not keep the node from accepting, but deserves a look: <c>no_relay</c>; <c>relay_down:NAME</c>: the node's last connection to that relay came to nothing; <c>restored</c>: nothing leaves this database until it is released.</param>
public sealed record ReadinessResponse(string Status, string? Trouble, IReadOnlyList<string> Details);
