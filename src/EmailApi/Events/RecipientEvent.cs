using EmailApi.Data;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace EmailApi.Events;

/// <summary>An append-only fact about a recipient. Its place in the feed is (transaction, ordinal), see <see cref="EventFeed"/>.</summary>
public sealed class RecipientEvent : IEntityTypeConfiguration<RecipientEvent>
{
    public Guid EmailId { get; init; }
    /// <summary>The recipient's number; 0: it is about the project, and <see cref="EmailId"/> is an id of its own.</summary>
    public int N { get; init; }
    /// <summary>Counts from 1 per recipient.</summary>
    public int Sequence { get; init; }
    public int ProjectId { get; init; }
    /// <summary><c>email.</c> and a word, e.g. <c>email.sent</c>.</summary>
    public required string Type { get; init; }
    public DateTimeOffset At { get; init; }
    /// <summary>What else is to be said: reply, reason, relay.</summary>
    public string? Data { get; init; }
    public ulong Transaction { get; init; }
    public long Ordinal { get; init; }

    public void Configure(EntityTypeBuilder<RecipientEvent> fact)
    {
        fact.ToTable("events");
        fact.PartitionedBy(e => e.EmailId);
        fact.HasKey(e => new { e.EmailId, e.N, e.Sequence });
        fact.Property(e => e.At).HasDefaultValueSql("now()");
        fact.Property(e => e.Data).HasColumnType("jsonb");
        fact.Property(e => e.Transaction).HasColumnType("xid8").HasDefaultValueSql("pg_current_xact_id()");
        fact.Property(e => e.Ordinal).HasDefaultValueSql("nextval('event_ordinal')");
        fact.HasIndex(e => new { e.ProjectId, e.Transaction, e.Ordinal });
    }
}
