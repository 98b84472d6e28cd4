using System.Collections.Concurrent;
using EmailApi.Data;
using EmailApi.Delivery;
using Npgsql;

namespace EmailApi.Restore;

/// <summary>What this node last claimed, lane by lane, and last recorded. PostgreSQL's log is replayed in order: where the last is there, all before it is.</summary>
public sealed class LastWork
{
    readonly ConcurrentDictionary<string, Trace[]> claims = new(StringComparer.Ordinal);
    volatile Trace[] records = [];

    public void Claimed(string lane, IReadOnlyList<ClaimedEmail> emails)
    {
        if (emails.Count > 0) claims[lane] = [.. emails.SelectMany(e => e.Recipients.Select(r => new Trace(r.EmailId, r.N, r.Attempts + 1, e.Token)))];
    }

    /// <summary>Of results that were all written, those of attempts.</summary>
    public void Recorded(IEnumerable<Result> results)
    {
        Trace[] made = [.. results.Where(r => r is { Attempt: not null, Number: > 0 }).Select(r => new Trace(r.EmailId, r.N, r.Number, Token: null))];
        if (made.Length > 0) records = made;
    }

    /// <summary>Before another epoch.</summary>
    public void Clear()
    {
        claims.Clear();
        records = [];
    }

    /// <summary>Whether a database has all of it: of a claim the lease or what came after, of a record the attempt.</summary>
    internal async Task<bool> IsInAsync(NpgsqlConnection connection, CancellationToken cancel)
    {
        Trace[] work = [.. claims.Values.SelectMany(c => c), .. records];
        if (work.Length == 0) return true;
        await using var command = new NpgsqlCommand("""
            select not exists (
                select from unnest($1, $2, $3, $4) as w(email_id, n, number, token)
                where not exists (select from attempts a where a.email_id = w.email_id and a.n = w.n and a.number = w.number)
                    and not exists (select from queue q where q.email_id = w.email_id and q.n = w.n and q.lease_token = w.token))
            """, connection)
        {
            Parameters = { SqlArray.Of(work.Select(w => w.EmailId)), SqlArray.Of(work.Select(w => w.N)), SqlArray.Of(work.Select(w => w.Number)), SqlArray.Of(work.Select(w => w.Token)) },
        };
        return await command.ExecuteScalarAsync(cancel) is true;
    }

    sealed record Trace(Guid EmailId, int N, int Number, Guid? Token);
}
