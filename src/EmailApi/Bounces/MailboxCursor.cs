using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace EmailApi.Bounces;

/// <summary>How far a mailbox was read. The mailbox itself is not marked: people may read it too.</summary>
public sealed class MailboxCursor : IEntityTypeConfiguration<MailboxCursor>
{
    /// <summary>User, server and folder.</summary>
    public required string Mailbox { get; init; }
    /// <summary>What the numbers belong to (RFC 3501 §2.3.1.1): another value, and they begin anew.</summary>
    public long UidValidity { get; set; }
    public long LastUid { get; set; }
    /// <summary>A node reads it.</summary>
    public DateTimeOffset? LeaseUntil { get; set; }

    public void Configure(EntityTypeBuilder<MailboxCursor> cursor)
    {
        cursor.ToTable("mailbox_cursors");
        cursor.HasKey(c => c.Mailbox);
    }
}
