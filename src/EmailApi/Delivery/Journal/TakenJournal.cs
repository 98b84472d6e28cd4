using System.Text.Json;
using EmailApi.Emails;
using EmailApi.Http;
using Microsoft.Extensions.Options;

namespace EmailApi.Delivery.Journal;

/// <summary>What relays took is written to a file of the data directory before it waits for the database, so that a node that is killed between the two doubles nothing:
/// whoever uses the directory next records it. Not forced to the disk: it is for a process that dies, and a machine that dies leaves mail in doubt as without it. Where
/// it cannot be written it is done without.</summary>
public sealed partial class TakenJournal(IOptions<AppOptions> options, TimeProvider clock, ILogger<TakenJournal> logger) : IDisposable
{
    /// <summary>A file that long is followed by another, and goes when the database has all of it.</summary>
    const long MaxFileBytes = 1 << 20;
    static readonly TimeSpan TryAgain = TimeSpan.FromSeconds(10);

    readonly Lock gate = new();
    TakenFile? current;
    long? failedAt;

    string Directory => Path.GetFullPath(options.Value.DataDirectory);

    /// <summary>Keeps the answer that a relay gave for one recipient.</summary>
    /// <returns>The file that has it, to be told when the database has it too; null where it could not be written.</returns>
    public TakenFile? Keep(Taken taken)
    {
        byte[] line = [.. JsonSerializer.SerializeToUtf8Bytes(taken, TakenJson.Default.Taken), (byte)'\n'];
        lock (gate)
        {
            if (failedAt is { } at && clock.GetElapsedTime(at) < TryAgain) return null;
            try
            {
                current ??= TakenFile.Create(Directory);
                current.Write(line);
                failedAt = null;
                var kept = current;
                if (kept.Length >= MaxFileBytes) Leave();
                return kept;
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                if (failedAt is null) LogNotKept(logger, error.Message);
                failedAt = clock.GetTimestamp();
                Leave();   // half a line may stand at its end
                return null;
            }
        }
    }

    /// <summary>What nodes left behind in this directory that ended before the database had it: each file is locked, to be settled or closed.</summary>
    public IEnumerable<TakenFile> LeftBehind()
    {
        try
        {
            return System.IO.Directory.Exists(Directory) ? System.IO.Directory.GetFiles(Directory, TakenFile.Pattern).Select(TakenFile.OpenIfLeft).OfType<TakenFile>() : [];
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return [];   // the sweeper has more to do than this
        }
    }

    /// <summary>As a result to record, its times as this node's monotonic clock would have them.</summary>
    public Result ResultOf(Taken taken) => new(taken.EmailId, taken.N, taken.Token, new(RecipientState.Sent))
    {
        Attempt = new(taken.Relay, SmtpStep.Dot, TimestampOf(taken.StartedAt), TimestampOf(taken.EndedAt), taken.Tls),
        Reply = taken.Reply,
    };

    long TimestampOf(DateTimeOffset at)
    {
        var ago = clock.GetUtcNow() - at;
        return clock.GetTimestamp() - (long)(Math.Max(0, ago.TotalSeconds) * clock.TimestampFrequency);
    }

    void Leave()
    {
        current?.Settle();
        current = null;
    }

    public void Dispose()
    {
        lock (gate) Leave();
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "What relays take cannot be kept in the data directory ({Reason}): if this node is killed, mail that was taken a moment before may leave twice")]
    static partial void LogNotKept(ILogger logger, string reason);
}
