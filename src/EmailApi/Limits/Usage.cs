using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace EmailApi.Limits;

/// <summary>What a project sent on a day of UTC, counted in the transaction that stores the mail. Test keys' mail does not count.</summary>
public sealed class Usage : IEntityTypeConfiguration<Usage>
{
    public int ProjectId { get; init; }
    public DateOnly Day { get; init; }
    /// <summary>Writers that commit at the same time add to rows of their own, or each would wait for the other's commit.</summary>
    public short Shard { get; init; }
    public long Emails { get; init; }
    public long Recipients { get; init; }
    /// <summary>Of content and attachments as they are stored.</summary>
    public long Bytes { get; init; }

    public void Configure(EntityTypeBuilder<Usage> usage)
    {
        usage.ToTable("usage");
        usage.HasKey(u => new { u.ProjectId, u.Day, u.Shard });
    }
}

/// <summary>A limit as all nodes share it: what is left in a token bucket, or what is spent of a quota.</summary>
public sealed class RateBucket : IEntityTypeConfiguration<RateBucket>
{
    public required string Id { get; init; }
    public double Level { get; init; }
    /// <summary>When the level was that of a token bucket; when the period of a quota began.</summary>
    public DateTimeOffset At { get; init; }
    /// <summary>What the last lease gave.</summary>
    public double Given { get; init; }

    public void Configure(EntityTypeBuilder<RateBucket> bucket) => bucket.ToTable("rate_buckets");
}
