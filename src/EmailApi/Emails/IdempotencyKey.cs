using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace EmailApi.Emails;

/// <summary>A caller's own name for a request, written in the transaction that stores its mail, so that a repeat gets the first answer.</summary>
public sealed class IdempotencyKey : IEntityTypeConfiguration<IdempotencyKey>
{
    public int ProjectId { get; init; }
    public required string Key { get; init; }
    /// <summary>SHA-256 of method, path and body: another request under the same key is refused.</summary>
    public required byte[] Fingerprint { get; init; }
    /// <summary>The first email of the request.</summary>
    public Guid EmailId { get; init; }
    /// <summary>The body of the first answer, which was a 202.</summary>
    public required byte[] Response { get; init; }
    public DateTimeOffset CreatedAt { get; init; }
    public DateTimeOffset ExpiresAt { get; init; }

    public void Configure(EntityTypeBuilder<IdempotencyKey> key)
    {
        key.ToTable("idempotency_keys");
        key.HasKey(k => new { k.ProjectId, k.Key });
        key.Property(k => k.Key).HasMaxLength(255);
        key.Property(k => k.CreatedAt).HasDefaultValueSql("now()");
        key.HasIndex(k => k.ExpiresAt);
    }
}
