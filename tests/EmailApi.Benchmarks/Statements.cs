using System.Globalization;
using Npgsql;

namespace EmailApi.Benchmarks;

/// <summary>What the database's time goes into, by statement.</summary>
static class Statements
{
    /// <summary>PostgreSQL has to be started with them.</summary>
    public static readonly IReadOnlyDictionary<string, string> ServerSettings = new Dictionary<string, string>
    {
        ["shared_preload_libraries"] = "pg_stat_statements",
        ["pg_stat_statements.track_planning"] = "on",
    };

    public static async Task BeginAsync(NpgsqlDataSource database, CancellationToken cancel)
    {
        await using var command = database.CreateCommand("create extension if not exists pg_stat_statements; select pg_stat_statements_reset()");
        await command.ExecuteNonQueryAsync(cancel);
    }

    /// <summary>Statements run since the beginning.</summary>
    public static async Task<double> CountAsync(NpgsqlDataSource database, CancellationToken cancel)
    {
        await using var all = database.CreateCommand("select sum(calls)::float8 from pg_stat_statements");
        return (double)(await all.ExecuteScalarAsync(cancel))!;
    }

    /// <summary>Prints the costliest, per mail.</summary>
    public static async Task PrintAsync(NpgsqlDataSource database, int mails, CancellationToken cancel)
    {
        await using var command = database.CreateCommand("""
            select total_plan_time * 1000 / $1, total_exec_time * 1000 / $1, calls, rows, wal_bytes / $1, left(regexp_replace(query, '\s+', ' ', 'g'), 90)
            from pg_stat_statements order by total_plan_time + total_exec_time desc limit 16
            """);
        command.Parameters.Add(new() { Value = (double)mails });
        Console.WriteLine($"{await CountAsync(database, cancel) / mails:0.00} statements a mail; the costliest:");
        await using var reader = await command.ExecuteReaderAsync(cancel);
        Console.WriteLine($"{"plan µs/mail",13}{"run µs/mail",13}{"calls",9}{"rows",9}{"WAL B/mail",12}  statement");
        while (await reader.ReadAsync(cancel))
        {
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{reader.GetDouble(0),13:0.0}{reader.GetDouble(1),13:0.0}{reader.GetInt64(2),9}{reader.GetInt64(3),9}{reader.GetDouble(4),12:0}  {reader.GetString(5)}"));
        }
    }
}
