using System.Security.Cryptography;
using EmailApi.Data;
using EmailApi.Http;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Options;

namespace EmailApi.Projects;

/// <summary>Makes project <c>default</c> with its stream and its first key: the one of the settings, else one kept in the data directory.</summary>
public sealed class BootstrapKey(IDbContextFactory<EmailDb> databases, IOptions<AppOptions> options)
{
    /// <summary>The file in the data directory that holds a key made here.</summary>
    public const string FileName = "bootstrap.key";

    /// <summary>The key made at the first start, for Development's greeting; null when it came from the settings.</summary>
    public string? Made { get; private set; }

    public async Task EnsureAsync(CancellationToken cancel)
    {
        await using var db = await databases.CreateDbContextAsync(cancel);
        await db.Database.ExecuteSqlAsync($"""
            insert into projects (name) values ({Project.Default}) on conflict do nothing;
            insert into streams (project_id, name, priority, life, in_doubt, keep_content, keep_metadata, keep_events)
            select id, {Stream.Transactional}, 100, interval '48 hours', 'retry', {Stream.DefaultKeepContent}, {Stream.DefaultKeepMetadata}, {Stream.DefaultKeepEvents} from projects where name = {Project.Default} on conflict do nothing
            """, cancel);
        var stored = await db.ApiKeys.AsNoTracking().SingleOrDefaultAsync(k => k.Id == ApiKeys.BootstrapId, cancel);
        if (options.Value.Bootstrap.ApiKey is { } given)
        {
            // Created at the first start; afterwards the settings no longer decide who may come in.
            if (stored is null) await InsertAsync(db, given, cancel);
            return;
        }

        var path = Path.Combine(Path.GetFullPath(options.Value.DataDirectory), FileName);
        if (stored is not null && !File.Exists(path)) return;
        var token = PrivateFile.ReadOrCreate(path, () => ApiKeyToken.Create(KeyMode.Live).Token);
        if (stored is null) await InsertAsync(db, token, cancel);
        else if (!CryptographicOperations.FixedTimeEquals(stored.Hash, ApiKeys.HashOf(token))) return;   // the file belongs to another database
        Made = token;
    }

    static async Task InsertAsync(EmailDb db, string token, CancellationToken cancel) =>
        await db.Database.ExecuteSqlAsync($"""
            insert into api_keys (id, project_id, name, hash, scopes)
            select {ApiKeys.BootstrapId}, id, 'bootstrap', {ApiKeys.HashOf(token)}, {Scopes.All} from projects where name = {Project.Default} on conflict do nothing
            """, cancel);
}
