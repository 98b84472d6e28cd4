using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace EmailApi.Delivery;

/// <summary>Open work: a recipient that is not final. The rows are the queue; the table stays small.</summary>
public sealed class QueuedRecipient : IEntityTypeConfiguration<QueuedRecipient>
{
    public Guid EmailId { get; init; }
    public int N { get; init; }
    public int ProjectId { get; init; }
    /// <summary>The relay this mail leaves through.</summary>
    public required string Lane { get; set; }
    /// <summary>Lower goes first.</summary>
    public short Priority { get; set; }
    /// <summary>When it may be claimed; infinity while held.</summary>
    public DateTimeOffset DueAt { get; set; }
    public DateTimeOffset ExpiresAt { get; set; }
    /// <summary>Set while a node is sending it.</summary>
    public DateTimeOffset? LeaseUntil { get; set; }
    /// <summary>Proves which claim a result belongs to. It stays after a lease died, so that a late 2yz still finds its recipient.</summary>
    public Guid? LeaseToken { get; set; }
    /// <summary>Claims since the last recorded outcome: a mail that kills its node is found by this.</summary>
    public short Claims { get; set; }
    /// <summary>It was tried and had to wait: retries and new mail have a share each, so that neither waits for all of the other. What is tried again at once keeps its place.</summary>
    public bool IsRetry { get; set; }
    /// <summary>The relay that the last claim was for, where it stands in for the lane's own.</summary>
    public string? StandIn { get; set; }
    /// <summary>How often it was in doubt.</summary>
    public short Doubts { get; set; }

    public void Configure(EntityTypeBuilder<QueuedRecipient> queued)
    {
        queued.ToTable("queue");
        queued.Property(q => q.IsRetry).HasDefaultValue(false);
        queued.HasKey(q => new { q.EmailId, q.N });
        queued.HasIndex(q => new { q.Lane, q.Priority, q.ProjectId, q.IsRetry, q.DueAt }).HasFilter("lease_until is null").HasDatabaseName("ix_queue_free");
        queued.HasIndex(q => q.LeaseUntil).HasFilter("lease_until is not null").HasDatabaseName("ix_queue_leased");
        queued.HasIndex(q => q.ExpiresAt);
    }
}
