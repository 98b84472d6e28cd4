using EmailApi.Data;
using Microsoft.EntityFrameworkCore;

namespace EmailApi.Emails;

/// <summary>Reads content back, with its blobs.</summary>
public sealed class ContentReader(IDbContextFactory<EmailDb> databases, ContentCodec codec)
{
    public Task<(EmailContent Content, IReadOnlyDictionary<string, byte[]> Blobs)> ReadAsync(
        int projectId, byte[] document, bool isProtected, CancellationToken cancel) =>
        codec.UnpackAsync(document, isProtected, async hashes =>
        {
            await using var db = await databases.CreateDbContextAsync(cancel);
            return await db.Blobs.AsNoTracking()
                .Where(b => b.ProjectId == projectId && hashes.Contains(b.Hash))
                .ToDictionaryAsync(b => Convert.ToHexStringLower(b.Hash), b => b.Bytes, cancel);
        });
}
