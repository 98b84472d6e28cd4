using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using EmailApi.Data;
using Microsoft.EntityFrameworkCore;

namespace EmailApi.Projects;

/// <summary>Finds the key behind a token. Keys are remembered for 4 s, unknown ones too, so that guessing costs no query each and a revoked
/// key ends on every node within 5 s. When each was last used is written once a minute.</summary>
public sealed partial class ApiKeys(IDbContextFactory<EmailDb> databases, TimeProvider clock, ILogger<ApiKeys> logger) : BackgroundService
{
    /// <summary>The id of the key that the settings or the first start make; its token has no form.</summary>
    public const string BootstrapId = "bootstrap";

    static readonly TimeSpan Memory = TimeSpan.FromSeconds(4);
    static readonly TimeSpan TouchEvery = TimeSpan.FromMinutes(1);
    const int MaxRemembered = 10_000;

    readonly ConcurrentDictionary<string, (ApiKey? Key, long ReadAt)> remembered = new(StringComparer.Ordinal);
    readonly ConcurrentDictionary<string, bool> used = new(StringComparer.Ordinal);

    public static byte[] HashOf(string token) => SHA256.HashData(Encoding.UTF8.GetBytes(token));

    /// <returns>The key, or null when the token is none, or one whose time is over.</returns>
    public async ValueTask<ApiKey?> FindAsync(string token, CancellationToken cancel)
    {
        var hash = HashOf(token);
        var key = ApiKeyToken.TryParseId(token) is { } id ? await ByIdAsync(id, cancel) : null;
        // A bootstrap key is taken as it is, so it may look like anything.
        if (!Matches(key, hash)) key = await ByIdAsync(BootstrapId, cancel);
        if (!Matches(key, hash) || !key!.IsValidAt(clock.GetUtcNow())) return null;

        used.TryAdd(key.Id, true);
        return key;
    }

    /// <summary>Whether the token was good a moment ago; asks nobody.</summary>
    public bool Remembers(string token) =>
        remembered.TryGetValue(ApiKeyToken.TryParseId(token) ?? BootstrapId, out var known) && Matches(known.Key, HashOf(token));

    /// <summary>This node sees the change at once; others within 5 s.</summary>
    public void Forget(string id) => remembered.TryRemove(id, out _);

    /// <summary>The same, of all keys of a project.</summary>
    public void ForgetProject(int projectId)
    {
        foreach (var (id, known) in remembered)
            if (known.Key?.ProjectId == projectId) Forget(id);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(TouchEvery, clock);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            try
            {
                var ids = used.Keys.ToArray();
                if (ids.Length == 0) continue;
                foreach (var id in ids) used.TryRemove(id, out _);
                await using var db = await databases.CreateDbContextAsync(stoppingToken);
                await db.Database.ExecuteSqlAsync($"update api_keys set last_used_at = now() where id = any({ids})", stoppingToken);
            }
            catch (Exception error) when (!stoppingToken.IsCancellationRequested)
            {
                LogNotTouched(logger, error.GetBaseException().Message);
            }
        }
    }

    static bool Matches(ApiKey? key, byte[] hash) => key is not null && CryptographicOperations.FixedTimeEquals(key.Hash, hash);

    async ValueTask<ApiKey?> ByIdAsync(string id, CancellationToken cancel)
    {
        if (remembered.TryGetValue(id, out var known) && clock.GetElapsedTime(known.ReadAt) < Memory) return known.Key;

        await using var db = await databases.CreateDbContextAsync(cancel);
        var key = await db.ApiKeys.AsNoTracking().Include(k => k.Project).SingleOrDefaultAsync(k => k.Id == id, cancel);
        if (remembered.Count > MaxRemembered) remembered.Clear();
        remembered[id] = (key, clock.GetTimestamp());
        return key;
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "When keys were last used was not noted ({Reason})")]
    static partial void LogNotTouched(ILogger logger, string reason);
}
