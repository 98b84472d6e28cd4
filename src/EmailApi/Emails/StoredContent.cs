using System.Data;
using EmailApi.Data;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;
using Npgsql;

namespace EmailApi.Emails;

/// <summary>What an email says, as one JSON document; large parts lie in <see cref="Blob"/>s. It goes when its time is over, while the
/// email's facts stay.</summary>
public sealed class StoredContent : IEntityTypeConfiguration<StoredContent>
{
    public Guid EmailId { get; init; }
    public int ProjectId { get; init; }
    /// <summary>UTF-8 JSON of the content; encrypted under the key ring when <see cref="IsProtected"/>.</summary>
    public required byte[] Document { get; init; }
    public bool IsProtected { get; init; }

    public void Configure(EntityTypeBuilder<StoredContent> content)
    {
        content.ToTable("contents");
        content.PartitionedBy(c => c.EmailId);
        content.HasKey(c => c.EmailId);
        content.HasIndex(c => c.EmailId).HasFilter("is_protected").HasDatabaseName("ix_contents_protected");
    }
}

/// <summary>Bytes stored once per content hash within a project: attachments and large bodies. Those of sensitive mail are encrypted and
/// shared with no other email, so that they can go with it.</summary>
public sealed class Blob : IEntityTypeConfiguration<Blob>
{
    public int ProjectId { get; init; }
    /// <summary>SHA-256 of the plain bytes; for sensitive mail, of the email's id and the plain bytes.</summary>
    public required byte[] Hash { get; init; }
    public required byte[] Bytes { get; init; }
    /// <summary>Moved on by each use: whoever removes unused blobs leaves those used within the hour, so that an accept under way keeps its own.</summary>
    public DateTimeOffset UsedAt { get; init; }

    public void Configure(EntityTypeBuilder<Blob> blob)
    {
        blob.ToTable("blobs");
        blob.HasKey(b => new { b.ProjectId, b.Hash });
        blob.Property(b => b.UsedAt).HasDefaultValueSql("now()");
    }
}

static class Blobs
{
    /// <summary>Bytes by the hash that names them, in lower-case hex.</summary>
    public static async Task<IReadOnlyDictionary<string, byte[]>> BlobsAsync(this EmailDb db, int projectId, IReadOnlyList<byte[]> hashes, CancellationToken cancel)
    {
        await db.Database.OpenConnectionAsync(cancel);
        try
        {
            await using var command = new NpgsqlCommand("select hash, bytes from blobs where project_id = $1 and hash = any($2)", (NpgsqlConnection)db.Database.GetDbConnection())
            {
                Parameters = { new() { Value = projectId }, SqlArray.Of(hashes) },
            };
            await using var reader = await command.ExecuteReaderAsync(CommandBehavior.SequentialAccess, cancel);   // else each row stands in a buffer of its own size besides
            var blobs = new Dictionary<string, byte[]>();
            while (await reader.ReadAsync(cancel)) blobs.Add(Convert.ToHexStringLower(reader.GetFieldValue<byte[]>(0)), await reader.GetFieldValueAsync<byte[]>(1, cancel));
            return blobs;
        }
        finally
        {
            await db.Database.CloseConnectionAsync();
        }
    }
}

/// <summary>Which email uses which blob: a blob that none uses may go.</summary>
public sealed class BlobUse : IEntityTypeConfiguration<BlobUse>
{
    public Guid EmailId { get; init; }
    public required byte[] Hash { get; init; }
    public int ProjectId { get; init; }

    public void Configure(EntityTypeBuilder<BlobUse> use)
    {
        use.ToTable("blob_uses");
        use.PartitionedBy(u => u.EmailId);
        use.HasKey(u => new { u.EmailId, u.Hash });
        use.HasIndex(u => new { u.ProjectId, u.Hash });
    }
}
