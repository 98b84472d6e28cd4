using EmailApi.Data;
using EmailApi.Http;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace EmailApi.Emails;

public enum RecipientKind
{
    To,
    Cc,
    Bcc,
}

/// <summary>One address of an email: the unit of delivery and of truth. While it is open a <see cref="Delivery.QueuedRecipient"/>
/// stands beside it; the row there goes in the statement that makes this one final.</summary>
public sealed class Recipient : IEntityTypeConfiguration<Recipient>
{
    public Guid EmailId { get; init; }
    /// <summary>Counts from 1 in the order of the request: to, then cc, then bcc.</summary>
    public int N { get; init; }
    public int ProjectId { get; init; }
    public required string Address { get; init; }
    /// <summary><see cref="Emails.Address.Key"/> where that is another text: what suppressions are compared with.</summary>
    public string? AddressKey { get; init; }
    public string? Name { get; init; }
    public RecipientKind Kind { get; init; }
    /// <summary>What was last recorded. <c>sending</c> is not written here: it is a living lease in the queue.</summary>
    public RecipientState State { get; set; }
    public int Attempts { get; set; }
    /// <summary>The number of the last event; they count from 1 per recipient.</summary>
    public int Sequence { get; set; }
    public DateTimeOffset? FinalAt { get; set; }
    /// <summary>A word for what no reply explains, e.g. <c>poison</c> or <c>in_doubt</c>.</summary>
    public string? Reason { get; set; }
    public int? ReplyCode { get; set; }
    public string? ReplyEnhanced { get; set; }
    public string? ReplyText { get; set; }
    public string? Relay { get; set; }

    public void Configure(EntityTypeBuilder<Recipient> recipient)
    {
        var open = string.Join(", ", Enum.GetValues<RecipientState>().Where(s => s.IsOpen()).Select(s => $"'{s.Word()}'"));
        recipient.ToTable("recipients", table => table.HasCheckConstraint("ck_recipients_final", $"(state in ({open})) = (final_at is null)"));
        recipient.PartitionedBy(r => r.EmailId);
        recipient.HasKey(r => new { r.EmailId, r.N });
        recipient.Property(r => r.Address).HasMaxLength(320);   // RFC 5321 §4.5.3.1.3 allows 254 octets; Unicode domains grow on the wire
        recipient.Property(r => r.AddressKey).HasMaxLength(320);
        recipient.Property(r => r.Kind).AsWord();
        recipient.Property(r => r.State).AsWord();
        recipient.HasIndex(r => new { r.ProjectId, r.Address, r.EmailId });
        recipient.HasIndex(r => new { r.ProjectId, r.State, r.EmailId });
    }
}
