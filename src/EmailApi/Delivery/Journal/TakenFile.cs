using System.Text.Json;

namespace EmailApi.Delivery.Journal;

/// <summary>One file of the journal, a line for each recipient. It is locked while its node lives; it is deleted when the database has all of it and nothing more is written.</summary>
public sealed class TakenFile
{
    internal const string Pattern = "taken-*.jsonl";

    readonly FileStream file;
    int open = 1;   // its writer

    TakenFile(FileStream file) => this.file = file;

    /// <summary>As far as this node has written; the file system is not asked for each answer.</summary>
    internal long Length => file.Position;

    internal static TakenFile Create(string directory)
    {
        Directory.CreateDirectory(directory);
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.ReadWrite, Share = FileShare.None, BufferSize = 0 };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        return new(new(Path.Combine(directory, Pattern.Replace("*", Guid.NewGuid().ToString("n"), StringComparison.Ordinal)), options));
    }

    /// <summary>The file, if its node is gone.</summary>
    internal static TakenFile? OpenIfLeft(string path)
    {
        try
        {
            return new(new(path, FileMode.Open, FileAccess.ReadWrite, FileShare.None));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return null;   // its node lives, or another was quicker
        }
    }

    /// <summary>Adds a line; <see cref="Settle"/> is owed for it.</summary>
    internal void Write(ReadOnlySpan<byte> line)
    {
        file.Write(line);
        Interlocked.Increment(ref open);
    }

    /// <summary>The database has one of its lines, or it is not written to any more.</summary>
    public void Settle()
    {
        if (Interlocked.Decrement(ref open) > 0) return;
        try
        {
            using (file) File.Delete(file.Name);   // while it is locked
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // It is read once more, and changes nothing.
        }
    }

    /// <summary>Its whole lines: a node that was killed may have left half a one at the end.</summary>
    internal IReadOnlyList<Taken> Read()
    {
        var taken = new List<Taken>();
        using var reader = new StreamReader(file, leaveOpen: true);
        while (reader.ReadLine() is { } line)
        {
            try
            {
                if (JsonSerializer.Deserialize(line, TakenJson.Default.Taken) is { } one) taken.Add(one);
            }
            catch (JsonException)
            {
                continue;
            }
        }

        return taken;
    }

    /// <summary>Left for the next round.</summary>
    internal void Close() => file.Dispose();
}
