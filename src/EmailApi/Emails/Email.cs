using EmailApi.Data;
using EmailApi.Tracking;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace EmailApi.Emails;

/// <summary>Who sees whom: one message for all, or one each.</summary>
public enum EnvelopeKind
{
    Shared,
    Separate,
}

/// <summary>One accepted request. What it says lies in its <see cref="StoredContent"/>; where it stands, in its recipients.</summary>
public sealed class Email : IEntityTypeConfiguration<Email>
{
    /// <summary>UUIDv7: sorts by time, and picks the partition. Shown as <c>em_</c> and 32 hex digits.</summary>
    public Guid Id { get; init; }
    public int ProjectId { get; init; }
    public required string KeyId { get; init; }
    public required string Stream { get; init; }
    public required string FromAddress { get; init; }
    public string? FromName { get; init; }
    /// <summary>Null for a sensitive mail: its subject lies in the content and goes with it.</summary>
    public string? Subject { get; init; }
    /// <summary>The Message-ID field without angle brackets (RFC 5322 §3.6.4); the same over all attempts.</summary>
    public required string InternetMessageId { get; init; }
    public EnvelopeKind Envelope { get; init; }
    public bool IsSensitive { get; init; }
    public string? Tags { get; init; }
    public string? Metadata { get; init; }
    public DateTimeOffset CreatedAt { get; init; }
    public DateTimeOffset? SendAt { get; init; }
    public DateTimeOffset ExpiresAt { get; init; }
    /// <summary>The request gave the limit; else it follows from the stream's life, which stands still while the mail is paused.</summary>
    public bool HasOwnExpiry { get; init; }
    /// <summary>It goes to suppressed addresses too.</summary>
    public bool OverridesSuppression { get; init; }
    /// <summary>The span that brought it (W3C traceparent), so that its trace goes on; null: none did.</summary>
    public string? TraceParent { get; init; }
    /// <summary>What is noticed of it; null: nothing.</summary>
    public Tracked? Tracked { get; init; }

    public void Configure(EntityTypeBuilder<Email> email)
    {
        email.ToTable("emails");
        email.PartitionedBy(e => e.Id);
        email.HasKey(e => e.Id);
        email.Property(e => e.Id).ValueGeneratedNever();
        email.Property(e => e.Envelope).AsWord();
        email.Property(e => e.Tags).HasColumnType("jsonb");
        email.Property(e => e.Metadata).HasColumnType("json");   // given back as it came; jsonb would spell out 1e100000
        email.Property(e => e.HasOwnExpiry).HasDefaultValue(false);
        email.Property(e => e.OverridesSuppression).HasDefaultValue(false);
        email.HasIndex(e => new { e.ProjectId, e.Id });
        email.HasIndex(e => new { e.ProjectId, e.Stream, e.Id });
        email.HasIndex(e => new { e.ProjectId, e.KeyId, e.Id });
    }
}
