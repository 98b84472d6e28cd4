using System.Text.Json;
using EmailApi.Http;
using Microsoft.Extensions.Options;

namespace EmailApi.Restore;

/// <summary>What this node has seen of the database, kept outside it: files that were laid back are behind it. In memory, and now and then in a small file of the data
/// directory, for the node that starts after the restore.</summary>
public sealed partial class Witness(IOptions<AppOptions> options, TimeProvider clock, ILogger<Witness> logger)
{
    static readonly TimeSpan SaveEvery = TimeSpan.FromSeconds(10);

    readonly Lock gate = new();
    Sight? seen;
    Sight? saved;
    long? savedAt;
    bool isRead;
    bool cannotSave;

    string Path => System.IO.Path.Combine(System.IO.Path.GetFullPath(options.Value.DataDirectory), FileName);

    internal const string FileName = "witness.json";

    /// <summary>Whether the database was further on than it now is.</summary>
    internal bool IsBehind(Sight now)
    {
        lock (gate)
        {
            seen ??= Read();
            return seen is { } before && before.SystemIdentifier == now.SystemIdentifier && before.DatabaseOid == now.DatabaseOid
                && (before.Since > now.Since
                    || before.Since == now.Since && (before.Timeline > now.Timeline || before.Timeline == now.Timeline && before.Position > now.Position));
        }
    }

    /// <summary>Remembers a database that was found fit.</summary>
    internal void Saw(Sight now)
    {
        lock (gate)
        {
            seen = now;
            if (seen != saved && (savedAt is not { } at || clock.GetElapsedTime(at) > SaveEvery)) Save();
        }
    }

    /// <summary>Writes what it saw last.</summary>
    public void Save()
    {
        lock (gate)
        {
            if (seen is null || seen == saved) return;
            (saved, savedAt) = (seen, clock.GetTimestamp());
            try
            {
                Directory.CreateDirectory(System.IO.Path.GetDirectoryName(Path)!);
                File.WriteAllText(Path + ".new", JsonSerializer.Serialize(seen));
                File.Move(Path + ".new", Path, overwrite: true);
                cannotSave = false;
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                if (!cannotSave) LogNotSaved(logger, error.Message);
                cannotSave = true;
            }
        }
    }

    Sight? Read()
    {
        if (isRead) return null;
        isRead = true;
        try
        {
            return File.Exists(Path) ? saved = JsonSerializer.Deserialize<Sight>(File.ReadAllText(Path)) : null;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or JsonException)
        {
            LogNotSaved(logger, error.Message);
            return null;
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "What was last seen of the database cannot be kept in the data directory ({Reason}): should its files be laid back while no node runs, nobody would notice")]
    static partial void LogNotSaved(ILogger logger, string reason);
}

/// <param name="Since">The epoch it was in.</param>
sealed record Sight(long? SystemIdentifier, long DatabaseOid, DateTimeOffset Since, int? Timeline, long? Position);
