using System.Globalization;
using System.Text;

namespace EmailApi.Benchmarks.Servers;

/// <summary>Postfix's smtp-sink: takes every mail, keeps none, counts them.</summary>
sealed class SmtpSink : IAsyncDisposable
{
    readonly ChildProcess process;

    SmtpSink(ChildProcess process, int port) => (this.process, Port) = (process, port);

    public int Port { get; }

    /// <summary>Mails taken so far: it writes a line of counters for each.</summary>
    public long Count
    {
        get
        {
            using var log = new FileStream(process.LogFile, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            log.Seek(-Math.Min(log.Length, 512), SeekOrigin.End);
            Span<byte> end = stackalloc byte[512];
            var text = Encoding.ASCII.GetString(end[..log.ReadAtLeast(end, end.Length, throwOnEndOfStream: false)]);
            var at = text.LastIndexOf("mesg=", StringComparison.Ordinal);
            if (at < 0) return 0;
            var digits = text.AsSpan(at + 5);
            return long.Parse(digits[..digits.IndexOfAnyExceptInRange('0', '9')], CultureInfo.InvariantCulture);
        }
    }

    public static async Task<SmtpSink> StartAsync(WorkFolder folder, CancellationToken cancel)
    {
        var port = Machine.FreePort();
        var process = ChildProcess.Start(folder[$"sink-{port}.log"],
            [Machine.Find("smtp-sink", "postfix"), .. Environment.IsPrivilegedProcess ? ["-u", "nobody"] : (string[])[], "-c", $"127.0.0.1:{port}", "1000"]);
        var sink = new SmtpSink(process, port);
        try
        {
            await Machine.ListensAsync(port, "smtp-sink", TimeSpan.FromSeconds(10), cancel);
            return sink;
        }
        catch
        {
            await sink.DisposeAsync();
            throw;
        }
    }

    /// <summary>Waits until it has taken so many.</summary>
    /// <returns>How many it had at the end; fewer when none came for the time given.</returns>
    public async Task<long> WaitForAsync(long count, TimeSpan patience, CancellationToken cancel)
    {
        var (last, changedAt) = (Count, Environment.TickCount64);
        while (last < count && Environment.TickCount64 - changedAt < patience.TotalMilliseconds)
        {
            await Task.Delay(5, cancel);
            if (Count is var now && now != last) (last, changedAt) = (now, Environment.TickCount64);
        }

        return last;
    }

    public ValueTask DisposeAsync() => process.DisposeAsync();
}
