using EmailApi.Data;
using EmailApi.Data.Embedded;
using EmailApi.Http;
using Microsoft.Extensions.Options;
using Npgsql;

namespace EmailApi.Restore;

/// <summary>What a node knows of the database it is connected to.</summary>
public enum EpochState
{
    Unchecked,
    /// <summary>The one that mail was last sent from: work goes on.</summary>
    Fit,
    /// <summary>On another timeline, and not all nodes have vouched yet.</summary>
    Asking,
    /// <summary>Restored, and not released.</summary>
    Held,
}

/// <summary>Finds out whether the database is the one that mail was last sent from, and holds it where it is not: at the start, and whenever the fingerprint that a
/// claim asks for is no longer the one that was checked.</summary>
public sealed partial class EpochCheck(
    EngineDatabase database, Witness witness, LastWork lastWork, IOptions<AppOptions> options, ILogger<EpochCheck> logger, EmbeddedPostgres? embedded = null) : IDisposable
{
    /// <summary>How long nodes have to vouch: a living one looks each second.</summary>
    internal static readonly TimeSpan VouchWithin = TimeSpan.FromSeconds(30);

    readonly SemaphoreSlim turn = new(1);
    readonly Guid node = Guid.NewGuid();
    Sight? seen;
    bool isListed;

    public EpochState State { get; private set; }

    /// <summary>What statements ask for; of no database while this one is not fit.</summary>
    public string Fingerprint => State is EpochState.Fit ? fingerprint : "";

    string fingerprint = "";

    /// <exception cref="NpgsqlException">The database is away; mail waits until it was looked at.</exception>
    public async Task CheckAsync(CancellationToken cancel)
    {
        await turn.WaitAsync(cancel);
        try
        {
            EpochState? state;
            do state = await TryAsync(cancel);
            while (state is null);
            if (state is EpochState.Fit && State is EpochState.Held) LogReleased(logger);
            State = state.Value;
        }
        catch
        {
            State = EpochState.Unchecked;
            throw;
        }
        finally
        {
            turn.Release();
        }
    }

    /// <returns>Null when the row was changed, by this or meanwhile: look again.</returns>
    async Task<EpochState?> TryAsync(CancellationToken cancel)
    {
        await using var connection = await database.Source.OpenConnectionAsync(cancel);
        var now = await DatabaseIdentity.ReadAsync(connection, cancel);
        await using var transaction = await connection.BeginTransactionAsync(cancel);
        if (await EpochSql.ReadAsync(connection, toChange: true, cancel) is not { } row)
        {
            await EpochSql.BeginAsync(connection, now, cancel);
            await transaction.CommitAsync(cancel);
            return null;
        }

        if (row.Server != now.Server) return null;   // replaced between the two questions
        if (row.HeldAt is { } at)
        {
            if (State is not EpochState.Held) LogHeld(logger, row.HeldFor.Sentence(), at);
            return EpochState.Held;
        }

        if (row.Since != seen?.Since)
        {
            lastWork.Clear();
            isListed = false;
        }

        var place = embedded?.Place;
        var sight = seen = new(now.SystemIdentifier, now.DatabaseOid, row.Since, now.Timeline, now.Position);
        if (Difference(row, now, place, sight) is { } reason)
        {
            await EpochSql.HoldAsync(connection, reason, cancel);
            await transaction.CommitAsync(cancel);
            return null;
        }

        if (row.Timeline != now.Timeline)
        {
            var state = await AskAsync(connection, row, now, cancel);
            await transaction.CommitAsync(cancel);
            return state;
        }

        if (row.Place is null && place is not null)
        {
            await EpochSql.PlaceAsync(connection, place, cancel);
            await transaction.CommitAsync(cancel);
            return null;
        }

        await transaction.CommitAsync(cancel);
        if (options.Value.Delivers && !isListed)
        {
            // Before its first claim: should there be a failover, it must be asked.
            isListed = await EpochSql.ListAsync(database.Source, node, now.Timeline, row.Fingerprint, cancel);
            if (!isListed) return null;
        }

        fingerprint = row.Fingerprint;
        witness.Saw(sight);
        return EpochState.Fit;
    }

    HoldReason? Difference(EpochRow row, DatabaseIdentity now, string? place, Sight sight) =>
        row.SystemIdentifier != now.SystemIdentifier ? HoldReason.AnotherCluster
        : row.DatabaseOid != now.DatabaseOid ? HoldReason.AnotherDatabase
        : row.IsReloaded ? HoldReason.Reloaded
        : row.Place is { } before && place is not null && before != place ? HoldReason.Moved
        : witness.IsBehind(sight) ? HoldReason.SetBack
        : null;

    /// <summary>After a failover or a recovery to a point in time: mail goes on once every node that was delivering has found its last work in the database.
    /// One that is gone, or does not find it, or that the database does not know, leaves it held.</summary>
    async Task<EpochState?> AskAsync(NpgsqlConnection connection, EpochRow row, DatabaseIdentity now, CancellationToken cancel)
    {
        if (isListed && !(await lastWork.IsInAsync(connection, cancel) && await EpochSql.VouchAsync(connection, node, now.Timeline, cancel)))
        {
            await EpochSql.HoldAsync(connection, HoldReason.AnotherTimeline, cancel);
            return null;
        }

        if (await EpochSql.AllVouchedAsync(connection, now.Timeline, cancel))
        {
            await EpochSql.GoOnAsync(connection, now.Timeline, cancel);
            LogGoesOn(logger, now.Timeline);
            return null;
        }

        if (row.AskedFor is not { } asked) await EpochSql.AskAsync(connection, cancel);
        else if (asked > VouchWithin) await EpochSql.HoldAsync(connection, HoldReason.AnotherTimeline, cancel);
        else return EpochState.Asking;
        return null;
    }

    /// <summary>Looks, without a change, whether the database is the one that was checked, and remembers how far it is. A node that delivers keeps its name on the list.</summary>
    /// <returns>False: it must be checked.</returns>
    public async Task<bool> IsSameAsync(bool list, CancellationToken cancel)
    {
        if (State is not EpochState.Fit || seen is not { } before) return false;
        var asked = fingerprint;
        if (await EpochSql.LookAsync(database.Source, before, asked, cancel) is not { } sight) return false;
        witness.Saw(sight);
        if (list && options.Value.Delivers) await EpochSql.ListAsync(database.Source, node, sight.Timeline, asked, cancel);
        return true;
    }

    /// <summary>Whether work may go on, right now, for what claims nothing.</summary>
    public Task<bool> IsFitAsync(CancellationToken cancel) => EpochSql.IsFitAsync(database.Source, Fingerprint, cancel);

    /// <summary>The node stops in order: nobody has to wait for its word.</summary>
    public async Task LeaveAsync(CancellationToken cancel)
    {
        witness.Save();
        if (isListed) await EpochSql.UnlistAsync(database.Source, node, cancel);
    }

    public void Dispose() => turn.Dispose();

    [LoggerMessage(Level = LogLevel.Critical, Message = "This database was restored ({Reason}), and nothing leaves it since {At:u}: mail that was open in the backup may have left since. Mail is accepted and waits. `EmailApi restore status` says how much; `EmailApi restore release` lets it go")]
    static partial void LogHeld(ILogger logger, string reason, DateTimeOffset at);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The restored database was released; mail goes on")]
    static partial void LogReleased(ILogger logger);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The database is on timeline {Timeline} now, after a failover; every node found its last work in it, and mail goes on")]
    static partial void LogGoesOn(ILogger logger, int? timeline);
}
