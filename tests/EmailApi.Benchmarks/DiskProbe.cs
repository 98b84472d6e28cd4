using System.Diagnostics;

namespace EmailApi.Benchmarks;

/// <summary>How fast the disk makes things durable.</summary>
static class DiskProbe
{
    static readonly TimeSpan Time = TimeSpan.FromSeconds(1.5);

    /// <returns>A second: new files of 2 KB made durable (as a mail queue of files does it), and rewrites of an existing file (as a
    /// database's log does it).</returns>
    public static (double NewFiles, double Rewrites) Measure(string folder)
    {
        var bytes = new byte[2048];
        var path = Path.Combine(folder, "probe");
        var newFiles = PerSecond(n =>
        {
            using var file = File.OpenHandle($"{path}-{n}", FileMode.CreateNew, FileAccess.Write);
            RandomAccess.Write(file, bytes, 0);
            RandomAccess.FlushToDisk(file);
        });
        foreach (var made in Directory.GetFiles(folder, "probe-*")) File.Delete(made);

        using var log = File.OpenHandle(path, FileMode.Create, FileAccess.Write);
        for (var n = 0; n < 512; n++) RandomAccess.Write(log, bytes, n * bytes.Length);
        RandomAccess.FlushToDisk(log);
        var rewrites = PerSecond(n =>
        {
            RandomAccess.Write(log, bytes, n % 512 * bytes.Length);
            RandomAccess.FlushToDisk(log);
        });
        return (newFiles, rewrites);
    }

    static double PerSecond(Action<int> write)
    {
        var start = Stopwatch.GetTimestamp();
        var count = 0;
        while (Stopwatch.GetElapsedTime(start) < Time) write(count++);
        return count / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }
}
