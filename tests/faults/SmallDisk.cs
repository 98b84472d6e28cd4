namespace EmailApi.Faults;

/// <summary>A file system of a few megabytes in memory, to be filled to its last byte. Mounting it takes root.</summary>
sealed class SmallDisk : IAsyncDisposable
{
    const int Block = 64 * 1024;

    readonly string ballast;

    SmallDisk(string path) => (Path, ballast) = (path, System.IO.Path.Combine(path, "ballast"));

    /// <summary>Its folder, which the database's user may write to.</summary>
    public string Path { get; }

    public static async Task<SmallDisk> MountAsync(int megabytes, CancellationToken cancel)
    {
        var path = Directory.CreateTempSubdirectory("emailapi-disk-").FullName;
        await Shell.RunAsync($"mount -t tmpfs -o size={megabytes}m,mode=1777 tmpfs '{path}'", cancel);
        return new(path);
    }

    /// <summary>Leaves no room; again and again, as room may appear.</summary>
    public void Fill()
    {
        using var file = new FileStream(ballast, FileMode.Append, FileAccess.Write, FileShare.None, bufferSize: 0);
        for (var size = Block; size > 0; size /= 16)
        {
            try
            {
                while (true) file.Write(new byte[size]);
            }
            catch (IOException)
            {
                // Full, for a piece of this size.
            }
        }
    }

    public void Free() => File.Delete(ballast);

    public async ValueTask DisposeAsync()
    {
        await Shell.RunAsync($"umount -l '{Path}' && rmdir '{Path}'", CancellationToken.None);
    }
}
