using System.Globalization;
using EmailApi.Benchmarks.Servers;
using Npgsql;

namespace EmailApi.Benchmarks;

/// <summary>What a node and its database have used since their start.</summary>
/// <param name="Commits">Transactions that wrote; those that only read cost no flush and are not counted.</param>
readonly record struct Usage(TimeSpan AppCpu, TimeSpan DatabaseCpu, double AllocatedBytes, double LogBytes, double Commits)
{
    public static Usage operator -(Usage later, Usage earlier) => new(later.AppCpu - earlier.AppCpu, later.DatabaseCpu - earlier.DatabaseCpu,
        later.AllocatedBytes - earlier.AllocatedBytes, later.LogBytes - earlier.LogBytes, later.Commits - earlier.Commits);

    public void AddTo(Figures figures, string name, int mails)
    {
        figures.Add($"{name}: CPU of the app", "µs/mail", AppCpu.TotalMicroseconds / mails);
        figures.Add($"{name}: CPU of its database", "µs/mail", DatabaseCpu.TotalMicroseconds / mails);
        figures.Add($"{name}: allocated", "KB/mail", AllocatedBytes / 1000 / mails);
        figures.Add($"{name}: write-ahead log", "KB/mail", LogBytes / 1000 / mails);
        figures.Add($"{name}: commits", "/mail", Commits / mails);
    }
}

/// <summary>Reads what a node and its database use. The postmaster is looked up once.</summary>
sealed class Meter(EmailApiServer app, NpgsqlDataSource database, CancellationToken cancel)
{
    int postmaster;

    public async Task<Usage> ReadAsync()
    {
        if (postmaster == 0) postmaster = Machine.ParentOf((int)(await ScalarAsync("select pg_backend_pid()"))!);
        // pg_stat_database lags by what each session did in its last second; the next transaction's id is exact.
        var (log, commits) = ((double)(await ScalarAsync("select (pg_current_wal_lsn() - '0/0')::float8"))!, (double)(await ScalarAsync("select pg_snapshot_xmax(pg_current_snapshot())::text::float8"))!);
        return new(app.Process.CpuTime, Machine.CpuTimeOfFamily(postmaster), await AllocatedAsync(), log, commits);
    }

    async Task<double> AllocatedAsync()
    {
        var metrics = await app.Http.GetStringAsync("/metrics", cancel);
        var line = metrics.Split('\n').FirstOrDefault(l => l.StartsWith("dotnet_gc_heap_total_allocated_bytes_total", StringComparison.Ordinal)) ?? throw new CannotRunException("/metrics does not say what was allocated.");
        return double.Parse(line.Split(' ')[1], CultureInfo.InvariantCulture);
    }

    async Task<object?> ScalarAsync(string sql)
    {
        await using var command = database.CreateCommand(sql);
        return await command.ExecuteScalarAsync(cancel);
    }
}
