using EmailApi.Data;
using EmailApi.Emails;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace EmailApi.Delivery;

/// <summary>One SMTP transaction for one recipient, and how it ended.</summary>
public sealed class Attempt : IEntityTypeConfiguration<Attempt>
{
    public Guid EmailId { get; init; }
    public int N { get; init; }
    /// <summary>Counts from 1 per recipient.</summary>
    public int Number { get; init; }
    public int ProjectId { get; init; }
    public required string Relay { get; init; }
    public DateTimeOffset StartedAt { get; init; }
    public DateTimeOffset EndedAt { get; init; }
    /// <summary>The step of the dialogue that decided.</summary>
    public required string Step { get; init; }
    public int? ReplyCode { get; init; }
    public string? ReplyEnhanced { get; init; }
    public string? ReplyText { get; init; }
    /// <summary>Protocol and cipher, e.g. <c>Tls13 TLS_AES_256_GCM_SHA384</c>; null in clear.</summary>
    public string? Tls { get; init; }
    /// <summary>What was said, without message and credentials; null when it was not kept.</summary>
    public string? Conversation { get; init; }
    /// <summary>The state it led to.</summary>
    public RecipientState Outcome { get; init; }

    public void Configure(EntityTypeBuilder<Attempt> attempt)
    {
        attempt.ToTable("attempts");
        attempt.PartitionedBy(a => a.EmailId);
        attempt.HasKey(a => new { a.EmailId, a.N, a.Number });
        attempt.Property(a => a.Outcome).AsWord();
    }
}
