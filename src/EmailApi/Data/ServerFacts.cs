using Npgsql;

namespace EmailApi.Data;

/// <summary>What decides whether a PostgreSQL keeps what it was given.</summary>
sealed record ServerFacts(string Version, int VersionNumber, string Fsync, string SynchronousCommit, string Encoding)
{
    const int OldestVersion = 150000;

    public static async Task<ServerFacts> ReadAsync(NpgsqlDataSource database, CancellationToken cancel)
    {
        await using var command = database.CreateCommand("""
            select current_setting('server_version'), current_setting('server_version_num')::int, current_setting('fsync'),
                current_setting('synchronous_commit'), current_setting('server_encoding')
            """);
        await using var reader = await command.ExecuteReaderAsync(cancel);
        await reader.ReadAsync(cancel);
        return new(reader.GetString(0), reader.GetInt32(1), reader.GetString(2), reader.GetString(3), reader.GetString(4));
    }

    /// <summary>Why the app must not use it; empty when it may.</summary>
    public IEnumerable<ServerFault> Faults()
    {
        if (VersionNumber < OldestVersion) yield return new("version", $"PostgreSQL 15 or newer is needed; this is {Version}", "upgrade it");
        if (Fsync != "on") yield return new("fsync", "PostgreSQL runs with fsync = off, which loses accepted mail in a crash", "set fsync = on");
        if (SynchronousCommit is "off")
            yield return new("synchronous_commit", "PostgreSQL runs with synchronous_commit = off, which loses accepted mail in a crash", "set it to on for this database or user");
        if (Encoding != "UTF8") yield return new("encoding", $"The database's encoding is {Encoding}", "create it with encoding UTF8");
    }
}

/// <param name="Subject">What it is about, in a word.</param>
/// <param name="Wrong">What is wrong, without a full stop.</param>
/// <param name="ToDo">What to do, likewise.</param>
sealed record ServerFault(string Subject, string Wrong, string ToDo);
