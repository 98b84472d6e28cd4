using System.Text;
using EmailApi.Emails;

namespace EmailApi.Suppressions;

/// <summary>The good lines of an import, in a file that nobody else can read and that goes with the request, or with the process.</summary>
sealed class ImportSpool : IDisposable
{
    readonly FileStream file;
    readonly BinaryWriter writer;

    public ImportSpool()
    {
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.ReadWrite, Options = FileOptions.DeleteOnClose, BufferSize = 64 * 1024 };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        file = new(Path.Combine(Path.GetTempPath(), $"emailapi-import-{Guid.NewGuid():n}"), options);
        writer = new(file, Encoding.UTF8, leaveOpen: true);
    }

    public long Count { get; private set; }

    /// <param name="line">One that was checked.</param>
    public void Add(ImportedLine line)
    {
        writer.Write(line.Email!);
        writer.Write(line.Reason ?? "");
        writer.Write(line.Stream ?? "");
        writer.Write(Instant.OrNull(line.ExpiresAt)?.UtcTicks ?? 0);
        Count++;
    }

    public IEnumerable<NewSuppression> Read(int project)
    {
        writer.Flush();
        file.Position = 0;
        using var reader = new BinaryReader(file, Encoding.UTF8, leaveOpen: true);
        for (var i = 0L; i < Count; i++)
        {
            var (email, reason, stream, ticks) = (reader.ReadString(), reader.ReadString(), reader.ReadString(), reader.ReadInt64());
            yield return new(project, stream.Length > 0 ? stream : null, Address.Parse(email), reason.Length > 0 ? reason : Suppression.Manual, SuppressionSource.Import,
                ticks > 0 ? new DateTimeOffset(ticks, TimeSpan.Zero) : null);
        }
    }

    public void Dispose()
    {
        writer.Dispose();
        file.Dispose();
    }
}
