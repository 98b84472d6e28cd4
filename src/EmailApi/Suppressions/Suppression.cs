using EmailApi.Bounces;
using EmailApi.Data;
using EmailApi.Http;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace EmailApi.Suppressions;

/// <summary>Who or what said that an address must not be mailed, from the weakest to the strongest.</summary>
public enum SuppressionSource
{
    Bounce,
    Complaint,
    Unsubscribe,
    Import,
    Manual,
}

/// <summary>An address that must not be mailed, in all of a project or in one stream.</summary>
/// <remarks>No foreign key: an import of a million would look up its project a million times, and accepting and claiming only read.</remarks>
public sealed class Suppression : IEntityTypeConfiguration<Suppression>
{
    /// <summary>The words that may stand as reason: those of bounces (but <c>vacation</c> and <c>delivered</c>, which are none) and those of people.</summary>
    public static readonly string[] Reasons =
        [.. Words.All<BounceReason>().Except([BounceReason.Vacation.Word(), BounceReason.Delivered.Word()]), Manual, Unsubscribe];

    public const string Manual = "manual";
    public const string Unsubscribe = "unsubscribe";

    /// <summary>Counts up, for lists; means nothing else.</summary>
    public long Id { get; init; }
    public int ProjectId { get; init; }
    /// <summary>As <see cref="Emails.Address.Key"/> has it: what is compared, never what is sent to.</summary>
    public required string Address { get; init; }
    /// <summary>Null: the whole project.</summary>
    public string? Stream { get; init; }
    /// <summary>One of <see cref="Reasons"/>.</summary>
    public required string Reason { get; init; }
    public SuppressionSource Source { get; init; }
    /// <summary>Since when it holds.</summary>
    public DateTimeOffset CreatedAt { get; init; }
    /// <summary>Null: for good.</summary>
    public DateTimeOffset? ExpiresAt { get; init; }
    /// <summary>The mail that caused it, which may be gone by now.</summary>
    public Guid? EmailId { get; init; }

    public void Configure(EntityTypeBuilder<Suppression> suppression)
    {
        suppression.ToTable("suppressions");
        suppression.HasKey(s => new { s.ProjectId, s.Id });
        suppression.Property(s => s.Id).UseIdentityAlwaysColumn();
        suppression.Property(s => s.Address).HasMaxLength(320).UseCollation("C");   // compared byte by byte, whatever the database sorts by
        suppression.Property(s => s.Reason).HasMaxLength(16);
        suppression.Property(s => s.Source).AsWord();
        suppression.Property(s => s.CreatedAt).HasDefaultValueSql("now()");
        suppression.HasIndex(s => new { s.ProjectId, s.Address, s.Stream }).IsUnique().AreNullsDistinct(false);
        suppression.HasIndex(s => s.ExpiresAt).HasFilter("expires_at is not null");
    }
}

/// <summary>Why a recipient is not mailed.</summary>
/// <param name="Since">When the suppression was made.</param>
public sealed record Suppressed(string Reason, SuppressionSource Source, DateTimeOffset Since);
