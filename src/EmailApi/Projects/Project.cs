using EmailApi.Limits;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace EmailApi.Projects;

/// <summary>A tenant: owns keys, streams and mail. Nothing of one is seen from another.</summary>
public sealed class Project : IEntityTypeConfiguration<Project>
{
    /// <summary>Exists from the first start.</summary>
    public const string Default = "default";

    public int Id { get; init; }
    public required string Name { get; set; }
    public DateTimeOffset CreatedAt { get; init; }
    /// <summary>Mails a second of all its keys together, and at once; null: no limit.</summary>
    public int? RatePerSecond { get; set; }
    public int? RateBurst { get; set; }
    /// <summary>Mails a day and a calendar month, UTC; null: no quota.</summary>
    public int? QuotaPerDay { get; set; }
    public int? QuotaPerMonth { get; set; }

    /// <summary>Events of opens and clicks tell the address that they came from.</summary>
    public bool KeepsIp { get; set; }

    public ProjectLimits Limits => new(RateLimit.Of(RatePerSecond, RateBurst), new(QuotaPerDay, QuotaPerMonth));

    public void Configure(EntityTypeBuilder<Project> project)
    {
        project.ToTable("projects");
        project.Ignore(p => p.Limits);
        project.HasIndex(p => p.Name).IsUnique();
        project.Property(p => p.KeepsIp).HasDefaultValue(false);
        project.Property(p => p.CreatedAt).HasDefaultValueSql("now()");
    }
}
