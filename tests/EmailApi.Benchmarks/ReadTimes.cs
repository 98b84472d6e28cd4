using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using EmailApi.Benchmarks.Servers;
using Npgsql;

namespace EmailApi.Benchmarks;

/// <summary>How long reads take, one request at a time; a line of each is printed.</summary>
sealed class ReadTimes(EmailApiServer app, Random random, CancellationToken cancel)
{
    /// <summary>The code of a path is compiled after some tens of calls.</summary>
    const int WarmUp = 40;

    public static void PrintHead() => Console.WriteLine($"{"ms",-58}{"p50",8}{"p99",8}{"max",8}{"rows",6}");

    /// <summary>Walks a few pages and asks for one of those.</summary>
    public async Task<Func<string>> SecondPagesAsync(string query)
    {
        var paths = new List<string>();
        for (var cursor = ""; paths.Count < 10; paths.Add($"/v1/emails?{query}after={cursor}"))
        {
            using var page = JsonDocument.Parse(await app.Http.GetStringAsync($"/v1/emails?{query}limit=100&after={cursor}", cancel));
            if (page.RootElement.GetProperty("next_cursor").GetString() is not { } next) break;
            cursor = next;
        }

        return () => paths[random.Next(paths.Count)];
    }

    public async Task<double> MeasureAsync(string name, Func<string> path, int requests, double max)
    {
        var took = new List<double>();
        var rows = 0;
        for (var i = -Math.Min(WarmUp, requests); i < requests; i++)
        {
            var start = Stopwatch.GetTimestamp();
            var body = await app.Http.GetByteArrayAsync(path(), cancel);
            if (i >= 0) took.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
            using var answer = JsonDocument.Parse(body);
            if (answer.RootElement.TryGetProperty("data", out var data)) rows = data.GetArrayLength();
        }

        took.Sort();
        var p99 = Figures.Percentile(took, 0.99);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name,-58}{Figures.Percentile(took, 0.5),8:0.0}{p99,8:0.0}{took[^1],8:0.0}{rows,6}{(p99 > max ? "  slow" : "")}"));
        return p99;
    }

    /// <summary>Ids of mails of the first project, from all over the time.</summary>
    public async Task<string[]> IdsAsync(NpgsqlDataSource database)
    {
        await using var command = database.CreateCommand("select array(select 'em_' || replace(id::text, '-', '') from emails tablesample system (1) where project_id = 1)");
        command.CommandTimeout = 0;
        return (string[])(await command.ExecuteScalarAsync(cancel))!;
    }
}
